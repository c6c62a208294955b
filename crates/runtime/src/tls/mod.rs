//! TLS on TCP: the certificate a server shows, the authority whose clients it accepts, and the same for clients.
//!
//! A server follows its files while it runs; a client reads its files once, when its process starts. The Unix socket
//! never speaks TLS.

mod pem;
mod server;

use std::path::PathBuf;

use tonic::transport::{Certificate, ClientTlsConfig, Identity};

use crate::auth::Role;
use crate::settings::Settings;

use pem::{HANDSHAKE_TIMEOUT, read_pem};
use server::TlsFiles;

pub use pem::TlsError;
pub use server::ServerTls;

/// The keys `tls.*`.
#[derive(Debug, Clone)]
pub struct Tls {
    /// The chain that a server shows, in PEM (`tls.cert_file`); unset, it speaks plain HTTP/2.
    pub cert_file: Option<PathBuf>,
    /// The key to it, in PEM (`tls.key_file`).
    pub key_file: Option<PathBuf>,
    /// The authority that must have signed a client's certificate (`tls.client_ca_file`); unset, none is asked for.
    pub client_ca_file: Option<PathBuf>,
    /// The role of a client with such a certificate and no token (`tls.client_role`).
    pub client_role: Role,
    /// The authority that must have signed the certificate of an `https://` endpoint (`tls.ca_file`).
    pub ca_file: Option<PathBuf>,
    /// The chain that a client shows (`tls.client_cert_file`).
    pub client_cert_file: Option<PathBuf>,
    /// The key to it (`tls.client_key_file`).
    pub client_key_file: Option<PathBuf>,
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            cert_file: None,
            key_file: None,
            client_ca_file: None,
            client_role: Role::Write,
            ca_file: None,
            client_cert_file: None,
            client_key_file: None,
        }
    }
}

impl Tls {
    /// Reads the keys, and refuses a key that needs another one.
    pub(crate) fn read(settings: &mut Settings) -> Self {
        let tls = Self {
            cert_file: settings.get("tls.cert_file"),
            key_file: settings.get("tls.key_file"),
            client_ca_file: settings.get("tls.client_ca_file"),
            client_role: settings.get_or("tls.client_role", Role::Write),
            ca_file: settings.get("tls.ca_file"),
            client_cert_file: settings.get("tls.client_cert_file"),
            client_key_file: settings.get("tls.client_key_file"),
        };
        let unset = Option::is_none;
        if unset(&tls.cert_file) != unset(&tls.key_file) {
            settings.refuse("tls.cert_file and tls.key_file go together: set both or none");
        }
        if unset(&tls.client_cert_file) != unset(&tls.client_key_file) {
            settings.refuse(
                "tls.client_cert_file and tls.client_key_file go together: set both or none",
            );
        }
        if tls.client_ca_file.is_some() && unset(&tls.cert_file) {
            settings.refuse(
                "tls.client_ca_file needs tls.cert_file: certificates are shown over TLS only",
            );
        }
        if tls.client_cert_file.is_some() && unset(&tls.ca_file) {
            settings
                .refuse("tls.client_cert_file needs tls.ca_file: no server is trusted without it");
        }
        tls
    }

    /// Every file named, so that a process can leave the folder it was started in.
    pub fn files_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        [
            &mut self.cert_file,
            &mut self.key_file,
            &mut self.client_ca_file,
            &mut self.ca_file,
            &mut self.client_cert_file,
            &mut self.client_key_file,
        ]
        .into_iter()
        .flatten()
    }

    /// Whether a server refuses a client without a certificate.
    #[must_use]
    pub fn requires_certificates(&self) -> bool {
        self.client_ca_file.is_some()
    }

    /// The server's side; `None` if it speaks no TLS.
    ///
    /// # Errors
    /// If a file cannot be used.
    pub fn server(&self) -> Result<Option<ServerTls>, TlsError> {
        let (Some(cert), Some(key)) = (&self.cert_file, &self.key_file) else {
            return Ok(None);
        };
        let files = TlsFiles {
            cert: cert.clone(),
            key: key.clone(),
            client_ca: self.client_ca_file.clone(),
        };
        ServerTls::open(files).map(Some)
    }

    /// The client's side; `None` if it trusts no server.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub(crate) fn client(&self) -> Result<Option<ClientTlsConfig>, TlsError> {
        let Some(authority) = &self.ca_file else {
            return Ok(None);
        };
        let authority = Certificate::from_pem(read_pem("tls.ca_file", authority)?);
        let mut config = ClientTlsConfig::new()
            .ca_certificate(authority)
            .timeout(HANDSHAKE_TIMEOUT);
        if let (Some(cert), Some(key)) = (&self.client_cert_file, &self.client_key_file) {
            config = config.identity(Identity::from_pem(
                read_pem("tls.client_cert_file", cert)?,
                read_pem("tls.client_key_file", key)?,
            ));
        }
        Ok(Some(config))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(keys: &[(&str, &str)]) -> (Tls, Vec<String>) {
        let keys = keys.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let mut settings = Settings::gather(None, [], keys).unwrap();
        let tls = Tls::read(&mut settings);
        (tls, settings.finish().err().map_or(Vec::new(), |e| e.0))
    }

    #[test]
    fn keys_that_need_another_are_refused_without_it() {
        for (alone, names) in [
            ("tls.cert_file", "tls.key_file"),
            ("tls.client_key_file", "tls.client_cert_file"),
            ("tls.client_ca_file", "tls.cert_file"),
        ] {
            let (_, errors) = read(&[(alone, "/x")]);
            assert!(errors.len() == 1 && errors[0].contains(names), "{errors:?}");
        }
        let (tls, errors) = read(&[
            ("tls.cert_file", "/c"),
            ("tls.key_file", "/k"),
            ("tls.client_ca_file", "/a"),
            ("tls.client_role", "read"),
        ]);
        assert!(errors.is_empty() && tls.requires_certificates());
        assert_eq!(tls.client_role, Role::Read);
    }

    #[test]
    fn a_missing_file_is_named_with_its_key() {
        let (tls, _) = read(&[
            ("tls.cert_file", "/no/such/c"),
            ("tls.key_file", "/no/such/k"),
        ]);
        let error = tls.server().unwrap_err().to_string();
        assert!(error.starts_with("tls.cert_file /no/such/c: "), "{error}");
        assert!(Tls::default().server().unwrap().is_none());
        assert!(Tls::default().client().unwrap().is_none());
    }
}
