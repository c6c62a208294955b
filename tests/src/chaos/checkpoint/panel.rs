//! The rounds: let the savers work, kill the service, start it again (and kill it while it starts, now and then),
//! examine the store with the savers held back, go on.

use std::io::Write;
use std::sync::Arc;

use shim_proto::checkpoint::v1::Session;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tonic::Status;

use super::ledger::Ledger;
use super::saver::{Gate, Saver};
use super::verdict::{Examined, Verdict};
use crate::calls;
use crate::dice::Dice;
use crate::place::Place;
use crate::service::{Launch, Service, StartFailure};

const SAVERS: usize = 16;
/// How long the savers work before the kill, in microseconds.
const WORK_MICROS: std::ops::Range<u64> = 500..250_000;
/// One start in so many is killed before it is ready.
const KILL_WHILE_STARTING_ODDS: u64 = 4;
const START_MICROS: std::ops::Range<u64> = 100..20_000;

/// What to run.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How many kills.
    pub rounds: u64,
    /// Where all chance comes from.
    pub seed: u64,
}

/// Why a run could not be finished.
#[derive(Debug)]
pub enum Broken {
    /// The service did not come back after a kill.
    Start(StartFailure),
    /// A call failed although nothing was killed.
    Call(Status),
}

impl From<StartFailure> for Broken {
    fn from(failure: StartFailure) -> Self {
        Self::Start(failure)
    }
}

impl From<Status> for Broken {
    fn from(status: Status) -> Self {
        Self::Call(status)
    }
}

/// One session with its saver's ledger.
struct Subject {
    session: Session,
    ledger: Arc<Ledger>,
    examined: Examined,
}

/// Runs the panel on a throw-away folder, telling `out` how it goes.
///
/// # Errors
/// If the service does not come back, or refuses what it must not refuse.
pub async fn run(settings: Settings, out: &mut impl Write) -> Result<Verdict, Broken> {
    let mut dice = Dice::new(settings.seed);
    let place = Place::new();
    let launch = Launch::on(&place.data_dir());
    let mut verdict = Verdict {
        seed: settings.seed,
        ..Verdict::default()
    };

    let mut service = launch.start().await?;
    let (gate_keeper, gate) = watch::channel(Gate::Held);
    let mut subjects = open_sessions(&service).await?;
    let mut savers = JoinSet::new();
    for subject in &subjects {
        savers.spawn(saver(subject, &mut dice, gate.clone()).work());
    }

    for round in 1..=settings.rounds {
        gate_keeper.send_replace(Gate::Open(service.client()));
        tokio::time::sleep(dice.micros(WORK_MICROS)).await;
        service.kill();
        gate_keeper.send_replace(Gate::Held);
        service = restart(&launch, &mut dice).await?;
        examine(&service, &mut subjects, &mut dice, &mut verdict, false).await?;
        verdict.rounds = round;
        let _ = writeln!(
            out,
            "round {round}: {} acknowledged, clean: {}",
            verdict.acknowledged,
            verdict.is_clean()
        );
    }

    gate_keeper.send_replace(Gate::Last(service.client()));
    while let Some(ended) = savers.join_next().await {
        if let Err(status) = ended.expect("a saver does not panic") {
            verdict.refused += 1;
            let _ = writeln!(out, "a saver was refused: {status}");
        }
    }
    examine(&service, &mut subjects, &mut dice, &mut verdict, true).await?;
    Ok(verdict)
}

async fn open_sessions(service: &Service) -> Result<Vec<Subject>, Status> {
    let mut subjects = Vec::with_capacity(SAVERS);
    for number in 0..SAVERS {
        let mut session = calls::open(&mut service.client(), "/crash/panel").await?;
        session.title = format!("saver {number}");
        subjects.push(Subject {
            session,
            ledger: Arc::default(),
            examined: Examined::default(),
        });
    }
    Ok(subjects)
}

fn saver(subject: &Subject, dice: &mut Dice, gate: watch::Receiver<Gate>) -> Saver {
    Saver {
        session: subject.session.clone(),
        ledger: Arc::clone(&subject.ledger),
        dice: Dice::new(dice.roll()),
        gate,
    }
}

/// Starts the service again; sometimes a start is killed too, in the middle of whatever it mends.
async fn restart(launch: &Launch, dice: &mut Dice) -> Result<Service, StartFailure> {
    while dice.one_in(KILL_WHILE_STARTING_ODDS) {
        let mut doomed = launch.spawn();
        tokio::time::sleep(dice.micros(START_MICROS)).await;
        doomed.kill();
    }
    launch.start().await
}

/// Holds every session against its ledger: what is new since the last look, or all of it.
async fn examine(
    service: &Service,
    subjects: &mut [Subject],
    dice: &mut Dice,
    verdict: &mut Verdict,
    fully: bool,
) -> Result<(), Status> {
    let mut client = service.client();
    verdict.acknowledged = 0;
    for subject in subjects {
        let Subject {
            session,
            ledger,
            examined,
        } = subject;
        examined
            .examine(&mut client, session, ledger, dice, verdict, fully)
            .await?;
        let entries = ledger.entries();
        verdict.acknowledged += entries.by_number.len() as u64;
        if fully {
            verdict.duplicated += entries.changed_answers;
        }
    }
    Ok(())
}
