//! The answer of a script: its status, and the fields that the script documents.

use redis::{FromRedisValue, Value};
use serde::de::DeserializeOwned;

use crate::error::Error;

/// A map without entries in `MessagePack`: what an answer without fields stands for.
const EMPTY_MAP: [u8; 1] = [0x80];

/// An answer that is being read.
#[derive(Debug)]
pub(crate) struct Reply {
    values: std::vec::IntoIter<Value>,
    is_repeated: bool,
}

impl Reply {
    pub(super) fn of(values: Vec<Value>) -> Self {
        Self {
            values: values.into_iter(),
            is_repeated: false,
        }
    }

    /// The next value as what it must be.
    ///
    /// # Errors
    /// `Defect` if the script answered something else: it and its reader do not fit.
    pub(crate) fn take<T: FromRedisValue>(&mut self) -> Result<T, Error> {
        let next = self.values.next();
        fitting(next)
    }

    /// The named fields of an answer or a refusal that the script made with `reply`.
    ///
    /// # Errors
    /// `Defect` if a field is missing or is something else: the script and its reader do not fit.
    pub(crate) fn fields<T: DeserializeOwned>(&mut self) -> Result<T, Error> {
        let packed = match self.values.next() {
            Some(packed) => fitting::<Vec<u8>>(Some(packed))?,
            None => EMPTY_MAP.to_vec(),
        };
        rmp_serde::from_slice(&packed).map_err(|error| {
            tracing::error!(%error, "a script's answer does not fit its reader");
            Error::Defect
        })
    }

    /// The fields of an answer with the status `OK`; of any other status, the error that `explain` makes of the status
    /// and its fields. [`crate::idempotency::refusal`] explains the refusals that scripts have in common.
    ///
    /// # Errors
    /// The explained refusal; `Defect` if the script and its reader do not fit.
    pub(crate) fn accept<T: DeserializeOwned>(
        &mut self,
        explain: impl FnOnce(&str, &mut Self) -> Result<Error, Error>,
    ) -> Result<T, Error> {
        let status = self.status()?;
        if status == "OK" {
            return self.fields();
        }
        Err(explain(&status, self)?)
    }

    /// The status; any status but `OK` is a refusal, and the fields explain it.
    pub(crate) fn status(&mut self) -> Result<String, Error> {
        let status: String = self.take()?;
        self.is_repeated = status == "SAME";
        Ok(if self.is_repeated {
            "OK".to_owned()
        } else {
            status
        })
    }

    /// After the status: whether an earlier request with the same id was carried out, and this one changed nothing.
    pub(crate) fn is_repeated(&self) -> bool {
        self.is_repeated
    }
}

fn fitting<T: FromRedisValue>(value: Option<Value>) -> Result<T, Error> {
    value
        .and_then(|value| T::from_redis_value(value).ok())
        .ok_or_else(|| {
            tracing::error!("a script's answer does not fit its reader");
            Error::Defect
        })
}

/// The fields of an answer that has none.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct NoFields {}
