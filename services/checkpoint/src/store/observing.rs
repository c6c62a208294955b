//! What clients tell of their conversations by themselves: events are folded into what is known of each session, and are on
//! the disk when they are answered.
//!
//! (A) One session for each conversation of a host. (B) The same event twice has one effect. (C) A group of events is one
//! change: one row for each event, and one for each session.

use std::collections::HashMap;

use prost::Message;
use rusqlite::Connection;
use shim_proto::checkpoint::v1::observed_event::Event;
use shim_proto::checkpoint::v1::{
    ClientInfo, ObservationSource, ObservedEvent, ObservedState, RefusedEvent, SessionStatus,
};
use shim_runtime::ids::SessionId;
use shim_runtime::workspace::identity;
use shim_sqlite::UnixMicros;
use uuid::Uuid;

use super::binding::{self, Bound};
use super::checkpoint_store::Store;
use super::tables::sessions::{self, Owner};
use super::tables::stored_session::StoredSession;
use super::tables::{observations, observed_events};
use crate::domain::observation::due::{Moments, Unsaved};
use crate::domain::observation::{Half, Observation, Seen, fold, micros};
use crate::error::Error;
use crate::metrics;

/// The project of a conversation that works in no folder, as gateways name it.
const NO_FOLDER: &str = "claude-desktop";

/// What came of a group of events.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    /// How many were kept now.
    pub(crate) kept: u32,
    /// How many had been kept before.
    pub(crate) repeated: u32,
    /// Those that could not be kept, by their place in the group.
    pub(crate) refused: Vec<RefusedEvent>,
    /// The sessions concerned, in the order of their first event.
    pub(crate) sessions: Vec<ObservedSession>,
}

/// A session that events were of.
#[derive(Debug, Clone)]
pub(crate) struct ObservedSession {
    /// Its owner now.
    pub(crate) owner: Owner,
    pub(crate) client: ClientInfo,
    /// What was known before the group, and after it.
    pub(crate) before: ObservedState,
    pub(crate) after: ObservedState,
    /// The session was opened by the group.
    pub(crate) is_opened: bool,
    /// The session went to the client that told the events, at a new epoch.
    pub(crate) is_reopened: bool,
    /// What no checkpoint of the service holds of it.
    pub(crate) unsaved: Unsaved,
}

/// A session while a group is folded.
struct Working {
    stored: StoredSession,
    observation: Observation,
    before: ObservedState,
    /// The summary of the compaction as it is on the disk.
    summary_before: String,
    is_opened: bool,
    is_reopened: bool,
    is_changed: bool,
    moments: Moments,
}

/// A group while it is folded.
#[derive(Default)]
struct Group {
    observed: Observed,
    working: Vec<Working>,
    by_row: HashMap<i64, usize>,
    by_conversation: HashMap<(String, String), usize>,
    /// Projects of the folders that conversations work in.
    projects: HashMap<String, String>,
}

impl Store {
    /// Keeps events that were validated. A conversation without a session gets one by the first event that is a reason to.
    ///
    /// # Errors
    /// The store's failures.
    pub(crate) async fn observe(&self, events: Vec<ObservedEvent>) -> Result<Observed, Error> {
        let bytes = events.iter().map(Message::encoded_len).sum();
        let projects = projects(&events);
        self.write(bytes, move |db, now| {
            let mut group = Group {
                projects,
                ..Group::default()
            };
            for (index, event) in events.iter().enumerate() {
                group.take(db, index, event, now)?;
            }
            group.write(db)
        })
        .await
    }

    /// What was observed of a session; `None` if nothing was.
    ///
    /// # Errors
    /// SESSION_NOT_FOUND; the store's failures.
    pub(crate) async fn observation(
        &self,
        session: SessionId,
    ) -> Result<Option<ObservedState>, Error> {
        self.read(move |db| {
            let row = sessions::find_short(db, session)?.row_id;
            Ok(observations::find(db, row)?.map(|found| found.shown()))
        })
        .await
    }

    /// Up to `limit` of the newest events of a session, the newest first; without their clients, long texts cut.
    ///
    /// # Errors
    /// SESSION_NOT_FOUND; the store's failures.
    pub(crate) async fn observed_events(
        &self,
        session: SessionId,
        limit: u32,
    ) -> Result<Vec<ObservedEvent>, Error> {
        self.read(move |db| {
            let row = sessions::find_short(db, session)?.row_id;
            observed_events::newest(db, row, limit)
        })
        .await
    }

