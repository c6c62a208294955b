//! What a process tells Prometheus, read as strictly as Prometheus does.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use shim_runtime::metrics::{Kind, METRICS, Metric};
use shim_tests::scrape::scrape;

const TIMEOUT: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(50);

pub(super) type Labels = BTreeMap<String, String>;

/// One line: a series and its value.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    name: String,
    pub(super) labels: Labels,
    pub(super) value: f64,
}

/// Everything one look showed.
#[derive(Debug, Default)]
pub(super) struct Scrape {
    types: BTreeMap<String, String>,
    pub(super) samples: Vec<Sample>,
}

impl Scrape {
    /// Asks for the metrics at `address`.
    pub(super) async fn of(address: &str) -> Self {
        let answer = scrape(address).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert!(
            head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"),
            "{head}"
        );
        Self::read(body)
    }

    /// Looks again until `is_there` holds.
    pub(super) async fn until(address: &str, what: &str, is_there: impl Fn(&Self) -> bool) -> Self {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let scrape = Self::of(address).await;
            if is_there(&scrape) {
                return scrape;
            }
            assert!(Instant::now() < deadline, "{what} never showed: {scrape:?}");
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    fn read(text: &str) -> Self {
        let mut scrape = Self::default();
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(declared) = line.strip_prefix("# TYPE ") {
                let (name, kind) = declared.split_once(' ').unwrap();
                let earlier = scrape.types.insert(name.into(), kind.into());
                assert_eq!(earlier, None, "{name} is declared twice");
            } else if !line.starts_with("# HELP ") {
                scrape.samples.push(sample(line));
            }
        }
        scrape
    }

    /// The sum of all series with this name and these labels.
    pub(super) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let has = |sample: &&Sample| {
            let observed = |(label, value): &(&str, &str)| {
                sample.labels.get(*label).is_some_and(|it| it == value)
            };
            sample.name == name && labels.iter().all(observed)
        };
        self.samples.iter().filter(has).map(|it| it.value).sum()
    }

    /// Every series stands in the table, with its kind and its labels.
    pub(super) fn assert_documented(&self) {
        let series: BTreeSet<_> = self
            .samples
            .iter()
            .map(|it| (&it.name, &it.labels))
            .collect();
        assert_eq!(series.len(), self.samples.len(), "a series stands twice");
        for (name, kind) in &self.types {
            let metric = METRICS.iter().find(|metric| metric.name == name);
            let metric = metric.unwrap_or_else(|| panic!("{name} stands not in the table"));
            assert_eq!(kind, metric.kind.name(), "{name}");
        }
        for sample in &self.samples {
            self.metric_of(sample).fits(sample);
        }
    }

    fn metric_of(&self, sample: &Sample) -> &'static Metric {
        let is_it = |metric: &&Metric| match sample.name.strip_prefix(metric.name) {
            Some("") => metric.kind != Kind::Histogram,
            Some("_bucket" | "_sum" | "_count") => metric.kind == Kind::Histogram,
            _ => false,
        };
        let metric = METRICS.iter().find(is_it);
        let metric = metric.unwrap_or_else(|| panic!("{} stands not in the table", sample.name));
        assert!(self.types.contains_key(metric.name), "{sample:?}");
        metric
    }

    /// Whether every value is known.
    pub(super) fn is_whole(&self) -> bool {
        self.samples.iter().all(|sample| sample.value.is_finite())
    }

    /// The metrics of these owners that are not there.
    pub(super) fn missing(&self, owners: &[&str]) -> Vec<&'static str> {
        METRICS
            .iter()
            .filter(|metric| {
                owners.contains(&metric.owner) && !self.types.contains_key(metric.name)
            })
            .map(|metric| metric.name)
            .collect()
    }
}

trait Fits {
    fn fits(&self, sample: &Sample);
}

impl Fits for Metric {
    fn fits(&self, sample: &Sample) {
        let mut labels = sample.labels.clone();
        let is_bucket = sample.name.ends_with("_bucket");
        assert_eq!(labels.remove("le").is_some(), is_bucket, "{sample:?}");
        let names: BTreeSet<_> = self.labels.iter().map(|label| label.name).collect();
        let observed: BTreeSet<_> = labels.keys().map(String::as_str).collect();
        assert_eq!(observed, names, "{sample:?}");
        for label in self.labels.iter().filter(|label| !label.values.is_empty()) {
            let value = labels[label.name].as_str();
            assert!(label.values.contains(&value), "{sample:?}");
        }
        // A gauge is NaN while what it tells is not known.
        let is_unknown = self.kind == Kind::Gauge && sample.value.is_nan();
        assert!(is_unknown || sample.value >= 0.0, "{sample:?}");
    }
}

/// `name{label="value",...} number`. No value of ours holds a quote, a comma or a backslash.
fn sample(line: &str) -> Sample {
    let (series, value) = line.rsplit_once(' ').unwrap();
    let (name, labels) = match series.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix('}').unwrap()),
        None => (series, ""),
    };
    let labels = labels
        .split(',')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (label, value) = pair.split_once('=').unwrap();
            let value = value.strip_prefix('"').unwrap().strip_suffix('"').unwrap();
            (label.to_owned(), value.to_owned())
        });
    Sample {
        name: name.to_owned(),
        labels: labels.collect(),
        value: value.parse().unwrap(),
    }
}
