//! Quantiles of the Beta distribution.

use statrs::distribution::{Beta, ContinuousCDF};

/// The ends between which the middle 90 % of Beta(`alpha`, `beta`) lie; the whole range if a parameter is none.
pub(super) fn interval_90(alpha: f64, beta: f64) -> (f64, f64) {
    match Beta::new(alpha, beta) {
        Ok(posterior) => (posterior.inverse_cdf(0.05), posterior.inverse_cdf(0.95)),
        Err(_) => (0.0, 1.0),
    }
}
