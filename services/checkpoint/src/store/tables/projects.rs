//! The spellings of one project. A folder has one identity, but sessions of older versions, other clients and archives
//! stand under the path they were opened with.

use rusqlite::{Connection, ToSql};
use shim_runtime::workspace::identity;

use crate::error::Error;

/// The names under which sessions of one project stand.
#[derive(Debug, Clone)]
pub(crate) struct ProjectNames(Vec<String>);

impl ProjectNames {
    /// Its identity, and every other spelling of it that a session has. Costs a look at each project's folder.
    pub(crate) fn of(db: &Connection, project: &str) -> Result<Self, Error> {
        let own = identity(project);
        let mut names = vec![own.clone()];
        if own.starts_with('/') {
            let is_spelling = |name: &String| *name != own && identity(name) == own;
            names.extend(paths(db)?.into_iter().filter(is_spelling));
        }
        Ok(Self(names))
    }

    pub(crate) fn contains(&self, project: &str) -> bool {
        self.0.iter().any(|name| name == project)
    }

    /// The condition that `column` is one of them; the names are the parameters from number `first` on.
    pub(crate) fn condition(&self, column: &str, first: usize) -> String {
        let numbers = (first..).take(self.0.len()).map(|n| format!("?{n}"));
        format!("{column} IN ({})", numbers.collect::<Vec<_>>().join(", "))
    }

    pub(crate) fn parameters(&self) -> impl Iterator<Item = &dyn ToSql> {
        self.0.iter().map(|name| name as &dyn ToSql)
    }
}

/// The projects that are paths, each once: one step in the index for each.
fn paths(db: &Connection) -> Result<Vec<String>, Error> {
    let mut statement = db.prepare_cached(
        "WITH RECURSIVE paths (project) AS (
             SELECT min(project) FROM sessions WHERE project >= '/'
             UNION ALL
             SELECT (SELECT min(project) FROM sessions WHERE project > paths.project) FROM paths
             WHERE paths.project IS NOT NULL
         )
         SELECT project FROM paths WHERE project >= '/' AND project < '0'",
    )?;
    let rows = statement.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
