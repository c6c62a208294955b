//! The seals, which only the holder of the key can make.

use rusqlite::Connection;

use super::report::{Findings, SealVerdict};
use super::schema_objects::has_table;
use super::scope::VerifyScope;
use crate::domain::hash_chain::Hash;
use crate::domain::seal::{Root, SealKey};
use crate::error::Error;
use crate::store::tables::seals;

pub(super) fn look(
    db: &Connection,
    scope: &VerifyScope,
    found: &mut Findings,
) -> Result<(), Error> {
    let root = if has_table(db, "seal_root")? {
        seals::read_root(db)?
    } else {
        None
    };
    found.report.sealed_since = root.as_ref().map(|(root, _)| root.since / 1_000_000);
    let Some(key) = &scope.seal_key else {
        if root.is_some() {
            found.report.seals = SealVerdict::NotChecked;
        }
        return Ok(());
    };
    found.report.seals = SealVerdict::Checked;
    let Some((root, seal)) = root else {
        found.database("a seal key is set, and nothing is sealed: the seals were taken away, or no service ran with the key yet");
        return Ok(());
    };
    let sum = look_at_sessions(db, key, found)?;
    if !found.report.is_complete {
        return Ok(());
    }
    let made = Root {
        sum,
        ..root.clone()
    };
    if root.seal(key) != seal {
        found.database("the seal over all sessions is not one of this key");
    } else if made != root {
        found.database("the sessions are not those that were sealed last: some were put back to an earlier state, or taken away");
    }
    Ok(())
}

/// Checks the seal of each session; answers the sum that the root should have.
fn look_at_sessions(db: &Connection, key: &SealKey, found: &mut Findings) -> Result<Hash, Error> {
    let mut root = Root {
        since: 0,
        sum: Hash::default(),
    };
    let rows: Vec<i64> = found.by_row.keys().copied().collect();
    for session in rows {
        if found.is_over() {
            break;
        }
        let Some(sealed) = seals::sealed(db, session)? else {
            continue;
        };
        match seals::read(db, session)? {
            None => found.row(session, "it has no seal".to_owned()),
            Some(seal) => {
                if seal != sealed.seal(key) {
                    found.row(session, "it does not match its seal".to_owned());
                }
                root.toggle(key, &sealed.id, &seal);
            }
        }
    }
    Ok(root.sum)
}
