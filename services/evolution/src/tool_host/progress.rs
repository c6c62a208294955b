//! Where a long call says how far it is.

use std::fmt;
use std::sync::Arc;

use shim_proto::evolution::v1::Progress;

type Tell = dyn Fn(Progress) + Send + Sync;

/// Takes progress and never waits. Clones lead to the same place.
#[derive(Clone, Default)]
pub(crate) struct ProgressSink(Option<Arc<Tell>>);

impl ProgressSink {
    /// Hands all progress to `tell`, which must not block.
    pub(crate) fn new(tell: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(tell)))
    }

    /// Drops all progress.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self(None)
    }

    /// Says how far a stage is; a `total` of 0 is not known.
    pub(crate) fn tell(&self, stage: &str, text: impl Into<String>, done: u64, total: u64) {
        if let Some(tell) = &self.0 {
            tell(Progress {
                stage: stage.to_owned(),
                text: text.into(),
                done,
                total,
            });
        }
    }
}

impl fmt::Debug for ProgressSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.0.is_some() { "told" } else { "dropped" };
        write!(f, "ProgressSink({kind})")
    }
}
