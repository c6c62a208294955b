//! What a script answered: a status, then values in the order the script documents.

use redis::{FromRedisValue, Value};
use serde::de::DeserializeOwned;

use crate::error::Error;

/// An answer being read.
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

    /// The named fields of an answer that was made with `reply`, or of a refusal.
    ///
    /// # Errors
    /// `Defect` if a field is missing or is something else: the script and its reader do not fit.
    pub(crate) fn fields<T: DeserializeOwned>(&mut self) -> Result<T, Error> {
        let packed: Vec<u8> = self.take()?;
        rmp_serde::from_slice(&packed).map_err(|error| {
            tracing::error!(%error, "a script's answer does not fit its reader");
            Error::Defect
        })
    }

    /// What is left.
    pub(crate) fn rest<T: FromRedisValue>(&mut self) -> Result<Vec<T>, Error> {
        let mut rest = Vec::with_capacity(self.values.len());
        while self.values.len() > 0 {
            rest.push(self.take()?);
        }
        Ok(rest)
    }

    /// The status; anything but `OK` is a refusal, to be explained by what follows.
    pub(crate) fn status(&mut self) -> Result<String, Error> {
        let status: String = self.take()?;
        self.is_repeated = status == "SAME";
        Ok(if self.is_repeated {
            "OK".to_owned()
        } else {
            status
        })
    }

    /// After the status: whether the script did it for an earlier request of the same id, and nothing now.
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
