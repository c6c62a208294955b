//! A master with two replicas, and three sentinels that promote a replica when the master fails.

use std::io;
use std::net::TcpStream;
use std::process::Child;

use tempfile::TempDir;

use crate::launch::{self, Launch};
use crate::port::Port;
use crate::reply::{self, Reply};
use crate::server::{Redis, wait_until};

/// The name of the master at the sentinels.
const MASTER: &str = "shim";
const REPLICAS: usize = 2;
const SENTINELS: usize = 3;

/// The set. Dropping it kills it.
#[derive(Debug)]
pub struct Sentinels {
    servers: Vec<Redis>,
    sentinels: Vec<Sentinel>,
    passwords: Option<SetPasswords>,
}

/// The passwords of a set: the data nodes have one, and the sentinels others.
#[derive(Debug, Clone, Copy)]
pub struct SetPasswords {
    /// Of the data nodes.
    pub nodes: &'static str,
    /// Of the sentinels' default user, by which they know each other.
    pub sentinels: &'static str,
    /// A user at the sentinels who may do nothing but ask for the master, and the password.
    pub user: (&'static str, &'static str),
}

impl Sentinels {
    /// Starts all six processes, and waits until the replicas follow and the sentinels know each other.
    ///
    /// # Panics
    /// If that takes too long.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(None)
    }

    /// As [`Sentinels::start`], with passwords.
    ///
    /// # Panics
    /// Likewise.
    #[must_use]
    pub fn start_with(passwords: Option<SetPasswords>) -> Self {
        let launch = passwords.map_or_else(Launch::new, |passwords| {
            Launch::new().password(passwords.nodes)
        });
        let master = launch.start();
        let follow = format!("127.0.0.1 {}", master.port());
        let replica = launch.setting("replicaof", &follow);
        let mut servers = vec![master];
        servers.extend((0..REPLICAS).map(|_| replica.start()));
        // A sentinel looks for replicas at its start, and then only every ten seconds.
        wait_until("the replicas follow", || {
            servers[1..].iter().all(is_following)
        });
        let sentinels = (0..SENTINELS)
            .map(|_| Sentinel::start(&servers[0], passwords))
            .collect();
        let set = Self {
            servers,
            sentinels,
            passwords,
        };
        set.wait_until_watched();
        set
    }

    /// The addresses of the sentinels in the form of `redis_url`, with the password of the data nodes.
    #[must_use]
    pub fn url(&self) -> String {
        let addresses: Vec<_> = self.sentinels.iter().map(Sentinel::address).collect();
        let password = self.passwords.map(|passwords| passwords.nodes);
        let password = password.map_or_else(String::new, |password| format!(":{password}@"));
        format!(
            "redis+sentinel://{password}{}/{MASTER}",
            addresses.join(",")
        )
    }

    /// Host and port of each sentinel.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        self.sentinels.iter().map(Sentinel::address).collect()
    }

    /// Kills the master, and waits until the sentinels have promoted a replica and report no failure of it.
    ///
    /// # Panics
    /// If that takes too long.
    pub fn failover(&mut self) {
        let old = self.master_index();
        self.servers[old].kill();
        let old_port = self.servers[old].port();
        wait_until("a replica becomes the master", || {
            let port = self.agreed_port().filter(|port| *port != old_port);
            let mut servers = self.servers.iter();
            let server = servers.find(|server| Some(server.port()) == port);
            let is_well = |sentinel: &Sentinel| sentinel.flags().as_deref() == Some("master");
            server.is_some_and(is_master) && self.sentinels.iter().all(is_well)
        });
    }

    /// The present master.
    ///
    /// # Panics
    /// If the sentinels do not agree on a master.
    #[must_use]
    pub fn master(&self) -> &Redis {
        &self.servers[self.master_index()]
    }

    fn master_index(&self) -> usize {
        let port = self.agreed_port().expect("the sentinels agree");
        let mut servers = self.servers.iter();
        let index = servers.position(|server| server.port() == port);
        index.expect("the master is one of ours")
    }

    /// The port of the master, if all sentinels name the same one.
    fn agreed_port(&self) -> Option<u16> {
        let mut ports: Vec<_> = self.sentinels.iter().map(Sentinel::master_port).collect();
        ports.dedup();
        match ports[..] {
            [port] => port,
            _ => None,
        }
    }

    fn wait_until_watched(&self) {
        let (replicas, others) = (REPLICAS.to_string(), (SENTINELS - 1).to_string());
        let watches = |sentinel: &Sentinel| {
            let about = sentinel.command(&["SENTINEL", "MASTER", MASTER]);
            about.is_ok_and(|about| {
                about.field("num-slaves") == Some(&replicas)
                    && about.field("num-other-sentinels") == Some(&others)
                    && about.field("flags") == Some("master")
            })
        };
        wait_until("the sentinels know of each other", || {
            self.sentinels.iter().all(watches)
        });
    }
}

