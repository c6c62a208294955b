//! The form of an archive: a header, sessions each followed by its checkpoints and signals, a trailer with counts and a hash.
//!
//! Format 1 had no trailer; whether such an archive was cut off or changed cannot be told.

use std::collections::BTreeSet;

use prost::Message;
use shim_proto::checkpoint::v1::archive_record::Record;
use shim_proto::checkpoint::v1::{ArchiveRecord, ArchiveTrailer, ArchivedCheckpoint, Session};

/// The archive format that is written.
pub(crate) const ARCHIVE_FORMAT: u32 = 2;
/// The format without a trailer.
const WITHOUT_TRAILER: u32 = 1;
/// Notices that one archive gives.
const MAX_NOTICES: usize = 20;

/// Counts and hash of the records so far.
#[derive(Debug, Default)]
pub(crate) struct ArchiveSum {
    counts: ArchiveTrailer,
    hasher: blake3::Hasher,
}

impl ArchiveSum {
    /// Adds a record that is not the trailer.
    pub(crate) fn add(&mut self, record: &ArchiveRecord) {
        let bytes = record.encode_to_vec();
        self.hasher.update(&(bytes.len() as u64).to_le_bytes());
        self.hasher.update(&bytes);
        match &record.record {
            Some(Record::Session(_)) => self.counts.sessions += 1,
            Some(Record::Checkpoint(_)) => self.counts.checkpoints += 1,
            Some(Record::Signal(_)) => self.counts.signals += 1,
            _ => {}
        }
    }

    /// The trailer that belongs behind them.
    pub(crate) fn trailer(&self) -> ArchiveTrailer {
        ArchiveTrailer {
            hash: self.hasher.finalize().to_hex().to_string(),
            ..self.counts.clone()
        }
    }
}

/// Checks the records of one archive in their order.
#[derive(Debug, Default)]
pub(crate) struct ArchiveReader {
    /// `None` before the header.
    format: Option<u32>,
    sum: ArchiveSum,
    is_closed: bool,
    /// The session that the records are of, and its last checkpoint here.
    session: Option<(Session, Option<u64>)>,
    sessions: BTreeSet<String>,
    notices: Vec<String>,
}

impl ArchiveReader {
    /// Takes the next record in.
    ///
    /// # Errors
    /// In words, why it cannot stand there.
    pub(crate) fn accept(&mut self, record: &ArchiveRecord) -> Result<(), String> {
        let Some(content) = &record.record else {
            return Err("is an empty record, or one of a newer version".into());
        };
        if self.is_closed {
            return Err("stands behind the archive's trailer".into());
        }
        match (self.format, content) {
            (None, Record::Header(header)) => match header.format {
                WITHOUT_TRAILER..=ARCHIVE_FORMAT => self.format = Some(header.format),
                other => {
                    return Err(format!(
                        "has the format {other}, which is unknown here; this SHIM reads format {ARCHIVE_FORMAT} and older: \
                         import it with the version that wrote it, or a newer one"
                    ));
                }
            },
            (None, _) => return Err("is no header, with which an archive begins".into()),
            (_, Record::Header(_)) => return Err("is a second header".into()),
            (_, Record::Session(session)) => self.begin(session)?,
            (_, Record::Checkpoint(archived)) => self.follow(archived)?,
            (_, Record::Signal(signal)) => self.require_session(&signal.session_id)?,
            (_, Record::Trailer(trailer)) => return self.close(trailer),
        }
        self.sum.add(record);
        Ok(())
    }

    /// Ends the archive; answers with what could not be told.
    ///
    /// # Errors
    /// In words, what is missing.
    pub(crate) fn finish(mut self) -> Result<Vec<String>, String> {
        match self.format {
            None => return Err("it is empty; an archive begins with a header".into()),
            Some(WITHOUT_TRAILER) if !self.is_closed => {
                self.end_session()?;
                self.notices.insert(
                    0,
                    "the archive is of format 1, which has no trailer: whether it is whole cannot be told".into(),
                );
            }
            Some(_) if !self.is_closed => {
                let ArchiveTrailer {
                    sessions,
                    checkpoints,
                    signals,
                    ..
                } = self.sum.counts;
                return Err(format!(
                    "it ends without its trailer, after {sessions} sessions, {checkpoints} checkpoints and {signals} signal \
                     snapshots: it was cut off"
                ));
            }
            Some(_) => {}
        }
        Ok(self.notices)
    }

