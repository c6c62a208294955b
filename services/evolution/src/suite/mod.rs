//! Real packages with their own tests: analyzed, changed by every transform, given new tests. `make evolution-suite` runs it.
//!
//! (A) What a step answers is compared with what git has and with what the package's own runner says, by code that shares nothing
//! with the service. (B) A package whose tests fail before anything is changed is told, and counts for nothing.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod analyzing;
mod commits;
mod evolving;
mod figures;
mod generating;
mod lab;
mod own_tests;
mod packages;

use figures::Outcome;
use lab::Lab;
use packages::{Package, chosen, home};

/// All steps over one package.
async fn outcome(package: &Package) -> Outcome {
    let mut outcome = Outcome {
        name: package.name.clone(),
        version: package.version.clone(),
        style: package.style.clone(),
        ..Outcome::default()
    };
    let source = match packages::downloaded(package) {
        Ok(source) => source,
        Err(why) => {
            outcome.unusable = format!("it cannot be installed: {why}");
            return outcome;
        }
    };
    let lab = Lab::new(package, &source);
    let own = lab.own_tests("HEAD");
    println!("  its own tests: {own}");
    outcome.own_tests = own.passed;
    if !own.is_green() {
        outcome.unusable = format!("its own tests fail before any change: {own}");
        return outcome;
    }
    outcome.analysis = analyzing::analyzed(&lab).await;
    outcome.evolving = evolving::evolved(&lab, own.passed).await;
    outcome.generating = generating::generated(&lab).await;
    outcome.left = lab.left();
    outcome
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "downloads packages and runs their tests; `make evolution-suite` runs it"]
async fn evolution_suite() {
    std::fs::create_dir_all(home()).unwrap();
    let mut faults = Vec::new();
    for package in chosen() {
        println!("{} {}", package.name, package.version);
        let outcome = outcome(&package).await;
        for fault in outcome.faults() {
            println!("  FAULT {fault}");
            faults.push(format!("{}: {fault}", package.name));
        }
        figures::keep(&outcome);
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
