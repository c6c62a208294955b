//! The settings of the export. They know nothing of how spans are sent, so that [`crate::config`] can name them.

use tonic::transport::Uri;

/// Where spans go, and how many of them.
#[derive(Debug, Clone, Default)]
pub struct ExportConfig {
    /// A collector that speaks OTLP over gRPC (`otlp_endpoint`); unset, nothing is recorded.
    pub endpoint: Option<Uri>,
    /// The share of new traces to record, 0 to 1 (`otlp.sample_ratio`). A caller's own `sampled` flag decides for all
    /// calls below it.
    pub sample_ratio: f64,
    /// How many new traces are recorded in a second at most (`otlp.traces_per_second`), 0 for all. The others are left
    /// out whole.
    pub traces_per_second: u32,
}
