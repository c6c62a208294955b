//! The recovery list, by what ranks its sessions: that of a session which did not change since is remembered, so that a
//! long list costs no look into its records.

use std::sync::Arc;

use rusqlite::{Connection, ToSql, params_from_iter};

use super::projects::ProjectNames;
use super::rank_memory::Listed;
use super::{memory, sessions};
use crate::domain::recovery::RankFacts;
use crate::error::Error;

/// Up to `limit` sessions of the recovery list of one project, the most recent first.
pub(crate) fn of_project(
    db: &Connection,
    project: &ProjectNames,
    limit: usize,
) -> Result<Vec<Arc<Listed>>, Error> {
    let of_project = project.condition("project", 1);
    let rule = format!("AND {of_project}");
    let names: Vec<&dyn ToSql> = project.parameters().collect();
    collect(db, &rule, &names, limit, |_| true)
}

/// The same of all other projects.
pub(crate) fn of_others(
    db: &Connection,
    project: &ProjectNames,
    limit: usize,
) -> Result<Vec<Arc<Listed>>, Error> {
    collect(db, "", &[], limit, |listed| {
        !project.contains(&listed.project)
    })
}

/// An index alone answers the query.
fn collect(
    db: &Connection,
    rule: &str,
    names: &[&dyn ToSql],
    limit: usize,
    is_wanted: impl Fn(&Listed) -> bool,
) -> Result<Vec<Arc<Listed>>, Error> {
    let mut statement = db.prepare_cached(&format!(
        "SELECT row_id, updated_at FROM sessions WHERE recoverable = 1 {rule} ORDER BY updated_at DESC"
    ))?;
    let mut rows = statement.query(params_from_iter(names))?;
    let mut found = Vec::new();
    while found.len() < limit
        && let Some(row) = rows.next()?
    {
        let listed = read(db, row.get(0)?, row.get(1)?)?;
        found.extend(listed.filter(|listed| is_wanted(listed)));
    }
    Ok(found)
}

/// `None` for a damaged row, which is logged.
fn read(db: &Connection, row_id: i64, updated_at: i64) -> Result<Option<Arc<Listed>>, Error> {
    let memory = memory::current();
    let known = memory.as_ref();
    if let Some(known) = known.and_then(|memory| memory.ranks.get(row_id, updated_at)) {
        return Ok(Some(known));
    }
    let session = match sessions::by_row_short(db, row_id) {
        Ok(stored) => stored.session,
        Err(error) if error.is_nothing_readable() => return Ok(None),
        Err(Error::SessionNotFound(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let listed = Arc::new(Listed {
        row_id,
        facts: RankFacts::of(&session),
        project: session.project,
        updated_at,
    });
    if let Some(memory) = memory {
        memory.ranks.put(Arc::clone(&listed));
    }
    Ok(Some(listed))
}
