//! Transforms of the user.

use super::*;

async fn custom(
    fixture: &Fixture,
    name: &str,
    code: &str,
    is_trusted: bool,
) -> Result<Proposals, EvolutionError> {
    let path = fixture.host.path(name);
    std::fs::write(&path, code).unwrap();
    let options = EvolveOptions {
        custom: Some(CustomTransform {
            path,
            options: json!({}),
        }),
        limit: 20,
        ..EvolveOptions::default()
    };
    let project = fixture.project(is_trusted).await;
    fixture
        .evolver
        .propose(&project, &options, &ProgressSink::none(), &fixture.cancel)
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transform_of_the_user_keeps_the_bytes_beside_its_change() {
    let fixture = Fixture::usual();
    let code = "module.exports = (file, { j }) => j(file.source).find(j.VariableDeclaration, { kind: 'var' }).forEach((path) => { path.node.kind = 'const'; }).toSource();";
    let refused = custom(&fixture, "t.js", code, false).await;
    assert!(refused.is_err(), "{refused:?}");
    let made = custom(&fixture, "t.js", code, true).await.unwrap();
    let done = fixture.approve(&made.evolutions[0], true).await.unwrap();
    assert_eq!(done.state(), EvolutionState::Committed, "{}", done.reason);
    assert_eq!(
        fixture.git(&["show", &format!("{}:lib/a.js", done.branch)]),
        CHANGED
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transform_of_the_user_that_goes_wrong_is_told_and_changes_nothing() {
    let fixture = Fixture::usual();
    for (code, reason) in [
        (
            "module.exports = () => { throw new Error('not this one'); };",
            "not this one",
        ),
        (
            "module.exports = (file) => file.source.replace('exports.f', 'exports.g');",
            "f is gone, g is new",
        ),
        (
            "module.exports = (file) => file.source + ' ) (';",
            "does not parse",
        ),
        ("module.exports = () => process.exit(0);", "process.exit"),
    ] {
        let made = custom(&fixture, "t.js", code, true).await.unwrap();
        assert!(made.evolutions.is_empty(), "{code}");
        let told = made
            .summary
            .unread_files
            .iter()
            .find(|file| file.path == "lib/a.js")
            .unwrap();
        assert!(told.reason.contains(reason), "{code}: {}", told.reason);
    }
    for code in ["module.exports = 1;", "this is no program"] {
        let refused = custom(&fixture, "t.js", code, true).await;
        assert!(
            matches!(refused, Err(EvolutionError::CustomTransform { .. })),
            "{refused:?}"
        );
    }
    fixture.nothing_is_left();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transform_of_the_user_can_write_nothing_and_is_ended_at_its_limit() {
    let mut fixture = Fixture::usual();
    let before = fixture.tree();
    for code in [
        "module.exports = (file) => { require('fs').writeFileSync(file.path, ''); };",
        "module.exports = (file) => { require('fs').rmSync(file.path); };",
        "module.exports = (file) => { require('child_process').execFileSync('rm', [file.path]); };",
        "module.exports = async (file) => { await require('fs/promises').appendFile(file.path, 'x'); };",
    ] {
        let made = custom(&fixture, "t.js", code, true).await.unwrap();
        let unread = &made.summary.unread_files;
        let told = unread.iter().find(|file| file.path == "lib/a.js").unwrap();
        assert!(
            told.reason.contains("may not write files"),
            "{code}: {told:?}"
        );
        assert_eq!(fixture.tree(), before, "{code}");
    }
    fixture.evolver.limits.custom_file = Duration::from_secs(3);
    for (code, place) in [
        (
            "module.exports = (file) => { while (file.path.endsWith('a.js')); };",
            "lib/a.js",
        ),
        ("for (;;);", "loading"),
    ] {
        let endless = custom(&fixture, "endless.js", code, true)
            .await
            .unwrap_err();
        let EvolutionError::CustomTransform { path, why } = &endless else {
            panic!("{endless:?}")
        };
        assert!(path.ends_with("endless.js") && why.contains(place), "{why}");
        assert!(why.contains("within 3 s"), "{why}");
    }
    assert_eq!(fixture.tree(), before);
}
