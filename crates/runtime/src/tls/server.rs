//! The certificate of a server, read again when its files change: certificates are renewed while it runs.
//!
//! A new connection polls the files, at most once a second, and other connections do not wait for the poll: a mount that
//! hangs delays one. New content that cannot be used is logged and changes nothing. An open connection keeps the
//! certificate of its handshake.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};
use tokio_rustls::server::TlsStream;

use super::pem::{HANDSHAKE_TIMEOUT, TlsError, read_pem};
use crate::file_fingerprint::FileFingerprint;
use crate::sync;

/// New files are seen by the first connection after this time.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// The only protocol spoken inside (RFC 7301).
const HTTP_2: &[u8] = b"h2";

/// The server's side of TLS, as its files are now. Clones share one poll.
#[derive(Clone)]
pub struct ServerTls(Arc<ReloadingConfig>);

struct ReloadingConfig {
    files: TlsFiles,
    /// Held during a poll.
    last_poll: Arc<Mutex<LastPoll>>,
    /// From the last files that could be used.
    config: RwLock<Arc<ServerConfig>>,
}

pub(super) struct TlsFiles {
    pub(super) cert: PathBuf,
    pub(super) key: PathBuf,
    pub(super) client_ca: Option<PathBuf>,
}

/// The last poll.
struct LastPoll {
    at: Instant,
    /// Those of the files, usable or not.
    fingerprints: Fingerprints,
}

/// `None` for a file that is not there.
type Fingerprints = [Option<FileFingerprint>; 3];

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServerTls")
            .field(&self.0.files.cert)
            .finish()
    }
}

impl ServerTls {
    /// Reads the files and follows them from now on.
    ///
    /// # Errors
    /// If one cannot be used.
    pub(super) fn open(files: TlsFiles) -> Result<Self, TlsError> {
        let fingerprints = files.fingerprints();
        let config = RwLock::new(Arc::new(files.read()?));
        let last_poll = LastPoll {
            at: Instant::now(),
            fingerprints,
        };
        Ok(Self(Arc::new(ReloadingConfig {
            files,
            last_poll: Arc::new(Mutex::new(last_poll)),
            config,
        })))
    }

    /// Shakes hands over `connection`.
    ///
    /// # Errors
    /// If the client's certificate is refused, it speaks no TLS, or it takes longer than ten seconds.
    pub(crate) async fn handshake<C>(self, connection: C) -> io::Result<TlsStream<C>>
    where
        C: AsyncRead + AsyncWrite + Unpin,
    {
        let shaken = async {
            let config = self.config_at(Instant::now()).await;
            TlsAcceptor::from(config).accept(connection).await
        };
        tokio::time::timeout(HANDSHAKE_TIMEOUT, shaken).await?
    }

    async fn config_at(&self, now: Instant) -> Arc<ServerConfig> {
        let reloading = &self.0;
        if let Ok(mut last_poll) = Arc::clone(&reloading.last_poll).try_lock_owned()
            && now.saturating_duration_since(last_poll.at) >= POLL_INTERVAL
        {
            last_poll.at = now;
            let reloading = Arc::clone(reloading);
            let reload =
                spawn_blocking(move || reloading.reload_if_changed(&mut last_poll.fingerprints));
            if let Err(error) = reload.await {
                tracing::error!("a look at the certificate broke off: {error}");
            }
        }
        Arc::clone(&sync::read(&reloading.config))
    }
}

impl ReloadingConfig {
    fn reload_if_changed(&self, before: &mut Fingerprints) {
        let fingerprints = self.files.fingerprints();
        if fingerprints == *before {
            return;
        }
        *before = fingerprints;
        let file = self.files.cert.display();
        match self.files.read() {
            Ok(fresh) => {
                *sync::write(&self.config) = Arc::new(fresh);
                tracing::info!(%file, "the certificate was read again");
            }
            Err(error) => tracing::error!("{error}; the certificate read before stays in force"),
        }
    }
}

impl TlsFiles {
    fn fingerprints(&self) -> Fingerprints {
        let files = [Some(&self.cert), Some(&self.key), self.client_ca.as_ref()];
        files.map(|file| file.and_then(|file| FileFingerprint::of(file).ok()))
    }

    fn read(&self) -> Result<ServerConfig, TlsError> {
        let crypto = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&crypto))
            .with_safe_default_protocol_versions()
            .map_err(|e| unusable("tls.cert_file", &self.cert, e))?;
        let builder = match self.verifier(crypto)? {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let own = chain("tls.cert_file", &self.cert)?;
        let key = PrivateKeyDer::from_pem_slice(&read_pem("tls.key_file", &self.key)?)
            .map_err(|e| unusable("tls.key_file", &self.key, e))?;
        let mut config = builder
            .with_single_cert(own, key)
            .map_err(|e| unusable("tls.cert_file", &self.cert, e))?;
        config.alpn_protocols.push(HTTP_2.to_vec());
        Ok(config)
    }

    /// Verifies the clients' certificates; `None` if they need none.
    fn verifier(
        &self,
        crypto: Arc<CryptoProvider>,
    ) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
        let Some(file) = &self.client_ca else {
            return Ok(None);
        };
        let mut authorities = RootCertStore::empty();
        authorities.add_parsable_certificates(chain("tls.client_ca_file", file)?);
        let verifier = WebPkiClientVerifier::builder_with_provider(authorities.into(), crypto)
            .build()
            .map_err(|e| unusable("tls.client_ca_file", file, e))?;
        Ok(Some(verifier))
    }
}

fn chain(key: &'static str, file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    CertificateDer::pem_slice_iter(&read_pem(key, file)?)
        .collect::<Result<_, _>>()
        .map_err(|e| unusable(key, file, e))
}

fn unusable(
    key: &'static str,
    file: &Path,
    why: impl std::error::Error + Send + Sync + 'static,
) -> TlsError {
    TlsError::new(key, file, io::Error::new(io::ErrorKind::InvalidData, why))
}
