//! The answers of streaming mutations, kept so that the same request gets the same answer.

use prost::Message;
use shim_sqlite::idempotency::{self, IdempotencyKey};

use super::evolution_store::Store;
use crate::error::EvolutionError;

/// What a stream answered, without its progress.
#[derive(Clone, PartialEq, Message)]
struct RecordedStream {
    /// Its messages, encoded.
    #[prost(bytes = "vec", repeated, tag = "1")]
    messages: Vec<Vec<u8>>,
}

impl Store {
    /// The messages that this request was answered with, if it was.
    ///
    /// # Errors
    /// If the id belongs to another request; the store's failures.
    pub(crate) async fn recorded_stream<T: Message + Default + 'static>(
        &self,
        key: &IdempotencyKey,
    ) -> Result<Option<Vec<T>>, EvolutionError> {
        let key = key.clone();
        let recorded: Option<RecordedStream> = self
            .read(move |db| Ok(idempotency::replay(db, &key)?))
            .await?;
        let Some(recorded) = recorded else {
            return Ok(None);
        };
        let decoded = recorded
            .messages
            .iter()
            .map(|message| T::decode(message.as_slice()))
            .collect::<Result<Vec<_>, _>>();
        // A form that cannot be read any more is as good as no answer.
        Ok(decoded.ok())
    }

    /// Keeps what this request was answered with.
    ///
    /// # Errors
    /// If the id belongs to another request; the store's failures.
    pub(crate) async fn record_stream<T: Message>(
        &self,
        key: IdempotencyKey,
        messages: &[T],
    ) -> Result<(), EvolutionError> {
        let recorded = RecordedStream {
            messages: messages.iter().map(Message::encode_to_vec).collect(),
        };
        let bytes = recorded.encoded_len();
        self.mutate(key, bytes, move |_, _| Ok(recorded)).await?;
        Ok(())
    }
}
