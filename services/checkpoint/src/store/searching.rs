//! Full-text search over an index that is caught up first.

use rusqlite::Connection;
use shim_proto::checkpoint::v1::SearchHit;
use shim_runtime::ids::SessionId;

use super::checkpoint_store::Store;
use super::tables::search::{self, SearchScope};
use super::tables::sessions;
use crate::domain::snippet::{fts5_query, snippet};
use crate::error::Error;

/// Rows indexed in one step on behalf of a search; saves get their turn between steps.
const BATCH: u32 = 256;

impl Store {
    /// Checkpoints that hold all of `terms`, best first, in one project, one session, or everywhere.
    ///
    /// # Errors
    /// SESSION_NOT_FOUND; the store's failures.
    pub(crate) async fn search(
        &self,
        terms: Vec<String>,
        project: Option<String>,
        session: Option<SessionId>,
        limit: u32,
    ) -> Result<Vec<SearchHit>, Error> {
        while self
            .write(0, |db, _| search::index_batch(db, BATCH))
            .await?
        {}
        self.read(move |db| {
            let session = session.map(|id| sessions::find(db, id)).transpose()?;
            let scope = SearchScope {
                project,
                session: session.map(|stored| stored.row_id),
            };
            find_hits(db, &terms, &scope, limit)
        })
        .await
    }
}

fn find_hits(
    db: &Connection,
    terms: &[String],
    scope: &SearchScope,
    limit: u32,
) -> Result<Vec<SearchHit>, Error> {
    let rows = search::find(db, &fts5_query(terms), scope, limit)?;
    let mut hits = Vec::with_capacity(rows.len());
    for row in rows {
        // The damage of a hit was logged where it was found; the other hits still help.
        let Ok((checkpoint, state)) = row.decode() else {
            continue;
        };
        let session = sessions::by_row(db, row.session)?.session;
        hits.push(SearchHit {
            checkpoint: Some(checkpoint),
            snippet: snippet(&state, terms),
            session_title: session.title,
            project: session.project,
        });
    }
    Ok(hits)
}
