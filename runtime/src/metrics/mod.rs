//! What is counted and measured, in one table that names, documentation and tests share.

mod table;

pub use table::{Kind, METRICS, Metric, Unit};
