//! The rounds: let the savers work, kill the service, start it again (and kill it while it starts, now and then),
//! examine the store with the savers held back, go on.

use std::io::Write;
use std::sync::Arc;

use shim_proto::checkpoint::v1::Session;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tonic::Status;

use super::saver::{Gate, Saver};
use super::saver_acks::SaverAcks;
use super::verdict::{ExaminedSession, CheckpointVerdict};
use crate::calls;
use crate::rng::SeededRng;
use crate::service::{Launch, Service, StartFailure};
use crate::temp_env::TempEnv;

const SAVERS: usize = 16;
/// How long the savers work before the kill, in microseconds.
const WORK_MICROS: std::ops::Range<u64> = 500..250_000;
/// One start in so many is killed before it is ready.
const KILL_WHILE_STARTING_ODDS: u64 = 4;
const START_MICROS: std::ops::Range<u64> = 100..20_000;

/// What to run.
#[derive(Debug, Clone, Copy)]
pub struct SuiteOptions {
    /// How many kills.
    pub rounds: u64,
    /// Where all chance comes from.
    pub seed: u64,
}

/// Why a run could not be finished.
#[derive(Debug)]
pub enum SuiteError {
    /// The service did not come back after a kill.
    Start(StartFailure),
    /// A call failed although nothing was killed.
    Call(Status),
}

impl From<StartFailure> for SuiteError {
    fn from(failure: StartFailure) -> Self {
        Self::Start(failure)
    }
}

impl From<Status> for SuiteError {
    fn from(status: Status) -> Self {
        Self::Call(status)
    }
}

/// One session with its saver's ledger.
struct SaverSession {
    session: Session,
    acks: Arc<SaverAcks>,
    examined: ExaminedSession,
}

/// Runs the suite on a throw-away folder, telling `out` how it goes.
///
/// # Errors
/// If the service does not come back, or refuses what it must not refuse.
pub async fn run(settings: SuiteOptions, out: &mut impl Write) -> Result<CheckpointVerdict, SuiteError> {
    let mut rng = SeededRng::new(settings.seed);
    let temp = TempEnv::new();
    let launch = Launch::checkpoint(&temp.data_dir());
    let mut verdict = CheckpointVerdict {
        seed: settings.seed,
        ..CheckpointVerdict::default()
    };

    let mut service = launch.start().await?;
    let (gate_sender, gate) = watch::channel(Gate::Closed);
    let mut saver_sessions = open_sessions(&service).await?;
    let mut savers = JoinSet::new();
    for saver_session in &saver_sessions {
        savers.spawn(saver(saver_session, &mut rng, gate.clone()).work());
    }

    for round in 1..=settings.rounds {
        gate_sender.send_replace(Gate::Open(service.client()));
        tokio::time::sleep(rng.micros(WORK_MICROS)).await;
        service.kill();
        gate_sender.send_replace(Gate::Closed);
        service = restart(&launch, &mut rng).await?;
        examine(&service, &mut saver_sessions, &mut rng, &mut verdict, false).await?;
        verdict.rounds = round;
        let _ = writeln!(
            out,
            "round {round}: {} acknowledged, clean: {}",
            verdict.acknowledged,
            verdict.is_clean()
        );
    }

    gate_sender.send_replace(Gate::Last(service.client()));
    while let Some(ended) = savers.join_next().await {
        if let Err(status) = ended.expect("a saver does not panic") {
            verdict.refused += 1;
            let _ = writeln!(out, "a saver was refused: {status}");
        }
    }
    examine(&service, &mut saver_sessions, &mut rng, &mut verdict, true).await?;
    Ok(verdict)
}

async fn open_sessions(service: &Service) -> Result<Vec<SaverSession>, Status> {
    let mut saver_sessions = Vec::with_capacity(SAVERS);
    for number in 0..SAVERS {
        let mut session = calls::open(&mut service.client(), "/crash/panel").await?;
        session.title = format!("saver {number}");
        saver_sessions.push(SaverSession {
            session,
            acks: Arc::default(),
            examined: ExaminedSession::default(),
        });
    }
    Ok(saver_sessions)
}

fn saver(saver_session: &SaverSession, rng: &mut SeededRng, gate: watch::Receiver<Gate>) -> Saver {
    Saver {
        session: saver_session.session.clone(),
        acks: Arc::clone(&saver_session.acks),
        rng: SeededRng::new(rng.next_u64()),
        gate,
    }
}

/// Starts the service again; sometimes a start is killed too, in the middle of whatever it mends.
async fn restart(launch: &Launch, rng: &mut SeededRng) -> Result<Service, StartFailure> {
    while rng.one_in(KILL_WHILE_STARTING_ODDS) {
        let mut doomed = launch.spawn();
        tokio::time::sleep(rng.micros(START_MICROS)).await;
        doomed.kill();
    }
    launch.start().await
}

/// Holds every session against its ledger: what is new since the last look, or all of it.
async fn examine(
    service: &Service,
    saver_sessions: &mut [SaverSession],
    rng: &mut SeededRng,
    verdict: &mut CheckpointVerdict,
    fully: bool,
) -> Result<(), Status> {
    let mut client = service.client();
    verdict.acknowledged = 0;
    for saver_session in saver_sessions {
        let SaverSession {
            session,
            acks,
            examined,
        } = saver_session;
        examined
            .examine(&mut client, session, acks, rng, verdict, fully)
            .await?;
        let entries = acks.entries();
        verdict.acknowledged += entries.by_number.len() as u64;
        if fully {
            verdict.duplicated += entries.changed_answers;
        }
    }
    Ok(())
}
