//! The page at `/`: what is served here, for a person who opens the address in a browser.

use axum::response::Html;

const PAGE: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Strom</title>
<h1>Strom</h1>
<p>A Kafka broker whose topics are Iceberg tables.</p>
<ul>
<li><a href="/iceberg/v1/config"><code>/iceberg</code></a>: Iceberg REST catalog; give engines this address
<li><a href="/metrics"><code>/metrics</code></a>: metrics in Prometheus' text format
<li><a href="/health/live"><code>/health/live</code></a>, <a href="/health/ready"><code>/health/ready</code></a>: health
</ul>
</html>
"#;

/// Answers `GET /`.
pub async fn index() -> Html<&'static str> {
    Html(PAGE)
}
