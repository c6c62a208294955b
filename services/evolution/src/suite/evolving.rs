//! Every transform over a package: proposed, approved, verified by the service, and verified once more by the package itself.

use std::time::Instant;

use shim_proto::evolution::v1::{Evolution, EvolutionState};

use super::commits::compared;
use super::figures::Evolving;
use super::lab::Lab;
use super::own_tests::Own;
use crate::evolver::EvolveOptions;
use crate::tool_host::ProgressSink;

/// `own` is how many tests pass before any change.
pub(super) async fn evolved(lab: &Lab, own: Option<u64>) -> Evolving {
    let mut evolving = Evolving::default();
    let began = Instant::now();
    let proposals = match proposals(lab, &mut evolving).await {
        Ok(proposals) => proposals,
        Err(why) => {
            evolving.error = why;
            return evolving;
        }
    };
    evolving.proposals = proposals.len();
    for proposal in &proposals {
        let places = proposal.files.iter().map(|file| u64::from(file.changes));
        evolving.places += places.sum::<u64>();
        match lab.approve(proposal).await {
            Ok(done) if done.state() == EvolutionState::Committed => {
                committed(lab, proposal, &done, own, &mut evolving);
            }
            Ok(done) => {
                println!("  {}: discarded: {}", done.transform, done.reason);
                let why = format!("{}: {}", done.transform, done.reason);
                evolving.discarded.push(why);
            }
            Err(error) => {
                println!("  {}: failed: {error}", proposal.transform);
                evolving
                    .failed
                    .push(format!("{}: {error}", proposal.transform));
            }
        }
    }
    evolving.seconds = began.elapsed().as_secs_f64();
    evolving
}

async fn proposals(lab: &Lab, evolving: &mut Evolving) -> Result<Vec<Evolution>, String> {
    let project = lab.engine.project(&lab.root).await;
    let project = project.map_err(|error| error.to_string())?;
    let options = EvolveOptions {
        limit: 50,
        ..EvolveOptions::default()
    };
    let made = lab
        .engine
        .evolver
        .propose(&project, &options, &ProgressSink::none(), &lab.cancel)
        .await
        .map_err(|error| error.to_string())?;
    evolving.refused = made.evolutions.iter().map(|it| it.refusals.len()).sum();
    Ok(made.evolutions)
}

/// Looks at what git has, and runs the package's own tests there.
fn committed(
    lab: &Lab,
    shown: &Evolution,
    done: &Evolution,
    own: Option<u64>,
    evolving: &mut Evolving,
) {
    evolving.committed += 1;
    let found = compared(lab, shown, &done.commit);
    evolving.lines += found.lines;
    evolving.indented += found.indented;
    let name = &done.transform;
    let beyond = found.beyond.iter().map(|what| format!("{name}: {what}"));
    evolving.beyond.extend(beyond);
    let mut after = lab.own_tests(&done.commit);
    let holds = |after: &Own| after.is_green() && after.passed == own;
    // As the evolver does it: some tests fail now and then, and what fails twice is broken.
    if !holds(&after) {
        evolving.unsteady.push(format!("{name}: {after}"));
        after = lab.own_tests(&done.commit);
    }
    if holds(&after) {
        evolving.green += 1;
    } else {
        evolving.red.push(format!("{name}: {after}"));
    }
    let skipped = done.checks.iter().filter(|check| !check.skipped.is_empty());
    let skipped: Vec<&str> = skipped.map(|check| check.name.as_str()).collect();
    let tests = done.checks.iter().find(|check| check.name == "tests");
    let is_proved = tests.is_some_and(|check| check.passed && check.skipped.is_empty());
    if !is_proved {
        evolving.unproved.push(name.clone());
    }
    println!(
        "  {name}: committed, {} lines, {} beyond; its own tests: {after}; skipped: {skipped:?}",
        found.lines,
        found.beyond.len()
    );
}