    /// The owners of active sessions of which something was observed.
    ///
    /// # Errors
    /// The store's failures.
    pub(crate) async fn observed_clients(
        &self,
    ) -> Result<Vec<(Owner, ClientInfo, ObservedState)>, Error> {
        self.read(|db| {
            let mut found = Vec::new();
            for row in observations::of_active(db)? {
                let stored = match sessions::by_row_short(db, row) {
                    Err(error) if error.is_nothing_readable() => continue,
                    other => other?,
                };
                if let Some(observation) = observations::find(db, row)? {
                    let client = stored.session.client.clone().unwrap_or_default();
                    found.push((owner(&stored), client, observation.shown()));
                }
            }
            Ok(found)
        })
        .await
    }

    /// Drops events from up to `until` of the `limit` sessions in rows above `after` that have such. Answers with the last
    /// of those rows; `None` behind the last one.
    ///
    /// # Errors
    /// The store's failures.
    pub(crate) async fn forget_events(
        &self,
        after: i64,
        until: UnixMicros,
        limit: u32,
    ) -> Result<Option<i64>, Error> {
        let rows = self
            .read(move |db| observed_events::sessions_with_old(db, after, until.0, limit))
            .await?;
        let Some(last) = rows.last().copied() else {
            return Ok(None);
        };
        self.write(0, move |db, _| {
            for row in rows {
                let Some(mut observation) = observations::find(db, row)? else {
                    continue;
                };
                observed_events::drop_until(db, row, &mut observation, until.0)?;
                let summary = observation.compaction_summary.clone();
                observations::put(db, row, &mut observation, &summary)?;
            }
            Ok(())
        })
        .await?;
        Ok(Some(last))
    }
}

/// The project of each folder that the events name, as gateways name it. It may ask the file system, so the writer does not.
fn projects(events: &[ObservedEvent]) -> HashMap<String, String> {
    let mut projects = HashMap::new();
    for event in events {
        projects.entry(event.cwd.clone()).or_insert_with(|| {
            match event.cwd.trim_end_matches('/') {
                "" => NO_FOLDER.to_owned(),
                _ => identity(&event.cwd),
            }
        });
    }
    projects
}

fn owner(stored: &StoredSession) -> Owner {
    let id = stored.session.id.parse().unwrap_or(Uuid::nil().into());
    Owner::new(id, stored.session.epoch)
}

impl Group {
    fn take(
        &mut self,
        db: &Connection,
        index: usize,
        event: &ObservedEvent,
        now: UnixMicros,
    ) -> Result<(), Error> {
        let id = Uuid::try_parse(&event.event_id).unwrap_or_default();
        if let Some(row) = observed_events::session_of(db, id)? {
            self.observed.repeated += 1;
            return self.note_repeated(db, row);
        }
        let client = binding::teller(event);
        let Some(place) = self.place_of(db, index, event, &client, now)? else {
            return Ok(());
        };
        let working = &mut self.working[place];
        if !working.keeps(db, event, id)? {
            self.observed.repeated += 1;
            return Ok(());
        }
        working.take(db, event, &client, now)?;
        self.observed.kept += 1;
        let (kind, source) = (event.event.clone(), event.source());
        metrics::after_commit(move || metrics::record_observed(kind.as_ref(), source));
        Ok(())
    }

    /// Where the session of the event is; `None` if it has none, or one that cannot be read.
    fn place_of(
        &mut self,
        db: &Connection,
        index: usize,
        event: &ObservedEvent,
        client: &ClientInfo,
        now: UnixMicros,
    ) -> Result<Option<usize>, Error> {
        let conversation = (client.hostname.clone(), client.conversation.clone());
        if let Some(place) = self.by_conversation.get(&conversation) {
            return Ok(Some(*place));
        }
        let project = self.projects.get(&event.cwd).map(String::as_str);
        let bound = match binding::find_or_open(db, event, client, project, now) {
            Err(error) if error.is_nothing_readable() => {
                self.refuse(index, &error);
                return Ok(None);
            }
            bound => bound?,
        };
        let Some(bound) = bound else { return Ok(None) };
        let place = self.place(db, bound)?;
        self.by_conversation.insert(conversation, place);
        Ok(Some(place))
    }