    fn is_whole_format(&self) -> bool {
        self.format != Some(WITHOUT_TRAILER)
    }

    fn begin(&mut self, session: &Session) -> Result<(), String> {
        self.end_session()?;
        let is_new = self.sessions.insert(session.id.clone());
        if !is_new && self.is_whole_format() {
            return Err(format!("is session {} a second time", session.id));
        }
        self.session = Some((session.clone(), None));
        Ok(())
    }

    fn require_session(&self, id: &str) -> Result<(), String> {
        match &self.session {
            Some((session, _)) if session.id == id => Ok(()),
            _ => Err(format!("is of session {id}, and does not follow it")),
        }
    }

    fn follow(&mut self, archived: &ArchivedCheckpoint) -> Result<(), String> {
        let Some(header) = &archived.checkpoint else {
            return Err("is a checkpoint without a header".into());
        };
        self.require_session(&header.session_id)?;
        let number = header.number;
        match (&archived.state, &header.thinned_at) {
            (None, None) => return Err(format!("is checkpoint {number} without its content")),
            (Some(_), Some(_)) => {
                return Err(format!(
                    "is checkpoint {number} with a content that was dropped"
                ));
            }
            _ => {}
        }
        let Some((_, last)) = &mut self.session else {
            return Ok(());
        };
        match last.replace(number) {
            Some(last) if number == last => Err(format!("is checkpoint {number} a second time")),
            Some(last) if number != last + 1 => Err(format!(
                "is checkpoint {number}, which does not follow number {last}"
            )),
            _ => Ok(()),
        }
    }

    /// Whether the session before has all checkpoints that its record says.
    fn end_session(&mut self) -> Result<(), String> {
        let Some((session, last)) = self.session.take() else {
            return Ok(());
        };
        let last = last.unwrap_or(0);
        if last >= session.head_number {
            return Ok(());
        }
        let what = format!(
            "session {} ends with checkpoint {last}, and its record says {}",
            session.id, session.head_number
        );
        if self.is_whole_format() {
            return Err(format!("comes too early: {what}"));
        }
        if self.notices.len() < MAX_NOTICES {
            self.notices.push(what);
        }
        Ok(())
    }

