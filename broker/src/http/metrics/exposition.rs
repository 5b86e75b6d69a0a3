//! Prometheus' text format, version 0.0.4, written family by family.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::Histogram;

/// A page of metrics in the making. Each family is written once and in one piece.
#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
    names: BTreeSet<&'static str>,
}

/// A family that has been opened: its samples differ in their labels.
#[derive(Debug)]
pub struct Family<'a> {
    out: &'a mut Exposition,
    name: &'static str,
}

impl Exposition {
    /// A counter without labels.
    pub fn counter(&mut self, name: &'static str, help: &str, value: u64) {
        self.counters(name, help).sample(&[], value as f64);
    }

    /// A gauge without labels.
    pub fn gauge(&mut self, name: &'static str, help: &str, value: f64) {
        self.gauges(name, help).sample(&[], value);
    }

    /// A histogram without labels; `name` ends in `_seconds`.
    pub fn histogram(&mut self, name: &'static str, help: &str, value: &Histogram) {
        self.histograms(name, help).histogram(&[], value);
    }

    /// Opens a family of counters; `name` ends in `_total`.
    pub fn counters(&mut self, name: &'static str, help: &str) -> Family<'_> {
        assert!(name.ends_with("_total"), "a counter's name ends in _total: {name}");
        self.family(name, help, "counter")
    }

    /// Opens a family of gauges.
    pub fn gauges(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, help, "gauge")
    }

    /// Opens a family of histograms; `name` ends in `_seconds`.
    pub fn histograms(&mut self, name: &'static str, help: &str) -> Family<'_> {
        assert!(name.ends_with("_seconds"), "a histogram's name ends in _seconds: {name}");
        self.family(name, help, "histogram")
    }

    /// The finished page.
    pub fn into_text(self) -> String {
        self.text
    }

    fn family(&mut self, name: &'static str, help: &str, kind: &str) -> Family<'_> {
        assert!(name.starts_with("strom_"), "a metric's name begins with strom_: {name}");
        assert!(self.names.insert(name), "metric {name} is written twice");
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        self.put(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
        Family { out: self, name }
    }

    fn put(&mut self, arguments: std::fmt::Arguments<'_>) {
        self.text.write_fmt(arguments).expect("writing to a String cannot fail");
    }

    fn line(&mut self, name: &str, suffix: &str, labels: &[(&str, &str)], value: f64) {
        self.put(format_args!("{name}{suffix}"));
        for (index, (label, text)) in labels.iter().enumerate() {
            let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let open = if index == 0 { '{' } else { ',' };
            self.put(format_args!("{open}{label}=\"{text}\""));
        }
        let close = if labels.is_empty() { "" } else { "}" };
        self.put(format_args!("{close} {}\n", number(value)));
    }
}

impl Family<'_> {
    /// One sample of a counter or a gauge.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: f64) -> &mut Self {
        self.out.line(self.name, "", labels, value);
        self
    }

    /// One histogram.
    pub fn histogram(&mut self, labels: &[(&str, &str)], value: &Histogram) -> &mut Self {
        let buckets = value.cumulative();
        for (bound, count) in &buckets {
            let bound = number(*bound);
            let mut with_bound = labels.to_vec();
            with_bound.push(("le", &bound));
            self.out.line(self.name, "_bucket", &with_bound, *count as f64);
        }
        let count = buckets.last().map_or(0, |(_, count)| *count);
        self.out.line(self.name, "_sum", labels, value.sum_seconds());
        self.out.line(self.name, "_count", labels, count as f64);
        self
    }
}

fn number(value: f64) -> String {
    if value.is_infinite() {
        if value > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() }
    } else {
        value.to_string()
    }
}
