//! TCP ports that no other process uses, reserved for as long as a server needs them, even while the server is down.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};

/// Below the ports of outgoing connections: the kernel could give such a port away while its server is restarted.
const RANGE: Range<u16> = 10_240..30_720;

/// A reserved port. The reservation is a UDP socket with the same number: it is atomic between processes, it disturbs no
/// server, since none here uses UDP, and the kernel releases it however its process ends.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _reservation: UdpSocket,
}

impl Port {
    /// Reserves a port.
    ///
    /// # Panics
    /// If all ports are taken.
    #[must_use]
    pub fn reserve() -> Self {
        let first = random_start();
        (first..RANGE.end)
            .chain(RANGE.start..first)
            .find_map(Self::try_reserve)
            .expect("thousands of ports are not all taken")
    }

    fn try_reserve(number: u16) -> Option<Self> {
        let reservation = UdpSocket::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
        TcpListener::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
        Some(Self {
            number,
            _reservation: reservation,
        })
    }

    /// The number of the port.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }
}

/// A start that differs between processes, so that they do not try the same ports at the same time.
fn random_start() -> u16 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let salt = now.map_or(0, |now| now.subsec_nanos()) ^ std::process::id().wrapping_mul(0x9E37);
    let offset = salt % u32::from(RANGE.end - RANGE.start);
    RANGE.start + u16::try_from(offset).unwrap_or_default()
}
