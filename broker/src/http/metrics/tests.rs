//! The page is parsed as Prometheus parses it, so a malformed line fails here and not in a scrape.

use std::collections::BTreeMap;

use super::*;

/// Reads a page strictly: HELP, then TYPE, then this family's samples, nothing else.
fn parse(page: &str) -> BTreeMap<String, f64> {
    let mut samples = BTreeMap::new();
    let mut family = (String::new(), String::new());
    let mut seen = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("a help text");
            assert!(!help.is_empty() && !seen.contains(&name.to_owned()), "{line}");
            let kind_line = lines.next().expect("a TYPE line behind HELP");
            let kind = kind_line.strip_prefix(&format!("# TYPE {name} ")).expect(kind_line);
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{kind_line}");
            seen.push(name.to_owned());
            family = (name.to_owned(), kind.to_owned());
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').expect("name and value");
        let name = sample.split('{').next().expect("a name");
        let suffix = name.strip_prefix(&family.0).expect("a sample of the open family");
        let suffixes: &[&str] =
            if family.1 == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
        assert!(suffixes.contains(&suffix), "{line}");
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'));
        if let Some(labels) = sample.strip_prefix(name).filter(|labels| !labels.is_empty()) {
            assert!(labels.starts_with('{') && labels.ends_with("\"}"), "{line}");
        }
        let value = value.parse().expect("a number");
        assert!(samples.insert(sample.to_owned(), value).is_none(), "twice: {line}");
    }
    assert!(page.ends_with('\n'));
    samples
}

#[test]
fn rendered_page_is_valid_and_carries_the_values() {
    let registry = Registry::default();
    registry.add(|out: &mut Exposition| {
        let requests = Counter::new();
        requests.add(2);
        requests.increment();
        let latency = Histogram::new();
        latency.observe(Duration::from_micros(50));
        latency.observe(Duration::from_millis(7));
        latency.observe(Duration::from_secs(99));
        let open = Gauge::new();
        open.set(5);
        open.add(-7);
        out.counters("strom_requests_total", "Requests answered")
            .sample(&[("api", "Produce"), ("odd", "a\"b\\c\nd")], requests.get() as f64)
            .sample(&[("api", "Fetch")], 0.0);
        out.gauge("strom_connections", "Open\nconnections", open.get() as f64);
        out.histograms("strom_request_duration_seconds", "Time to answer")
            .histogram(&[("api", "Produce")], &latency);
    });
    let samples = parse(&registry.render());
    let bucket = |le: &str| {
        samples[&format!("strom_request_duration_seconds_bucket{{api=\"Produce\",le=\"{le}\"}}")]
    };
    assert_eq!(samples["strom_requests_total{api=\"Produce\",odd=\"a\\\"b\\\\c\\nd\"}"], 3.0);
    assert_eq!(samples["strom_connections"], -2.0);
    assert_eq!((bucket("0.00005"), bucket("0.005"), bucket("0.01")), (1.0, 1.0, 2.0));
    assert_eq!((bucket("30"), bucket("+Inf")), (2.0, 3.0));
    assert_eq!(samples["strom_request_duration_seconds_count{api=\"Produce\"}"], 3.0);
    let sum = samples["strom_request_duration_seconds_sum{api=\"Produce\"}"];
    assert!((sum - 99.00705).abs() < 1e-9, "{sum}");
    let build = format!("strom_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    assert_eq!(samples[&build], 1.0);
}

#[test]
#[should_panic(expected = "written twice")]
fn a_family_is_written_once() {
    let mut out = Exposition::default();
    out.counter("strom_a_total", "a", 1);
    out.counter("strom_a_total", "a", 1);
}
