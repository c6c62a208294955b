//! What a running stack says of itself in its lock file.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What a running stack writes into its lock file.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct StackInfo {
    /// Its process.
    pub pid: u32,
    /// Its version.
    pub version: String,
    /// When it started, in milliseconds since the Unix epoch.
    pub started_unix_ms: u64,
    /// Its Unix socket.
    pub socket: PathBuf,
    /// Its TCP address, if it was asked to listen on one.
    pub tcp: Option<SocketAddr>,
    /// Where the token is that callers over TCP show, if it is the data folder's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    /// The Redis it uses, if there is one.
    pub redis: Option<String>,
    /// What its first starter gave it; unset for a stack of an older version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub surroundings: Option<Box<Surroundings>>,
}

/// What a stack got from whoever started it, and serves everybody with.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct Surroundings {
    /// Its program.
    pub program: PathBuf,
    /// Its `PATH`, in which the programs of executors are found.
    pub path: String,
    /// Its configuration file, if there is one.
    pub config_file: Option<PathBuf>,
    /// Its settings from the file and the environment: a digest of the value by its key, so that no secret is told.
    pub settings: BTreeMap<String, String>,
    /// The variables that its executors pass on: a digest of the value by the name, empty for one that is not set.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
    /// After how many milliseconds without a call it stops; unset, it stays.
    pub idle_exit_ms: Option<u64>,
}
