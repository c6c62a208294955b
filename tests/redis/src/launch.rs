//! How a Redis is started: its settings, its configuration file and its command line.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::certificates::Certificates;
use crate::port::Port;
use crate::server::Redis;

/// The settings of a Redis. The default: TCP and a Unix socket, no password, an append-only file synced every second.
#[derive(Debug, Clone, Default)]
pub struct Launch {
    pub(crate) password: Option<String>,
    pub(crate) tls: Tls,
    pub(crate) is_cluster_node: bool,
    settings: Vec<(String, String)>,
}

/// The encryption of the TCP port.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Tls {
    #[default]
    Plain,
    Encrypted,
    /// Encrypted, and the client must show a certificate.
    Mutual,
}

impl Launch {
    /// The default settings.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Requires this password, also on the socket. It may not contain quotes, backslashes and control characters.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        let quoted = format!("\"{password}\"");
        self.setting("requirepass", &quoted)
            .setting("masterauth", &quoted)
    }

    /// Refuses writes above `limit` (in the form of redis.conf, for example "4mb"), and evicts nothing.
    #[must_use]
    pub fn max_memory(self, limit: &str) -> Self {
        self.setting("maxmemory", limit)
    }

    /// Encrypts the TCP port; the Unix socket stays plain.
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.tls = Tls::Encrypted;
        self
    }

    /// Encrypts the TCP port, and refuses clients without a certificate of the test's authority.
    #[must_use]
    pub fn mutual_tls(mut self) -> Self {
        self.tls = Tls::Mutual;
        self
    }

    /// Any other line of redis.conf.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn cluster_node(mut self) -> Self {
        self.is_cluster_node = true;
        self.setting("cluster-enabled", "yes")
            .setting("cluster-node-timeout", "2000")
    }

    /// Starts a server and waits until it answers.
    ///
    /// # Panics
    /// If it does not answer.
    #[must_use]
    pub fn start(&self) -> Redis {
        Redis::launch(self.clone())
    }

    /// The lines of redis.conf for a server in `folder`.
    pub(crate) fn config(
        &self,
        folder: &Path,
        port: u16,
        certificates: Option<&Certificates>,
    ) -> String {
        let port_name = if self.tls == Tls::Plain {
            "port"
        } else {
            "tls-port"
        };
        let mut lines = vec![
            "bind 127.0.0.1".to_owned(),
            "protected-mode no".to_owned(),
            "port 0".to_owned(),
            format!("{port_name} {port}"),
            format!("unixsocket {}", folder.join("redis.sock").display()),
            format!("dir {}", folder.display()),
            "logfile redis.log".to_owned(),
            "save \"\"".to_owned(),
            "appendonly yes".to_owned(),
            "appendfsync everysec".to_owned(),
            "maxmemory-policy noeviction".to_owned(),
            "repl-diskless-sync-delay 0".to_owned(),
        ];
        if let Some(certificates) = certificates {
            lines.push(format!(
                "tls-ca-cert-file {}",
                certificates.ca_file().display()
            ));
            lines.push(format!(
                "tls-cert-file {}",
                certificates.cert_file("server").display()
            ));
            lines.push(format!(
                "tls-key-file {}",
                certificates.key_file("server").display()
            ));
            let required = if self.tls == Tls::Mutual { "yes" } else { "no" };
            lines.push(format!("tls-auth-clients {required}"));
        }
        let own = self.settings.iter();
        lines.extend(own.map(|(name, value)| format!("{name} {value}")));
        lines.join("\n") + "\n"
    }

    /// The ports of a server: one for clients, and one for the bus of a cluster.
    pub(crate) fn ports(&self) -> Vec<Port> {
        (0..=usize::from(self.is_cluster_node))
            .map(|_| Port::reserve())
            .collect()
    }
}

/// Runs `redis-server` on a configuration file, in a process group of its own. It ends with the calling thread.
pub(crate) fn spawn(config: &Path, options: &[&str]) -> Child {
    let mut command = if cfg!(target_os = "linux") {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", "redis-server"]);
        command
    } else {
        Command::new("redis-server")
    };
    command
        .arg(config)
        .args(options)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("redis-server and setpriv are installed")
}