/// A server's reply to `ROLE`. It is empty while a sentinel breaks the server's connections, which it does at each
/// promotion.
fn role(server: &Redis) -> Vec<Reply> {
    match server.try_command(&["ROLE"]) {
        Ok(Ok(Reply::List(items))) => items,
        _ => Vec::new(),
    }
}

fn is_master(server: &Redis) -> bool {
    role(server).first().and_then(Reply::text) == Some("master")
}

fn is_following(server: &Redis) -> bool {
    role(server).get(3).and_then(Reply::text) == Some("connected")
}

/// One sentinel.
#[derive(Debug)]
struct Sentinel {
    port: Port,
    child: Child,
    password: Option<&'static str>,
    _folder: TempDir,
}

impl Sentinel {
    fn start(master: &Redis, passwords: Option<SetPasswords>) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("shim-sentinel-")
            .tempdir()
            .expect("the temporary folder is writable");
        let port = Port::reserve();
        let mut lines = vec![
            "bind 127.0.0.1".to_owned(),
            format!("port {}", port.number()),
            format!("dir {}", folder.path().display()),
            "logfile sentinel.log".to_owned(),
            format!("sentinel monitor {MASTER} 127.0.0.1 {} 2", master.port()),
            // A promotion breaks connections, which must not look like a failure of the new master.
            format!("sentinel down-after-milliseconds {MASTER} 1500"),
            format!("sentinel failover-timeout {MASTER} 10000"),
        ];
        if let Some(SetPasswords {
            nodes,
            sentinels,
            user: (user, password),
        }) = passwords
        {
            lines.extend([
                format!("sentinel auth-pass {MASTER} {nodes}"),
                format!("requirepass {sentinels}"),
                format!("sentinel sentinel-pass {sentinels}"),
                format!("user {user} on >{password} +sentinel|get-master-addr-by-name"),
            ]);
        }
        let config = folder.path().join("sentinel.conf");
        std::fs::write(&config, lines.join("\n") + "\n").expect("a new folder is writable");
        let child = launch::spawn(&config, &["--sentinel"]);
        Self {
            port,
            child,
            password: passwords.map(|passwords| passwords.sentinels),
            _folder: folder,
        }
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port.number())
    }

    /// Sends a command. It fails also while the sentinel starts.
    fn command(&self, words: &[&str]) -> io::Result<Reply> {
        let stream = TcpStream::connect(self.address())?;
        if let Some(password) = self.password {
            reply::command(&stream, &["AUTH", password])?.map_err(io::Error::other)?;
        }
        reply::command(&stream, words)?.map_err(io::Error::other)
    }

    /// The state of the master in the eyes of this sentinel: "master" if it works.
    fn flags(&self) -> Option<String> {
        let about = self.command(&["SENTINEL", "MASTER", MASTER]).ok()?;
        about.field("flags").map(str::to_owned)
    }

    fn master_port(&self) -> Option<u16> {
        let asked = self.command(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER]);
        asked.ok()?.items().get(1)?.text()?.parse().ok()
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
