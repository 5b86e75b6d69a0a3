//! ApiVersions (key 18), versions 0-4. v3 flexible, client software names (KIP-511), features;
//! v4 allows a minimum of 0 in feature ranges. No feature is advertised: none is served yet.

use strom_protocol::api::{ApiKey, SERVED};
use strom_protocol::error_code::ErrorCode;
use strom_protocol::messages::api_versions::{ApiVersion, ApiVersionsRequest, ApiVersionsResponse};
use tracing::debug;

use crate::session::Context;

/// Client names are checked from this version on.
const CLIENT_NAMES_SINCE: i16 = 3;

/// Lists what is served, which is the table that dispatch works from.
pub async fn handle(
    context: Context,
    version: i16,
    request: ApiVersionsRequest,
) -> ApiVersionsResponse {
    let (name, release) = (&request.client_software_name, &request.client_software_version);
    if version >= CLIENT_NAMES_SINCE && !(is_software_word(name) && is_software_word(release)) {
        return ApiVersionsResponse {
            error_code: ErrorCode::InvalidRequest.code(),
            ..Default::default()
        };
    }
    debug!(peer = %context.peer, software = %name, release = %release, "client introduced itself");
    ApiVersionsResponse { api_keys: served(|_| true), ..Default::default() }
}

/// The answer to a version that is not served: version 0's body with the range to step down to.
pub fn unsupported() -> ApiVersionsResponse {
    ApiVersionsResponse {
        error_code: ErrorCode::UnsupportedVersion.code(),
        api_keys: served(|key| key == ApiKey::ApiVersions),
        ..Default::default()
    }
}

fn served(wanted: impl Fn(ApiKey) -> bool) -> Vec<ApiVersion> {
    SERVED
        .iter()
        .filter(|spec| wanted(spec.key))
        .map(|spec| ApiVersion {
            api_key: spec.key as i16,
            min_version: spec.advertised_min,
            max_version: spec.max,
        })
        .collect()
}

/// KIP-511: letters, digits, `-` and `.`, starting and ending with a letter or digit.
fn is_software_word(word: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric();
    let bytes = word.as_bytes();
    bytes.first().is_some_and(|byte| plain(*byte))
        && bytes.last().is_some_and(|byte| plain(*byte))
        && bytes.iter().all(|byte| plain(*byte) || *byte == b'-' || *byte == b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn software_words_follow_kip_511() {
        let cases = [
            ("apache-kafka-java", true),
            ("4.3.1", true),
            ("a", true),
            ("", false),
            ("-a", false),
            ("a-", false),
            ("a b", false),
        ];
        for (word, expected) in cases {
            assert_eq!(is_software_word(word), expected, "{word:?}");
        }
    }
}
