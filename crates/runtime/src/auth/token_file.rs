//! A token file that may change while it is in use: no process restarts for a new token.
//!
//! A call that needs it polls it, at most once a second; a server polls it also without calls, since open calls wait for
//! its changes. One poll runs at a time and other calls do not wait for it: a mount that hangs must not delay all. New
//! content that cannot be used is logged and changes nothing: a half-written file must not shut out every caller.

use std::convert::Infallible;
use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, TryLockError};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::MissedTickBehavior;
use tonic::metadata::{Ascii, MetadataValue};

use super::roles::Role;
use super::tokens::Tokens;
use crate::data_dir::{OpenError, Untrusted, check_parents, read_config_file};
use crate::file_fingerprint::FileFingerprint;

/// A change is seen by the first call after this time.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// More than the largest number of tokens takes with their names.
const MAX_BYTES: u64 = 1 << 20;

/// Write access for others than the owner.
const WRITABLE_BY_OTHERS: u32 = 0o022;
const READABLE_BY_OTHERS: u32 = 0o044;

/// Why a token file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It cannot be read.
    #[error("auth.token_file {0}: {1}")]
    Unreadable(PathBuf, std::io::Error),
    /// It is no file, too large, or another user's.
    #[error("auth.token_file {0}: {1}")]
    Unusable(PathBuf, OpenError),
    /// Somebody else could put another file in its place.
    #[error("auth.token_file: {0}")]
    Untrusted(#[from] Untrusted),
    /// The data folder's own cannot be made.
    #[error(
        "{0}, the token for callers over TCP, cannot be made: {1}; mend that, set auth.token_file, or listen on the Unix socket alone"
    )]
    NotMade(PathBuf, std::io::Error),
    /// Others could give themselves a token.
    #[error("auth.token_file {0}: others than its owner can write it; run `chmod 600 {0}`")]
    Writable(PathBuf),
    /// Its content is malformed.
    #[error("auth.token_file {0}: {1}")]
    Malformed(PathBuf, String),
}

/// The tokens of a file as it is now. Clones share one look at it; a token is never printed.
#[derive(Clone)]
pub struct TokenFile(Arc<TokenFileState>);

struct TokenFileState {
    path: PathBuf,
    opened: Instant,
    /// In milliseconds since `opened`.
    next_poll_ms: AtomicU64,
    /// Of the file at the last look, also if its content could not be used; `None` if there was no file.
    fingerprint: Mutex<Option<FileFingerprint>>,
    /// The tokens of the last usable content; sent again when one of them ends.
    tokens: watch::Sender<Arc<Tokens>>,
}

/// What may be shown of a token.
#[derive(Debug, Clone)]
pub struct TokenSummary {
    /// Its name.
    pub name: String,
    /// The role of its bearers.
    pub role: Role,
    /// When it ends.
    pub until: Option<SystemTime>,
}

impl fmt::Debug for TokenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TokenFile").field(&self.0.path).finish()
    }
}

