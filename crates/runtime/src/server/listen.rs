//! The addresses a server listens on, bound before any heavy work so that a wrong one fails at once.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tokio::net::{TcpListener, UnixListener, UnixSocket};

use crate::auth::Auth;
use crate::probes::Probes;

/// `sun_path` holds 108 bytes with its NUL on Linux (unix(7)), 104 on macOS.
const MAX_SOCKET_PATH: usize = if cfg!(target_os = "macos") { 103 } else { 107 };

/// Connections that wait to be accepted, as many as tokio's own listeners keep.
const BACKLOG: u32 = 1_024;

/// What a server listens on: TCP, a Unix socket or both, and the HTTP probes.
#[derive(Debug, Default)]
pub struct Listeners {
    /// A TCP listener.
    pub tcp: Option<TcpListener>,
    /// A Unix socket.
    pub unix: Option<UnixListener>,
    /// The listener of the HTTP probes.
    pub probes: Option<Probes>,
}

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Every machine of the network could call.
    #[error(
        "refusing to listen on {0}: it is not a loopback address, and callers need neither a token nor a certificate; set auth.token_file or tls.client_ca_file, or listen on 127.0.0.1"
    )]
    Exposed(SocketAddr),
    /// Binding failed.
    #[error("cannot listen on {0}: {1}")]
    Bind(SocketAddr, std::io::Error),
    /// Binding for the probes failed.
    #[error("cannot listen on {0} for the probes (metrics_listen): {1}")]
    BindProbes(SocketAddr, std::io::Error),
    /// Binding the Unix socket failed.
    #[error("cannot listen on {0}: {1}")]
    BindUnix(PathBuf, std::io::Error),
    /// The kernel takes no longer path.
    #[error(
        "the socket path {0} is longer than {MAX_SOCKET_PATH} bytes; choose a shorter data_dir"
    )]
    PathTooLong(PathBuf),
}

impl Listeners {
    /// Binds TCP at `address`.
    ///
    /// # Errors
    /// If it is not a loopback address and `auth` asks for nothing, or if it cannot be bound.
    pub async fn bind_tcp(
        &mut self,
        address: SocketAddr,
        auth: &Auth,
    ) -> Result<SocketAddr, ListenError> {
        if !address.ip().is_loopback() && !auth.is_required() {
            return Err(ListenError::Exposed(address));
        }
        let listener = TcpListener::bind(address)
            .await
            .map_err(|e| ListenError::Bind(address, e))?;
        let bound = listener
            .local_addr()
            .map_err(|e| ListenError::Bind(address, e))?;
        self.tcp = Some(listener);
        Ok(bound)
    }

    /// Binds the HTTP probes at `address`; see [`Probes::bind`].
    ///
    /// # Errors
    /// If it cannot be bound.
    pub async fn bind_probes(
        &mut self,
        address: SocketAddr,
        open_metrics: bool,
    ) -> Result<SocketAddr, ListenError> {
        let fail = |e| ListenError::BindProbes(address, e);
        let probes = Probes::bind(address, open_metrics).await.map_err(fail)?;
        let bound = probes.address().map_err(fail)?;
        self.probes = Some(probes);
        Ok(bound)
    }

    /// Binds a Unix socket only its owner may use. The caller holds the lock that makes it the only server of the
    /// path, so a socket found there was left by a dead one and is replaced.
    ///
    /// # Errors
    /// If the path is too long or cannot be bound.
    pub fn bind_unix(&mut self, path: &Path) -> Result<(), ListenError> {
        let fail = |e| ListenError::BindUnix(path.to_path_buf(), e);
        if path.as_os_str().len() > MAX_SOCKET_PATH {
            return Err(ListenError::PathTooLong(path.to_path_buf()));
        }
        match std::fs::remove_file(path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(fail(e)),
            _ => {}
        }
        let socket = UnixSocket::new_stream().map_err(fail)?;
        socket.bind(path).map_err(fail)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(fail)?;
        // Only now: whoever connected before would have come in whatever the umask let in.
        self.unix = Some(socket.listen(BACKLOG).map_err(fail)?);
        Ok(())
    }
}
