//! What verifying finds, and what it keeps of the sessions meanwhile.

use std::collections::BTreeMap;
use std::time::Instant;

use shim_proto::checkpoint::v1::SessionTally;

use super::scope::VerifyScope;
use crate::domain::hash_chain::Hash;

/// Faults that are named; the rest is counted.
const MAX_NAMED: usize = 1_000;
/// Rows between two looks at the clock.
const ROWS_BETWEEN: u32 = 256;

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The session's id; empty for a fault of the database.
    pub session: String,
    /// What is wrong.
    pub what: String,
}

/// What the seals say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealVerdict {
    /// The database has no seals, and no key was given.
    None,
    /// It has seals, and no key was given to check them.
    NotChecked,
    /// It has seals, which were checked; faults are among the others.
    Checked,
}

/// What was read and found.
#[derive(Debug, Clone)]
pub struct VerifyReport {
    /// Rows read of each table.
    pub sessions: u64,
    /// Rows of checkpoints.
    pub checkpoints: u64,
    /// Rows of signal snapshots.
    pub signals: u64,
    /// Rows of all other tables: restores, answers kept for request ids, deletions.
    pub other_rows: u64,
    /// How many faults there are.
    pub fault_count: u64,
    /// The first of them.
    pub faults: Vec<Fault>,
    /// Whether everything was read in time.
    pub is_complete: bool,
    /// What the seals say.
    pub seals: SealVerdict,
    /// When the database was sealed first, in seconds since the Unix epoch.
    pub sealed_since: Option<i64>,
}

/// A session as its record tells it, and what its rows showed so far.
#[derive(Debug, Default)]
pub(super) struct SeenSession {
    /// Empty if the row is damaged.
    pub(super) id: String,
    pub(super) head_number: u64,
    pub(super) head_id: String,
    pub(super) epoch: u64,
    pub(super) restore_count: u32,
    pub(super) tally: Option<SessionTally>,
    /// The last checkpoint read: its number, and its hash if the row is whole.
    pub(super) last: Option<(u64, Option<Hash>)>,
    pub(super) missing: Vec<(u64, u64)>,
    pub(super) thinned: u64,
    pub(super) signals: u64,
    pub(super) signals_hash: Vec<u8>,
    pub(super) restores: u64,
}

/// What is collected while the tables are read.
pub(super) struct Findings {
    pub(super) report: VerifyReport,
    /// The sessions by their rows.
    pub(super) by_row: BTreeMap<i64, SeenSession>,
    only: Option<String>,
    deadline: Option<Instant>,
    rows: u32,
}

impl Findings {
    pub(super) fn new(scope: &VerifyScope) -> Self {
        Self {
            report: VerifyReport {
                sessions: 0,
                checkpoints: 0,
                signals: 0,
                other_rows: 0,
                fault_count: 0,
                faults: Vec::new(),
                is_complete: true,
                seals: SealVerdict::None,
                sealed_since: None,
            },
            by_row: BTreeMap::new(),
            only: scope.session.clone(),
            deadline: scope.deadline,
            rows: 0,
        }
    }

    /// A fault of one session.
    pub(super) fn session(&mut self, id: &str, what: impl Into<String>) {
        if self.only.as_deref().is_none_or(|only| only == id) {
            self.add(id, what.into());
        }
    }

    /// A fault of the session in this row; of the database if no session is there.
    pub(super) fn row(&mut self, session: i64, what: String) {
        match self.by_row.get(&session).map(|seen| seen.id.clone()) {
            Some(id) if !id.is_empty() => self.session(&id, what),
            Some(_) => self.database(format!("of the damaged session in row {session}: {what}")),
            None => self.database(format!("of no session, in row {session}: {what}")),
        }
    }

    /// A fault of the database as a whole.
    pub(super) fn database(&mut self, what: impl Into<String>) {
        if self.only.is_none() {
            self.add("", what.into());
        }
    }

    fn add(&mut self, session: &str, what: String) {
        self.report.fault_count += 1;
        if self.report.faults.len() < MAX_NAMED {
            self.report.faults.push(Fault {
                session: session.to_owned(),
                what,
            });
        }
    }

    /// Whether rows of this session count.
    pub(super) fn counts(&self, session: i64) -> bool {
        let Some(only) = &self.only else { return true };
        self.by_row
            .get(&session)
            .is_some_and(|seen| seen.id == *only)
    }

    /// Whether a session with this id counts.
    pub(super) fn counts_id(&self, id: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == id)
    }

    /// Whether the time is over; asked for each row.
    pub(super) fn is_over(&mut self) -> bool {
        self.rows = self.rows.wrapping_add(1);
        let looks = self.rows % ROWS_BETWEEN == 1;
        if looks
            && self
                .deadline
                .is_some_and(|deadline| Instant::now() >= deadline)
        {
            self.report.is_complete = false;
        }
        !self.report.is_complete
    }

    pub(super) fn into_report(self) -> VerifyReport {
        self.report
    }
}
