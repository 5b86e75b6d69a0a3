//! zstd frames, decompressed in one call into the output: that needs no window of its own, whose size the
//! input would choose. Most frames do not tell their size, so a full output means growing and starting over;
//! a scratch that has seen batches of the kind is large enough at once.

use zstd::zstd_safe::{self, DCtx, zstd_sys::ZSTD_ErrorCode};

use super::{Failure, Output, invalid};

const LEVEL: i32 = zstd_safe::CLEVEL_DEFAULT;

pub(super) fn decompress(
    context: &mut DCtx<'static>,
    body: &[u8],
    output: &mut Output,
) -> Result<(), Failure> {
    if body.is_empty() {
        return Err(invalid("it is empty"));
    }
    let too_small = (ZSTD_ErrorCode::ZSTD_error_dstSize_tooSmall as usize).wrapping_neg();
    loop {
        match context.decompress(output.spare(body.len())?, body) {
            Ok(written) => {
                output.advance(written);
                return Ok(());
            }
            Err(code) if code == too_small => output.grow(body.len())?,
            Err(code) => return Err(invalid(zstd_safe::get_error_name(code))),
        }
    }
}

pub(super) fn compress(records: &[u8], out: &mut Vec<u8>) {
    let frame = zstd::bulk::compress(records, LEVEL)
        .expect("compressing into a buffer of the bound's size does not fail");
    out.extend_from_slice(&frame);
}
