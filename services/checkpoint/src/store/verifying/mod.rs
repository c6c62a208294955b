//! Verifying a database: every row of every table against what sealed records and the other tables say of it.
//!
//! (A) The reading goes on behind a fault; faults are counted, and the first of them named. (B) Nothing is changed, and the
//! service may run meanwhile: one read transaction sees one moment. (C) A time limit ends the reading early, and the report says so.

mod checkpoints;
mod observed;
mod other_tables;
mod report;
mod schema_objects;
mod scope;
mod sealed;
mod segments;
mod sessions;

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

pub use report::{Fault, SealVerdict, VerifyReport};
pub use scope::VerifyScope;

use self::report::Findings;
use crate::error::Error;

/// A look at some of the tables.
type Look = fn(&Connection, &VerifyScope, &mut Findings) -> Result<(), Error>;

/// Verifies the database in this file.
///
/// # Errors
/// If the file cannot be opened as a database.
pub(crate) fn verify(database: &Path, scope: &VerifyScope) -> Result<VerifyReport, Error> {
    let db = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    db.busy_timeout(std::time::Duration::from_secs(5))?;
    db.execute_batch("PRAGMA trusted_schema = OFF; BEGIN")?;
    let mut found = Findings::new(scope);
    let looks: [Look; 7] = [
        schema_objects::look,
        sessions::look,
        checkpoints::look,
        segments::look,
        other_tables::look,
        observed::look,
        sealed::look,
    ];
    for look in looks {
        if found.is_over() {
            break;
        }
        // What cannot be read at all is one fault more; the other tables may be readable.
        if let Err(error) = look(&db, scope, &mut found) {
            found.database(format!("cannot be read: {error}"));
        }
    }
    Ok(found.into_report())
}