impl TokenFile {
    /// Reads a token file and follows it from now on.
    ///
    /// # Errors
    /// If it cannot be read, others may write it, or its content is malformed.
    pub fn open(path: &Path) -> Result<Self, TokenError> {
        let fingerprint =
            FileFingerprint::of(path).map_err(|e| TokenError::Unreadable(path.to_path_buf(), e))?;
        let tokens = Arc::new(read(path)?);
        if !fingerprint.denies(READABLE_BY_OTHERS) {
            tracing::warn!(
                file = %path.display(),
                "others than its owner can read the token file; unless a secrets mount made it so, run `chmod 600`"
            );
        }
        Ok(Self(Arc::new(TokenFileState {
            path: path.to_path_buf(),
            opened: Instant::now(),
            next_poll_ms: AtomicU64::new(as_ms(POLL_INTERVAL)),
            fingerprint: Mutex::new(Some(fingerprint)),
            tokens: watch::Sender::new(tokens),
        })))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Whether others than its owner can read it, as in most mounts of secrets.
    #[must_use]
    pub fn is_readable_by_others(&self) -> bool {
        FileFingerprint::of(&self.0.path)
            .is_ok_and(|fingerprint| !fingerprint.denies(READABLE_BY_OTHERS))
    }

    /// All tokens, in the order of the file.
    #[must_use]
    pub fn summary(&self) -> Vec<TokenSummary> {
        let tokens = self.tokens();
        let entries = tokens.entries().iter();
        entries
            .map(|entry| TokenSummary {
                name: entry.name.to_string(),
                role: entry.role,
                until: entry.until,
            })
            .collect()
    }

    /// The `authorization` header of a client: the first token of the file.
    pub(crate) fn header(&self) -> MetadataValue<Ascii> {
        self.tokens().header()
    }

    /// The tokens as they are.
    pub(super) fn tokens(&self) -> Arc<Tokens> {
        self.tokens_at(self.0.opened.elapsed())
    }

    fn tokens_at(&self, now: Duration) -> Arc<Tokens> {
        let (now, next) = (as_ms(now), as_ms(now + POLL_INTERVAL));
        let due = self.0.next_poll_ms.load(Ordering::Relaxed);
        // One of many callers polls; the others go on with the tokens known.
        let is_mine = now >= due
            && self
                .0
                .next_poll_ms
                .compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if is_mine {
            self.reload_if_changed();
        }
        Arc::clone(&self.0.tokens.borrow())
    }

    /// The tokens whenever they changed or one of them ended, as far as somebody looks; see
    /// [`Self::keep_polling`].
    pub(super) fn changes(&self) -> watch::Receiver<Arc<Tokens>> {
        self.0.tokens.subscribe()
    }

    /// Looks once a second, whether or not there are calls.
    pub(super) async fn keep_polling(&self) -> Infallible {
        let mut ticks = tokio::time::interval(POLL_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut before = SystemTime::UNIX_EPOCH;
        loop {
            ticks.tick().await;
            let file = self.clone();
            if let Err(error) = spawn_blocking(move || file.reload_if_changed()).await {
                tracing::error!("a look at the token file broke off: {error}");
            }
            let now = SystemTime::now();
            self.notify_expirations(before, now);
            before = now;
        }
    }

    /// Wakes the waiters for changes if a token ended after `before`, and no later than `now`.
    fn notify_expirations(&self, before: SystemTime, now: SystemTime) {
        self.0.tokens.send_if_modified(|tokens| {
            let mut entries = tokens.entries().iter();
            entries.any(|entry| entry.is_expired(now) && !entry.is_expired(before))
        });
    }

    fn reload_if_changed(&self) {
        let mut seen = match self.0.fingerprint.try_lock() {
            Ok(seen) => seen,
            Err(TryLockError::Poisoned(seen)) => seen.into_inner(),
            // Another poll runs.
            Err(TryLockError::WouldBlock) => return,
        };
        let path = &self.0.path;
        let fingerprint = FileFingerprint::of(path);
        if *seen == fingerprint.as_ref().ok().copied() {
            return;
        }
        *seen = fingerprint.as_ref().ok().copied();
        let fresh = fingerprint
            .map_err(|e| TokenError::Unreadable(path.clone(), e))
            .and_then(|_| read(path));
        match fresh {
            Ok(tokens) => {
                tracing::info!(file = %path.display(), tokens = tokens.entries().len(), "the token file was read again");
                self.0.tokens.send_replace(Arc::new(tokens));
            }
            Err(error) => {
                tracing::error!("{error}; the tokens read before stay in force");
            }
        }
    }
}

/// Judges and reads the same file, whatever its name leads to meanwhile.
fn read(path: &Path) -> Result<Tokens, TokenError> {
    let name = || path.to_path_buf();
    let (content, meta) = read_config_file(path, MAX_BYTES).map_err(|error| match error {
        OpenError::Io(error) => TokenError::Unreadable(name(), error),
        other => TokenError::Unusable(name(), other),
    })?;
    if meta.mode() & WRITABLE_BY_OTHERS != 0 {
        return Err(TokenError::Writable(name()));
    }
    check_parents(path)?;
    let text = String::from_utf8(content)
        .map_err(|_| TokenError::Malformed(name(), "it is not UTF-8".to_owned()))?;
    Tokens::parse(&text).map_err(|what| TokenError::Malformed(name(), what))
}

fn as_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const OLD: &[u8] = b"old-old-old-old-old";
    const NEW: &[u8] = b"new-new-new-new-new";

    fn write(path: &Path, content: &[u8], mode: u32) {
        std::fs::write(path, content).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_new_token_is_seen_within_a_second_and_a_broken_file_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        write(&path, OLD, 0o600);
        let file = TokenFile::open(&path).unwrap();
        let knows = |second: u64, token: &[u8]| {
            let tokens = file.tokens_at(Duration::from_secs(second));
            tokens.find(token).is_some()
        };
        write(&path, NEW, 0o600);
        assert!(knows(0, OLD) && !knows(0, NEW));
        assert!(knows(1, NEW) && !knows(1, OLD));
        assert_eq!(file.header(), "Bearer new-new-new-new-new");

        write(&path, b"broken", 0o600);
        assert!(knows(2, NEW));
        write(&path, OLD, 0o666);
        assert!(knows(3, NEW), "a file anybody can write was read");
        std::fs::remove_file(&path).unwrap();
        assert!(knows(4, NEW));
        write(&path, OLD, 0o600);
        assert!(knows(5, OLD) && !knows(5, NEW));
    }

    #[test]
    fn every_expiry_of_a_token_is_notified_once_also_when_another_replaced_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        let at = |second: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(second);
        let until = |second: u64| {
            let until = humantime::format_rfc3339_seconds(at(second));
            format!("the-token-until-{second} until={until}\n")
        };
        write(&path, until(100).as_bytes(), 0o600);
        let file = TokenFile::open(&path).unwrap();
        let mut changes = file.changes();
        let mut is_notified = |before: u64, now: u64| {
            file.notify_expirations(at(before), at(now));
            let is_notified = changes.has_changed().unwrap();
            changes.mark_unchanged();
            is_notified
        };
        assert!(!is_notified(98, 99));
        assert!(is_notified(99, 100));
        assert!(!is_notified(100, 101));

        write(&path, until(102).as_bytes(), 0o600);
        file.reload_if_changed();
        assert!(is_notified(101, 101), "the new token");
        assert!(is_notified(101, 102), "its end");
        assert!(!is_notified(102, 103));
    }

