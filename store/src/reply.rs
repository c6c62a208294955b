//! What a script answered: a status, then values in the order the script documents.

use redis::{FromRedisValue, Value};

use crate::error::Error;

/// An answer being read.
#[derive(Debug)]
pub(crate) struct Reply {
    values: std::vec::IntoIter<Value>,
}

impl Reply {
    pub(super) fn of(values: Vec<Value>) -> Self {
        Self {
            values: values.into_iter(),
        }
    }

    /// The next value as what it must be.
    ///
    /// # Errors
    /// `Defect` if the script answered something else: it and its reader do not fit.
    pub(crate) fn take<T: FromRedisValue>(&mut self) -> Result<T, Error> {
        self.values
            .next()
            .and_then(|value| T::from_redis_value(value).ok())
            .ok_or_else(|| {
                tracing::error!("a script's answer does not fit its reader");
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
        self.take()
    }
}