    fn refuse(&mut self, index: usize, error: &Error) {
        self.observed.refused.push(RefusedEvent {
            index: u32::try_from(index).unwrap_or(u32::MAX),
            reason: error.to_string(),
        });
    }

    /// A session of which nothing was new is answered, too.
    fn note_repeated(&mut self, db: &Connection, row: i64) -> Result<(), Error> {
        let stored = match sessions::by_row_short(db, row) {
            Err(error) if error.is_nothing_readable() => return Ok(()),
            other => other?,
        };
        let is_opened = false;
        self.place(db, Bound { stored, is_opened }).map(drop)
    }

    /// Where the session is among those of the group.
    fn place(&mut self, db: &Connection, bound: Bound) -> Result<usize, Error> {
        let row = bound.stored.row_id;
        if let Some(place) = self.by_row.get(&row) {
            return Ok(*place);
        }
        let observation = observations::find(db, row)?.unwrap_or_default();
        self.working.push(Working {
            before: observation.shown(),
            summary_before: observation.compaction_summary.clone(),
            stored: bound.stored,
            observation,
            is_opened: bound.is_opened,
            is_reopened: false,
            is_changed: false,
            moments: Moments::default(),
        });
        self.by_row.insert(row, self.working.len() - 1);
        Ok(self.working.len() - 1)
    }

    fn write(mut self, db: &Connection) -> Result<Observed, Error> {
        for mut working in self.working {
            working.write(db)?;
            self.observed.sessions.push(working.into_observed());
        }
        Ok(self.observed)
    }
}

impl Working {
    /// Keeps the event's row, if it is new. Figures have no row: the newest are all that counts.
    fn keeps(&self, db: &Connection, event: &ObservedEvent, id: Uuid) -> Result<bool, Error> {
        let at = micros(event.at.as_ref());
        if matches!(event.event, Some(Event::UsageMeasured(_))) {
            return Ok(!self.observation.has_measured(at));
        }
        if self.observation.horizon != 0 && at <= self.observation.horizon {
            return Ok(false);
        }
        observed_events::insert(db, self.stored.row_id, id, event)
    }

    fn take(
        &mut self,
        db: &Connection,
        event: &ObservedEvent,
        client: &ClientInfo,
        now: UnixMicros,
    ) -> Result<(), Error> {
        let is_measured = matches!(event.event, Some(Event::UsageMeasured(_)));
        self.is_reopened |= binding::take_over_if_due(db, &mut self.stored, event, client, now)?;
        let other = Half::of(event).and_then(Half::other);
        let seen = Seen {
            other_half: match other {
                Some(other) => observed_events::has_half(db, self.stored.row_id, other)?,
                None => false,
            },
        };
        self.moments.read_transcript |= event.source() == ObservationSource::Transcript;
        if event.agent_id.is_empty() {
            self.moments.note(event.event.as_ref());
        }
        self.observation = fold(std::mem::take(&mut self.observation), event, seen);
        self.observation.kept_events += u64::from(!is_measured);
        if self.observation.saved_at == 0 {
            self.observation.saved_at = now.0;
        }
        self.is_changed = true;
        Ok(())
    }

    fn write(&mut self, db: &Connection) -> Result<(), Error> {
        if !self.is_changed {
            return Ok(());
        }
        let row = self.stored.row_id;
        observed_events::trim(db, row, &mut self.observation)?;
        observations::put(db, row, &mut self.observation, &self.summary_before)
    }

    fn into_observed(self) -> ObservedSession {
        let (stored, it) = (self.stored, self.observation);
        ObservedSession {
            owner: owner(&stored),
            before: self.before,
            after: it.shown(),
            is_opened: self.is_opened,
            is_reopened: self.is_reopened,
            unsaved: Unsaved {
                has_news: it.has_news(),
                calls: it.finished_calls.saturating_sub(it.saved_calls),
                since: it.saved_at,
                is_owned: stored.session.status() == SessionStatus::Active,
                moments: self.moments,
            },
            client: stored.session.client.unwrap_or_default(),
        }
    }
}