    #[test]
    fn a_poll_that_hangs_blocks_no_other_call() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        write(&path, OLD, 0o600);
        let file = TokenFile::open(&path).unwrap();
        write(&path, NEW, 0o600);
        let hanging = file.0.fingerprint.lock().unwrap();
        let tokens = file.tokens_at(POLL_INTERVAL);
        assert!(tokens.find(OLD).is_some());
        drop(hanging);
        let tokens = file.tokens_at(POLL_INTERVAL * 2);
        assert!(tokens.find(NEW).is_some());
    }

    #[test]
    fn a_file_others_can_write_is_refused_and_one_they_can_read_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        for (mode, is_refused) in [(0o620, true), (0o602, true), (0o444, false), (0o600, false)] {
            write(&path, OLD, mode);
            let opened = TokenFile::open(&path);
            assert_eq!(matches!(opened, Err(TokenError::Writable(_))), is_refused);
            if let Ok(file) = opened {
                assert_eq!(file.is_readable_by_others(), mode == 0o444);
                assert!(!format!("{file:?}").contains("old-old"));
            }
            std::fs::remove_file(&path).unwrap();
        }
        let missing = TokenFile::open(&path);
        assert!(matches!(missing, Err(TokenError::Unreadable(..))));
    }

    #[test]
    fn what_is_no_file_of_ones_own_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        for other in [&*path, folder.path(), Path::new("/dev/zero")] {
            let opened = TokenFile::open(other);
            assert!(matches!(opened, Err(TokenError::Unusable(..))), "{other:?}");
        }
        std::fs::remove_file(&path).unwrap();
        write(&path, &vec![b'#'; 2 << 20], 0o600);
        let large = TokenFile::open(&path);
        assert!(matches!(large, Err(TokenError::Unusable(..))));
        write(&path, OLD, 0o600);
        // Only root can give a file away.
        if std::os::unix::fs::chown(&path, Some(65_534), None).is_ok() {
            let foreign = TokenFile::open(&path).unwrap_err().to_string();
            assert!(foreign.contains("uid 65534"), "{foreign}");
        }
    }

    #[test]
    fn a_folder_in_which_others_can_put_another_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let open = folder.path().join("open");
        std::fs::create_dir(&open).unwrap();
        let path = open.join("tokens");
        write(&path, OLD, 0o600);
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        for (mode, is_refused) in [(0o777, true), (0o1777, false), (0o755, false)] {
            std::fs::set_permissions(&open, std::fs::Permissions::from_mode(mode)).unwrap();
            for way in [&path, &link] {
                let opened = TokenFile::open(way);
                let refused = matches!(opened, Err(TokenError::Untrusted(_)));
                assert_eq!(refused, is_refused, "{way:?} below {mode:o}");
            }
        }
    }
}
