//! What a server speaks TLS with, read again when its files change: certificates are renewed while it runs.
//!
//! A connection that comes in looks at the files, at most once a second, and the others do not wait for it: a mount that
//! hangs holds up one. New content that cannot be used is told in the log and changes nothing. Whoever is connected stays,
//! with what was in force when they came.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
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

use super::{HANDSHAKE, TlsError, pem};
use crate::file_mark::FileMark;

/// New files are seen by the first connection after this time.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The only protocol spoken inside (RFC 7301).
const HTTP_2: &[u8] = b"h2";

/// The server's side of TLS as its files are now. Clones share one look at them.
#[derive(Clone)]
pub struct ServerTls(Arc<Followed>);

struct Followed {
    files: Files,
    /// Held by whoever looks, for as long as that takes.
    seen: Arc<Mutex<Seen>>,
    /// Of the last files that could be used.
    config: RwLock<Arc<ServerConfig>>,
}

pub(super) struct Files {
    pub(super) cert: PathBuf,
    pub(super) key: PathBuf,
    pub(super) client_ca: Option<PathBuf>,
}

/// The last look.
struct Seen {
    at: Instant,
    /// Of the files, also if they could not be used.
    marks: Marks,
}

/// `None` for a file that is not there.
type Marks = [Option<FileMark>; 3];

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
    pub(super) fn open(files: Files) -> Result<Self, TlsError> {
        let marks = files.marks();
        let config = RwLock::new(Arc::new(files.read()?));
        let seen = Seen {
            at: Instant::now(),
            marks,
        };
        Ok(Self(Arc::new(Followed {
            files,
            seen: Arc::new(Mutex::new(seen)),
            config,
        })))
    }

    /// Shakes hands with whoever came over `connection`.
    ///
    /// # Errors
    /// If they show what is not taken, speak no TLS or take too long.
    pub(crate) async fn shake_hands<C>(self, connection: C) -> io::Result<TlsStream<C>>
    where
        C: AsyncRead + AsyncWrite + Unpin,
    {
        let shaken = async {
            let config = self.config_at(Instant::now()).await;
            TlsAcceptor::from(config).accept(connection).await
        };
        tokio::time::timeout(HANDSHAKE, shaken).await?
    }

    async fn config_at(&self, now: Instant) -> Arc<ServerConfig> {
        let followed = &self.0;
        if let Ok(mut seen) = Arc::clone(&followed.seen).try_lock_owned()
            && now.saturating_duration_since(seen.at) >= LOOK_EVERY
        {
            seen.at = now;
            let followed = Arc::clone(followed);
            let look = spawn_blocking(move || followed.look(&mut seen.marks));
            if let Err(error) = look.await {
                tracing::error!("a look at the certificate broke off: {error}");
            }
        }
        let config = followed.config.read();
        Arc::clone(&config.unwrap_or_else(PoisonError::into_inner))
    }
}

impl Followed {
    fn look(&self, before: &mut Marks) {
        let marks = self.files.marks();
        if marks == *before {
            return;
        }
        *before = marks;
        let file = self.files.cert.display();
        match self.files.read() {
            Ok(fresh) => {
                let mut config = self.config.write().unwrap_or_else(PoisonError::into_inner);
                *config = Arc::new(fresh);
                tracing::info!(%file, "the certificate was read again");
            }
            Err(error) => tracing::error!("{error}; the certificate read before stays in force"),
        }
    }
}

impl Files {
    fn marks(&self) -> Marks {
        let files = [Some(&self.cert), Some(&self.key), self.client_ca.as_ref()];
        files.map(|file| file.and_then(|file| FileMark::of(file).ok()))
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
        let key = PrivateKeyDer::from_pem_slice(&pem("tls.key_file", &self.key)?)
            .map_err(|e| unusable("tls.key_file", &self.key, e))?;
        let mut config = builder
            .with_single_cert(own, key)
            .map_err(|e| unusable("tls.cert_file", &self.cert, e))?;
        config.alpn_protocols.push(HTTP_2.to_vec());
        Ok(config)
    }

    /// Who judges the clients' certificates, if they are to show any.
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
    CertificateDer::pem_slice_iter(&pem(key, file)?)
        .collect::<Result<_, _>>()
        .map_err(|e| unusable(key, file, e))
}

fn unusable(
    key: &'static str,
    file: &Path,
    why: impl std::error::Error + Send + Sync + 'static,
) -> TlsError {
    TlsError {
        key,
        path: file.to_path_buf(),
        why: io::Error::new(io::ErrorKind::InvalidData, why),
    }
}
