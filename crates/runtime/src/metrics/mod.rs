//! Metrics: one table that names, documentation and tests share, and how a process exposes them.
//!
//! Code counts with the macros of the crate `metrics` wherever something happens. They do nothing until [`install`] is
//! called, which a process does when it has a listener to show its metrics on.

#[cfg(test)]
mod document;
mod procfs;
mod table;

use std::sync::OnceLock;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::redact;

pub use table::{Kind, Label, METRICS, Metric, Unit};

/// The crate `metrics` has one recorder in a process; this is the way to it.
static RECORDER: OnceLock<Exposition> = OnceLock::new();

/// The owners in the table of a process that serves a package of the contract.
const OWNERS: [(&str, &[&str]); 4] = [
    ("shim.checkpoint.", &["checkpoint"]),
    (
        "shim.coordination.",
        &["coordination and worker", "coordination"],
    ),
    ("shim.worker.", &["coordination and worker"]),
    ("shim.evolution.", &["evolution"]),
];

/// All metrics of this process, as text for Prometheus. Clones show the same.
#[derive(Debug, Clone)]
pub struct Exposition(PrometheusHandle);

impl Exposition {
    /// Everything as it is now, in Prometheus' text format 0.0.4.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = self.0.render();
        procfs::append_to(&mut text);
        text
    }

    /// Sorts what histograms were given into their buckets; until then each value is kept. To be called every few
    /// seconds, since the metrics may never be scraped.
    pub(crate) fn run_upkeep(&self) {
        self.0.run_upkeep();
    }
}

/// Begins to count and measure in this process. A second call changes nothing.
pub fn install() -> Exposition {
    RECORDER
        .get_or_init(|| {
            let recorder = with_buckets().build_recorder();
            let exposition = Exposition(recorder.handle());
            if metrics::set_global_recorder(recorder).is_err() {
                tracing::warn!(
                    "something else in this process records metrics; /metrics will be bare"
                );
            }
            describe();
            init_series("every process");
            redact::init_series();
            metrics::gauge!("shim_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
            exposition
        })
        .clone()
}

/// Whether anything is counted: what costs a query is measured only then.
#[must_use]
pub fn is_enabled() -> bool {
    RECORDER.get().is_some()
}

/// Shows what `owner` counts from now on, at zero where the table knows all series: a counter that appears only with
/// its first event has no increase that Prometheus could see.
pub fn init_series(owner: &str) {
    for metric in METRICS.iter().filter(|metric| metric.owner == owner) {
        match metric.labels {
            [] => init_metric(metric, None),
            [label] => {
                for value in label.values {
                    init_metric(metric, Some((label.name, value)));
                }
            }
            _ => {}
        }
    }
}

/// [`init_series`] for a server that has these services.
pub(crate) fn init_series_for(services: &[&str]) {
    if !is_enabled() {
        return;
    }
    init_series("every server");
    for (package, owners) in OWNERS {
        if services.iter().any(|service| service.starts_with(package)) {
            owners.iter().copied().for_each(init_series);
        }
    }
}

fn init_metric(metric: &Metric, label: Option<(&'static str, &'static str)>) {
    let labels: Vec<metrics::Label> = label
        .into_iter()
        .map(|(name, value)| metrics::Label::from_static_parts(name, value))
        .collect();
    match metric.kind {
        Kind::Counter if !procfs::is_process_metric(metric.name) => {
            metrics::counter!(metric.name, labels).increment(0);
        }
        Kind::Histogram => drop(metrics::histogram!(metric.name, labels)),
        // Only the owner of a gauge knows its first value.
        Kind::Counter | Kind::Gauge => {}
    }
}

fn describe() {
    for metric in METRICS {
        match metric.kind {
            Kind::Counter => metrics::describe_counter!(metric.name, metric.help),
            Kind::Gauge => metrics::describe_gauge!(metric.name, metric.help),
            Kind::Histogram => metrics::describe_histogram!(metric.name, metric.help),
        }
    }
}

fn with_buckets() -> PrometheusBuilder {
    let histograms = METRICS.iter().filter(|it| it.kind == Kind::Histogram);
    histograms
        .into_iter()
        .try_fold(PrometheusBuilder::new(), |builder, metric| {
            let matcher = Matcher::Full(metric.name.to_owned());
            builder.set_buckets_for_metric(matcher, metric.unit.buckets())
        })
        // Only an empty list of buckets is an error, and no unit has one.
        .unwrap_or_default()
}

impl Kind {
    /// As the text format says it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

impl Unit {
    /// The upper ends of a histogram's buckets.
    const fn buckets(self) -> &'static [f64] {
        const KIB: f64 = 1024.0;
        match self {
            Self::Seconds => &[
                50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 0.1, 0.25,
                0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0,
            ],
            Self::Bytes => &[
                256.0,
                KIB,
                4.0 * KIB,
                16.0 * KIB,
                64.0 * KIB,
                256.0 * KIB,
                KIB * KIB,
                4.0 * KIB * KIB,
                16.0 * KIB * KIB,
            ],
            Self::Count => &[
                1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0,
            ],
            Self::Ratio => &[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0],
        }
    }
}
