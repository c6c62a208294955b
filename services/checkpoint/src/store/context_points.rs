//! How much a session's context held, as its snapshots of signals tell it.

use std::time::Duration;

use rusqlite::Connection;
use shim_proto::checkpoint::v1::SignalRecord;
use shim_runtime::ids::SessionId;
use shim_sqlite::{UnixMicros, to_unix_micros};

use super::checkpoint_store::Store;
use super::tables::{sessions, signals};
use crate::domain::forecast::{MAX_POINTS, Point, context_full_in};
use crate::error::Error;

impl Store {
    /// The newest points that a client measured, up to `limit`; if none was measured, those that a model told.
    ///
    /// # Errors
    /// SESSION_NOT_FOUND; the store's failures.
    pub(crate) async fn context_points(
        &self,
        session: SessionId,
        limit: u32,
    ) -> Result<Vec<Point>, Error> {
        self.read(move |db| {
            let row = sessions::find_short(db, session)?.row_id;
            points(db, row, limit)
        })
        .await
    }

    /// How long it is until the session's context is full, at the pace of the work since the last compaction; `None` where
    /// that cannot be known.
    ///
    /// # Errors
    /// SESSION_NOT_FOUND; the store's failures.
    pub(crate) async fn context_full_in(
        &self,
        session: SessionId,
        now: UnixMicros,
    ) -> Result<Option<Duration>, Error> {
        let points = self.context_points(session, MAX_POINTS).await?;
        let window = points.iter().find_map(|point| point.window);
        Ok(window.and_then(|window| context_full_in(&points, window, now)))
    }
}

fn points(db: &Connection, row: i64, limit: u32) -> Result<Vec<Point>, Error> {
    // A model tells its guesses in between.
    let page = signals::list(db, row, i64::MAX, limit.max(MAX_POINTS))?;
    let records: Vec<_> = page.into_iter().filter_map(|(_, record)| record).collect();
    let is_measured = records.iter().any(|record| record.observed);
    let chosen = records
        .iter()
        .filter(|record| record.observed == is_measured);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    Ok(chosen.filter_map(point).take(limit).collect())
}

fn point(record: &SignalRecord) -> Option<Point> {
    let signals = record.signals.as_ref()?;
    let at = record.assessment.as_ref()?.assessed_at.as_ref();
    Some(Point {
        at: to_unix_micros(at)?,
        tokens: signals.estimated_tokens?,
        window: signals.context_window,
    })
}
