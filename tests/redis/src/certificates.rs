//! The certificate authority of a test, with a certificate for servers on 127.0.0.1 and one for clients. The program
//! `openssl` makes them.

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

/// The folder with the files, in PEM.
#[derive(Debug, Clone)]
pub struct Certificates {
    folder: PathBuf,
}

impl Certificates {
    /// Makes the files in `folder`, which must exist.
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

    /// The authority's certificate, which clients must trust.
    #[must_use]
    pub fn ca_file(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// The certificate of `name` ("server" or "client").
    #[must_use]
    pub fn cert_file(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.pem"))
    }

    /// The private key of `name`.
    #[must_use]
    pub fn key_file(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.key"))
    }

    fn sign(&self, name: &str, extensions: &[&str]) {
        let (ca, ca_key) = (self.ca_file(), self.key_file("ca"));
        let (ca, ca_key) = (ca.display().to_string(), ca_key.display().to_string());
        let mut options = vec!["-CA", &ca, "-CAkey", &ca_key];
        options.extend(["-addext", "basicConstraints=critical,CA:FALSE"]);
        for extension in extensions {
            options.extend(["-addext", extension]);
        }
        self.request(name, &options);
    }

    fn request(&self, name: &str, options: &[&str]) {
        let output = Command::new("openssl")
            .args(["req", "-x509", "-days", "2"])
            .args(NEW_KEY)
            .args(["-subj", &format!("/CN=shim test {name}")])
            .arg("-keyout")
            .arg(self.key_file(name))
            .arg("-out")
            .arg(self.cert_file(name))
            .args(options)
            .output()
            .expect("openssl runs");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl: {complaint}");
    }
}
