//! TCP ports nobody else uses, held for as long as a server needs them, even while it is down.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};

/// Below the ports the kernel gives to outgoing connections, which could sit on one while its server is restarted.
const RANGE: Range<u16> = 10_240..30_720;

/// A reserved port. The reservation is a UDP socket with the same number: atomic between processes, in nobody's way
/// (no server here speaks UDP), and given back by the kernel however the holder ends.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _reservation: UdpSocket,
}

impl Port {
    /// Reserves one.
    ///
    /// # Panics
    /// If all are taken.
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

    /// Its number.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }
}

/// Processes that start together should not all try the same ports first.
fn random_start() -> u16 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let salt = now.map_or(0, |now| now.subsec_nanos()) ^ std::process::id().wrapping_mul(0x9E37);
    let offset = salt % u32::from(RANGE.end - RANGE.start);
    RANGE.start + u16::try_from(offset).unwrap_or_default()
}
