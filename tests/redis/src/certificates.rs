//! A certificate authority of one test with a certificate for servers on 127.0.0.1 and one for clients, made by the
//! `openssl` program.

use std::path::{Path, PathBuf};
use std::process::Command;

const NEW_KEY: [&str; 6] = [
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:prime256v1",
    "-nodes",
    "-batch",
];

/// The files, in PEM.
#[derive(Debug, Clone)]
pub struct Certificates {
    folder: PathBuf,
}

impl Certificates {
    /// Makes them in `folder`, which must be there.
    ///
    /// # Panics
    /// If `openssl` is missing or fails.
    #[must_use]
    pub fn make(folder: &Path) -> Self {
        let made = Self {
            folder: folder.to_path_buf(),
        };
        made.request("ca", &["-addext", "keyUsage=critical,keyCertSign,cRLSign"]);
        let names = "subjectAltName=IP:127.0.0.1,DNS:localhost";
        made.sign("server", &[names, "extendedKeyUsage=serverAuth,clientAuth"]);
        made.sign("client", &["extendedKeyUsage=clientAuth"]);
        made
    }

    /// The authority's certificate: what clients are to trust.
    #[must_use]
    pub fn ca_file(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// The certificate of `who` ("server" or "client").
    #[must_use]
    pub fn cert_file(&self, who: &str) -> PathBuf {
        self.folder.join(format!("{who}.pem"))
    }

    /// The private key of `who`.
    #[must_use]
    pub fn key_file(&self, who: &str) -> PathBuf {
        self.folder.join(format!("{who}.key"))
    }

    fn sign(&self, who: &str, extensions: &[&str]) {
        let (ca, ca_key) = (self.ca_file(), self.key_file("ca"));
        let (ca, ca_key) = (ca.display().to_string(), ca_key.display().to_string());
        let mut options = vec!["-CA", &ca, "-CAkey", &ca_key];
        options.extend(["-addext", "basicConstraints=critical,CA:FALSE"]);
        for extension in extensions {
            options.extend(["-addext", extension]);
        }
        self.request(who, &options);
    }

    fn request(&self, who: &str, options: &[&str]) {
        let output = Command::new("openssl")
            .args(["req", "-x509", "-days", "2"])
            .args(NEW_KEY)
            .args(["-subj", &format!("/CN=shim test {who}")])
            .arg("-keyout")
            .arg(self.key_file(who))
            .arg("-out")
            .arg(self.cert_file(who))
            .args(options)
            .output()
            .expect("openssl runs");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl: {complaint}");
    }
}