    fn close(&mut self, trailer: &ArchiveTrailer) -> Result<(), String> {
        self.end_session()?;
        let own = self.sum.trailer();
        let counts = |of: &ArchiveTrailer| (of.sessions, of.checkpoints, of.signals);
        if counts(&own) != counts(trailer) {
            return Err(format!(
                "counts {} sessions, {} checkpoints and {} signal snapshots; {}, {} and {} stand before it",
                trailer.sessions,
                trailer.checkpoints,
                trailer.signals,
                own.sessions,
                own.checkpoints,
                own.signals
            ));
        }
        if own.hash != trailer.hash {
            return Err("has another hash than what stands before it: a record was changed".into());
        }
        self.is_closed = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use shim_proto::checkpoint::v1::{ArchiveHeader, Checkpoint, CheckpointState, SignalRecord};

    use super::*;

    fn record(record: Record) -> ArchiveRecord {
        ArchiveRecord {
            record: Some(record),
        }
    }

    fn header(format: u32) -> ArchiveRecord {
        record(Record::Header(ArchiveHeader {
            format,
            ..ArchiveHeader::default()
        }))
    }

    fn session(id: &str, head: u64) -> ArchiveRecord {
        record(Record::Session(Session {
            id: id.into(),
            head_number: head,
            ..Session::default()
        }))
    }

    fn checkpoint(session: &str, number: u64) -> ArchiveRecord {
        record(Record::Checkpoint(ArchivedCheckpoint {
            checkpoint: Some(Checkpoint {
                session_id: session.into(),
                number,
                ..Checkpoint::default()
            }),
            state: Some(CheckpointState::default()),
            ..ArchivedCheckpoint::default()
        }))
    }

    fn signal(session: &str) -> ArchiveRecord {
        record(Record::Signal(SignalRecord {
            session_id: session.into(),
            ..SignalRecord::default()
        }))
    }

    fn closed(mut records: Vec<ArchiveRecord>) -> Vec<ArchiveRecord> {
        let mut sum = ArchiveSum::default();
        records.iter().for_each(|record| sum.add(record));
        records.push(record(Record::Trailer(sum.trailer())));
        records
    }

    fn whole() -> Vec<ArchiveRecord> {
        closed(vec![
            header(2),
            session("a", 2),
            checkpoint("a", 1),
            checkpoint("a", 2),
            signal("a"),
            session("b", 1),
            checkpoint("b", 1),
        ])
    }

    /// The notices, or the first refusal.
    fn read(records: &[ArchiveRecord]) -> Result<Vec<String>, String> {
        let mut reader = ArchiveReader::default();
        for record in records {
            reader.accept(record)?;
        }
        reader.finish()
    }

    #[test]
    fn what_was_written_is_read_and_nothing_else() {
        assert_eq!(read(&whole()), Ok(vec![]));
        assert_eq!(read(&closed(vec![header(2)])), Ok(vec![]));
        for cut in 0..whole().len() {
            assert!(read(&whole()[..cut]).is_err(), "cut behind {cut}");
            let mut gone = whole();
            gone.remove(cut);
            assert!(read(&gone).is_err(), "without {cut}");
            let mut doubled = whole();
            doubled.insert(cut, whole()[cut].clone());
            assert!(read(&doubled).is_err(), "{cut} doubled");
            if cut + 1 < whole().len() {
                let mut turned = whole();
                turned.swap(cut, cut + 1);
                assert!(read(&turned).is_err(), "{cut} turned");
            }
        }
        assert!(read(&[whole(), whole()].concat()).is_err());
    }

    #[test]
    fn each_refusal_says_why() {
        let mut edited = whole();
        edited[1] = session("a", 1);
        let mut empty = whole();
        empty[3] = ArchiveRecord::default();
        let hollow = ArchivedCheckpoint {
            checkpoint: Some(Checkpoint {
                session_id: "a".into(),
                ..Checkpoint::default()
            }),
            ..ArchivedCheckpoint::default()
        };
        for (records, why) in [
            (vec![], "empty"),
            (vec![session("a", 0)], "no header"),
            (vec![header(3)], "format 3"),
            (vec![header(0)], "format 0"),
            (vec![header(2), header(2)], "second header"),
            (vec![header(2), checkpoint("a", 1)], "does not follow"),
            (
                vec![header(2), session("a", 0), signal("b")],
                "does not follow",
            ),
            (
                vec![header(2), session("a", 1), session("b", 0)],
                "its record says 1",
            ),
            (
                vec![header(2), session("a", 0), session("a", 0)],
                "second time",
            ),
            (
                vec![
                    header(2),
                    session("a", 0),
                    record(Record::Checkpoint(hollow)),
                ],
                "without its content",
            ),
            (edited, "changed"),
            (empty, "empty record"),
            (
                [whole(), vec![session("c", 0)]].concat(),
                "behind the archive's trailer",
            ),
            (whole()[..3].to_vec(), "cut off"),
        ] {
            let refused = read(&records).unwrap_err();
            assert!(refused.contains(why), "{refused}");
        }
    }

    #[test]
    fn an_old_archive_is_read_with_what_cannot_be_told() {
        let old = vec![header(1), session("a", 1), checkpoint("a", 1)];
        let [notice] = read(&old).unwrap().try_into().unwrap();
        assert!(notice.contains("no trailer"), "{notice}");
        let notices = read(&old[..2]).unwrap();
        assert!(notices[1].contains("its record says 1"), "{notices:?}");
    }
}
