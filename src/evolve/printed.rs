//! What the commands of this folder print, as snapshots: the documentation of their output.

use insta::assert_snapshot;
use shim_proto::evolution::v1::{
    Check, Confidence, Evolution, EvolutionState, EvolveCodeSummary, FileChange,
    GetEvolutionResponse, ListEvolutionsResponse, ListTransformsResponse, Location, Project,
    Refusal, RefusedTransform, Risk, Transform, UnreadFile,
};

use super::{list, propose, show, transforms};
use crate::samples::{both_faces, printed};

fn evolution() -> Evolution {
    Evolution {
        evolution_id: "01890a5d-ac96-774b-bcce-b302099a8057".into(),
        project: Some(Project {
            root: "/home/ada/shop".into(),
            ..Project::default()
        }),
        transform: "no-var".into(),
        state: EvolutionState::Proposed.into(),
        files: vec![FileChange {
            path: "src/price.js\nerror: none".into(),
            diff:
                "--- a/src/price.js\n+++ b/src/price.js\n@@ -1 +1 @@\n-var a = 1;\n+const a = 1;\n"
                    .into(),
            functions: vec!["total".into()],
            deleted_lines: 1,
            added_lines: 1,
            changes: 1,
            is_new: false,
            ..FileChange::default()
        }],
        risk: Risk::Low.into(),
        why: "var is seen before it is set".into(),
        confidence: Some(Confidence {
            mean: 0.75,
            low: 0.5,
            high: 0.9,
            accepted: 5,
            rejected: 1,
            known_elsewhere: 3,
            explanation: "in this project 5 of 6 were kept".into(),
            ..Confidence::default()
        }),
        refusals: vec![Refusal {
            location: Some(Location {
                path: "src/loop.js".into(),
                line: 7,
                ..Location::default()
            }),
            reason: "a closure in the loop reads it".into(),
        }],
        ..Evolution::default()
    }
}

#[test]
fn proposals() {
    let summary = EvolveCodeSummary {
        without_changes: vec!["arrow".into(), "template".into(), "shorthand".into()],
        refused: vec![RefusedTransform {
            transform: "shorthand".into(),
            places: 12,
            examples: evolution().refusals,
        }],
        unread_files: vec![UnreadFile {
            path: "dist/all.js".into(),
            tool: String::new(),
            reason: "minified".into(),
        }],
        ..EvolveCodeSummary::default()
    };
    assert_snapshot!(printed(|out| propose::print(&[evolution()], &summary, out)));
    let none = EvolveCodeSummary::default();
    assert_snapshot!(
        "proposals_none",
        printed(|out| propose::print(&[], &none, out))
    );
}

#[test]
fn list() {
    let listed = ListEvolutionsResponse {
        evolutions: vec![evolution()],
        ..ListEvolutionsResponse::default()
    };
    assert_snapshot!(both_faces(&listed, |out| list::print(
        &listed.evolutions,
        out
    )));
    assert_snapshot!("list_of_none", printed(|out| list::print(&[], out)));
}

#[test]
fn show() {
    let found = GetEvolutionResponse {
        evolution: Some(evolution()),
    };
    assert_snapshot!(both_faces(&found, |out| show::print(&evolution(), out)));
    let discarded = Evolution {
        state: EvolutionState::Discarded.into(),
        reason: "2 tests fail that passed before".into(),
        checks: vec![
            Check {
                name: "types".into(),
                skipped: "the project has no tsconfig.json".into(),
                ..Check::default()
            },
            Check {
                name: "tests".into(),
                detail: "adds up, rounds".into(),
                before: "12 passed".into(),
                after: "10 passed".into(),
                ..Check::default()
            },
        ],
        ..evolution()
    };
    assert_snapshot!(
        "show_discarded",
        printed(|out| show::print(&discarded, out))
    );
}

#[test]
fn transforms() {
    let listed = ListTransformsResponse {
        transforms: vec![Transform {
            name: "no-var".into(),
            description: "var becomes let or const".into(),
            engine: "typescript".into(),
            risk: Risk::Low.into(),
        }],
    };
    assert_snapshot!(both_faces(&listed, |out| transforms::print(&listed, out)));
}
