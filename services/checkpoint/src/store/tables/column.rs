//! Reading columns of rows that may be damaged: a flipped bit can change a value's type as well as the value.
//!
//! A value of the wrong type reads as nothing; the row's hash then shows the damage.

use rusqlite::Row;
use rusqlite::types::ValueRef;

/// The bytes of a blob or text; `None` for anything else.
pub(crate) fn bytes<'a>(row: &'a Row<'_>, column: usize) -> rusqlite::Result<Option<&'a [u8]>> {
    Ok(match row.get_ref(column)? {
        ValueRef::Blob(bytes) | ValueRef::Text(bytes) => Some(bytes),
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => None,
    })
}

/// An integer; `None` for anything else.
pub(crate) fn integer(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<i64>> {
    Ok(match row.get_ref(column)? {
        ValueRef::Integer(number) => Some(number),
        ValueRef::Blob(_) | ValueRef::Text(_) | ValueRef::Null | ValueRef::Real(_) => None,
    })
}

/// Numbers stay far below 2^63: one a microsecond would take 292,000 years.
pub(crate) fn to_column(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
