//! Why an owner was lost: the judgement of the evidence that is left when a gateway is gone.

use shim_proto::checkpoint::v1::{Interruption, InterruptionCause as Cause};

use shim_sqlite::UnixMicros;

/// Memory use from which a vanished process is likelier to have been killed for it.
const MEMORY_SUSPICIOUS: f64 = 0.95;

/// How the owner's stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamEnd {
    /// The gateway said goodbye.
    Detached,
    /// The stream broke.
    Broken,
    /// The stream was silent for a whole lease.
    Silent,
    /// The service was started anew and the owner never came back.
    NeverReturned,
    /// There was no stream: the client's process is gone, or told its end.
    ClientGone,
    /// There was no stream, and nobody saw the client: its transcript was found.
    Found,
}

/// What could be found out when the owner was lost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Evidence {
    /// How the stream ended.
    pub(crate) stream_end: StreamEnd,
    /// The machine's boot id differs from the owner's.
    pub(crate) rebooted: bool,
    /// Whether the gateway's process runs; `None` if it is not visible from this machine.
    pub(crate) gateway_alive: Option<bool>,
    /// Whether the client's process runs.
    pub(crate) client_alive: Option<bool>,
    /// Kills for lack of memory on this machine since the owner attached.
    pub(crate) oom_kills: u64,
    /// The machine's memory use at the last heartbeat, 0..1.
    pub(crate) memory_pressure: Option<f64>,
}

/// The likeliest cause with its confidence.
pub(crate) fn diagnose(evidence: &Evidence, at: UnixMicros) -> Interruption {
    let (cause, confidence, text) = likeliest_cause(evidence);
    Interruption {
        cause: cause.into(),
        confidence,
        evidence: text,
        at: Some(at.into()),
    }
}

fn likeliest_cause(evidence: &Evidence) -> (Cause, f64, String) {
    if evidence.stream_end == StreamEnd::Detached {
        let text = "the client closed the gateway in good order";
        return (Cause::ClientClosed, 1.0, text.into());
    }
    if evidence.rebooted {
        let text = "the machine was started anew since the client attached";
        return (Cause::Reboot, 0.95, text.into());
    }
    match (evidence.gateway_alive, evidence.client_alive) {
        (Some(false), Some(false)) => {
            cause_of_exit(evidence, "the gateway and its client are gone")
        }
        (Some(false), _) => cause_of_exit(evidence, "the gateway's process is gone"),
        (_, Some(false)) => cause_of_exit(evidence, "the client's process is gone"),
        _ => cause_of_silence(evidence),
    }
}

/// A process is gone without a goodbye.
fn cause_of_exit(evidence: &Evidence, gone: &str) -> (Cause, f64, String) {
    let (kills, pressure) = (evidence.oom_kills, evidence.memory_pressure.unwrap_or(0.0));
    if kills > 0 {
        let text = format!("{gone}, and the kernel killed {kills} process(es) for memory");
        return (Cause::OutOfMemory, 0.85, text);
    }
    if pressure >= MEMORY_SUSPICIOUS {
        let percent = pressure * 100.0;
        let text = format!("{gone}, with {percent:.0}% of memory in use at the last heartbeat");
        return (Cause::OutOfMemory, 0.6, text);
    }
    (Cause::Killed, 0.9, format!("{gone} without a goodbye"))
}

/// No process is known to be gone.
fn cause_of_silence(evidence: &Evidence) -> (Cause, f64, String) {
    if evidence.stream_end == StreamEnd::Broken {
        let text = "the connection broke without a goodbye";
        return (Cause::Killed, 0.5, text.into());
    }
    let still = match evidence.gateway_alive {
        Some(true) => "; its process still runs",
        _ => "",
    };
    let text = format!("no heartbeat came within the lease{still}");
    (Cause::LeaseExpired, 0.7, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOST: Evidence = Evidence {
        stream_end: StreamEnd::Broken,
        rebooted: false,
        gateway_alive: Some(false),
        client_alive: Some(true),
        oom_kills: 0,
        memory_pressure: None,
    };

    fn cause(evidence: Evidence) -> Cause {
        diagnose(&evidence, UnixMicros(0)).cause()
    }

    #[test]
    fn each_kind_of_evidence_names_its_cause() {
        assert_eq!(cause(LOST), Cause::Killed);
        assert_eq!(
            cause(Evidence {
                stream_end: StreamEnd::Detached,
                ..LOST
            }),
            Cause::ClientClosed
        );
        assert_eq!(
            cause(Evidence {
                rebooted: true,
                ..LOST
            }),
            Cause::Reboot
        );
        assert_eq!(
            cause(Evidence {
                oom_kills: 1,
                ..LOST
            }),
            Cause::OutOfMemory
        );
        assert_eq!(
            cause(Evidence {
                memory_pressure: Some(0.97),
                ..LOST
            }),
            Cause::OutOfMemory
        );
        let silent = Evidence {
            stream_end: StreamEnd::Silent,
            gateway_alive: Some(true),
            ..LOST
        };
        assert_eq!(cause(silent), Cause::LeaseExpired);
        assert!(
            diagnose(&silent, UnixMicros(0))
                .evidence
                .contains("still runs")
        );
    }
}
