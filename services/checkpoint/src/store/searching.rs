//! Full-text search: an index of words that is caught up first, then a scan for what stands within words.
//!
//! The index knows whole words and their beginnings. Chinese and Japanese have no blanks between words, and identifiers
//! hold several words: there the index has no answer, and the contents themselves are looked through, newest first. So no
//! save pays for it.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use shim_proto::checkpoint::v1::{SearchCheckpointsResponse, SearchHit};
use shim_runtime::ids::SessionId;

use super::checkpoint_store::Store;
use super::tables::checkpoints::CheckpointRow;
use super::tables::projects::ProjectNames;
use super::tables::search::{self, Scan, SearchScope};
use super::tables::sessions;
use crate::domain::snippet::{WordMatch, fts5_query, holds_all, snippet};
use crate::domain::text_match::{is_unspaced, needle};
use crate::error::Error;

/// Rows indexed in one step on behalf of a search; saves get their turn between steps.
const BATCH: u32 = 256;
/// How long a scan may take where the index has no answer,
const SCAN_TIME: Duration = Duration::from_secs(5);
/// and where it has one, which the scan may add to.
const EXTRA_SCAN_TIME: Duration = Duration::from_millis(100);

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
    ) -> Result<SearchCheckpointsResponse, Error> {
        while self
            .write(0, |db, _| search::index_batch(db, BATCH))
            .await?
        {}
        self.read(move |db| {
            let session = session.map(|id| sessions::find(db, id)).transpose()?;
            let project = project.map(|project| ProjectNames::of(db, &project));
            let scope = SearchScope {
                project: project.transpose()?,
                session: session.map(|stored| stored.row_id),
            };
            let mut found = Found::new(limit);
            found.ask_index(db, &terms, &scope)?;
            let incomplete = found.scan(db, &terms, &scope)?;
            Ok(SearchCheckpointsResponse {
                hits: found.hits(db, &terms)?,
                incomplete,
            })
        })
        .await
    }
}

/// Rows found so far, each once, in the order of the answer.
struct Found {
    rows: Vec<CheckpointRow>,
    ids: HashSet<i64>,
    limit: usize,
}

impl Found {
    fn new(limit: u32) -> Self {
        Self {
            rows: Vec::new(),
            ids: HashSet::new(),
            limit: limit as usize,
        }
    }

    fn is_full(&self) -> bool {
        self.rows.len() >= self.limit
    }

    fn add(&mut self, row: CheckpointRow) {
        if !self.is_full() && self.ids.insert(row.row_id) {
            self.rows.push(row);
        }
    }

    /// Adds the rows with these words, then those with words that begin so.
    fn ask_index(
        &mut self,
        db: &Connection,
        terms: &[String],
        scope: &SearchScope,
    ) -> Result<(), Error> {
        for how in [WordMatch::Whole, WordMatch::Prefix] {
            if self.is_full() {
                break;
            }
            // Those that were found come again.
            let limit = u32::try_from(self.limit + self.rows.len()).unwrap_or(u32::MAX);
            let rows = search::find(db, &fts5_query(terms, how), scope, limit)?;
            rows.into_iter().for_each(|row| self.add(row));
        }
        Ok(())
    }

    /// Adds the rows whose contents hold the terms anywhere. Answers whether some were not looked at that the index knows
    /// nothing of.
    fn scan(
        &mut self,
        db: &Connection,
        terms: &[String],
        scope: &SearchScope,
    ) -> Result<bool, Error> {
        if self.is_full() {
            return Ok(false);
        }
        let index_has_answer = !self.rows.is_empty() && !terms.iter().any(|term| is_unspaced(term));
        let time = if index_has_answer {
            EXTRA_SCAN_TIME
        } else {
            SCAN_TIME
        };
        let needles: Vec<String> = terms.iter().map(|term| needle(term)).collect();
        let all_seen = search::scan(db, scope, Instant::now() + time, |row| {
            let is_new = !self.ids.contains(&row.row_id);
            // What is damaged was logged where it was found.
            if is_new
                && row
                    .decode(db)
                    .is_ok_and(|(_, state)| holds_all(&state, &needles))
            {
                self.add(row);
            }
            if self.is_full() {
                Scan::Enough
            } else {
                Scan::GoOn
            }
        })?;
        Ok(!all_seen && !index_has_answer)
    }

    fn hits(&self, db: &Connection, terms: &[String]) -> Result<Vec<SearchHit>, Error> {
        let mut hits = Vec::with_capacity(self.rows.len());
        for row in &self.rows {
            // The damage of a hit was logged where it was found; the other hits still help.
            let Ok((checkpoint, state)) = row.decode(db) else {
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
}
