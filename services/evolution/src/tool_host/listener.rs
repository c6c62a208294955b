//! The listener of a call: progress and pieces of the answer, handed on to the caller as they come.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use super::messages::{Notification, PartParams, ProgressParams};
use super::process::Listener;
use super::progress::ProgressSink;

/// Hands on what comes before the answer.
pub(super) struct CallListener<'a, P, F> {
    progress: &'a ProgressSink,
    on_part: F,
    piece: PhantomData<fn(P)>,
}

impl<'a, P, F: FnMut(P)> CallListener<'a, P, F> {
    /// Progress goes to `progress`, and each piece of the answer to `on_part`.
    pub(super) fn new(progress: &'a ProgressSink, on_part: F) -> Self {
        Self {
            progress,
            on_part,
            piece: PhantomData,
        }
    }
}

impl<P: DeserializeOwned, F: FnMut(P)> Listener for CallListener<'_, P, F> {
    fn progress(&mut self, message: &[u8]) {
        let read: Result<Notification<ProgressParams>, _> = serde_json::from_slice(message);
        if let Ok(Notification { params }) = read {
            self.progress
                .tell(&params.stage, params.text, params.done, params.total);
        }
    }

    fn part(&mut self, message: &[u8]) -> Result<(), String> {
        let read: Result<Notification<PartParams<P>>, _> = serde_json::from_slice(message);
        let Notification { params } = read.map_err(|why| why.to_string())?;
        (self.on_part)(params.value);
        Ok(())
    }
}
