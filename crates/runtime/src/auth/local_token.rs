//! The token of a data folder: made when a server first listens on TCP without being told whom to let in.
//!
//! Every user of a machine reaches its loopback addresses, and only the folder's owner can read the file. A client that
//! uses the same folder finds it there. It counts for callers from this machine alone.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{Error, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::token_file::{TokenError, TokenFile};
use crate::data_dir::{self, Sharing};

/// The file's name in the data folder.
const NAME: &str = "token";
/// As many as `openssl rand -hex 32` takes.
const TOKEN_BYTES: usize = 32;
const OF_OTHERS: u32 = 0o077;
/// Others get to what lies in the folder.
const PASSABLE: u32 = 0o011;

/// What a process knows of the callers from its own machine.
#[derive(Debug, Clone)]
pub struct LoopbackAccess {
    /// Where the token is.
    pub data_dir: PathBuf,
    /// Whether others may have a hand in that folder.
    pub sharing: Sharing,
    /// Whether every user of the machine may call (`auth.open`).
    pub is_open: bool,
}

impl LoopbackAccess {
    /// The file.
    #[must_use]
    pub fn token_file(&self) -> PathBuf {
        token_file(&self.data_dir)
    }

    /// The token that a server on `address` asks for, made if there is none yet.
    pub(super) fn ensure(&self, address: SocketAddr) -> Result<TokenFile, TokenError> {
        let file = self.token_file();
        let fail = |why| TokenError::NotMade(file.clone(), why);
        data_dir::prepare(&self.data_dir, self.sharing).map_err(fail)?;
        if self.sharing == Sharing::Private {
            close(&file, &self.data_dir).map_err(fail)?;
        }
        if !file.exists() {
            make(&file).map_err(fail)?;
            tracing::info!(%address, file = %file.display(), "callers over TCP show the token in this file, which was made now");
        }
        TokenFile::open(&file)
    }

    fn find(&self) -> Result<Option<TokenFile>, TokenError> {
        let file = self.token_file();
        if self.is_open || !file.exists() {
            return Ok(None);
        }
        data_dir::admit(&self.data_dir, self.sharing)?;
        TokenFile::open(&file).map(Some)
    }
}

/// The token of the data folder as a client shows it: looked for until it is there, since a client may start before the
/// first server. Clones share what was found.
#[derive(Debug, Clone)]
pub(crate) struct LocalToken {
    access: LoopbackAccess,
    found: Arc<OnceLock<TokenFile>>,
}

impl LocalToken {
    pub(super) fn of(access: LoopbackAccess) -> Self {
        Self {
            access,
            found: Arc::default(),
        }
    }

    /// The token, if there is one that can be used.
    pub(crate) fn current(&self) -> Option<&TokenFile> {
        if self.found.get().is_none() {
            match self.access.find() {
                // Another call may have found it meanwhile.
                Ok(Some(file)) => drop(self.found.set(file)),
                Ok(None) => {}
                Err(error) => tracing::warn!("no token is shown: {error}"),
            }
        }
        self.found.get()
    }
}

/// The file of the token of a data folder.
#[must_use]
pub fn token_file(data_dir: &Path) -> PathBuf {
    data_dir.join(NAME)
}

/// Takes a token from the other users of the machine that its mode gives it to. Where they get into the folder, too, one of
/// them may know it, and it is removed for a new one to be made.
fn close(file: &Path, data_dir: &Path) -> std::io::Result<()> {
    let opened = match data_dir::open_own(file, OpenOptions::new().read(true)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    if opened.metadata()?.mode() & OF_OTHERS == 0 {
        return Ok(());
    }
    if data_dir.metadata()?.mode() & PASSABLE != 0 {
        tracing::warn!(file = %file.display(), "others could read this token; it counts no more, and a new one is made");
        return std::fs::remove_file(file);
    }
    tracing::warn!(file = %file.display(), "the mode of this token let others read it; it is 0600 now");
    opened.set_permissions(Permissions::from_mode(0o600))
}

/// Makes the file whole: several processes may start at once, and the first one's token is everyone's.
fn make(file: &Path) -> std::io::Result<()> {
    let fresh = file.with_extension(std::process::id().to_string());
    // What a process of this pid left when it was killed.
    let _ = std::fs::remove_file(&fresh);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut written = options.open(&fresh)?;
    let done = written
        .write_all(format!("{}\n", random_token()?).as_bytes())
        .and_then(|()| written.sync_all())
        .and_then(|()| match std::fs::hard_link(&fresh, file) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            // A file system without such links.
            Err(_) => std::fs::rename(&fresh, file),
            Ok(()) => Ok(()),
        });
    let _ = std::fs::remove_file(&fresh);
    done
}

fn random_token() -> std::io::Result<String> {
    let mut bytes = [0; TOKEN_BYTES];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    if bytes.iter().all(|byte| *byte == 0) {
        return Err(Error::other("/dev/urandom gives zeros"));
    }
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
