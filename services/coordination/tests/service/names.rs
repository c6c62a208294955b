//! Stories of names: what is there means itself, foreign forms are refused, and a folder is one however it is spelled.

use std::path::Path;

use shim_proto::coordination::v1::*;
use shim_redis_harness::Redis;
use shim_runtime::service_error;
use tonic::Code;

use super::files::{acquire, acquire_request, list};
use super::state::put;
use super::test_service::{TestService, id};
use super::test_worker::{job, submit};

fn make(root: &Path, name: &str) {
    let whole = root.join(name);
    std::fs::create_dir_all(whole.parent().unwrap()).unwrap();
    std::fs::write(whole, "").unwrap();
}

/// A lease of one name in a folder.
fn in_folder(root: &Path, holder: &str, name: &str) -> AcquireFilesRequest {
    AcquireFilesRequest {
        workspace: root.display().to_string(),
        ..acquire_request(holder, FileLeaseMode::Exclusive, &[name])
    }
}

#[tokio::test]
async fn a_name_that_is_there_is_leased_and_no_other() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    for (name, other) in [
        ("app/[id]/page.tsx", "app/i/page.tsx"),
        ("app/[[...sign-in]]/page.tsx", "app/s/page.tsx"),
        ("app/{a,b}.ts", "app/a.ts"),
        ("app/a*.ts", "app/ab.ts"),
        ("!x", "x"),
        ("@(a|b)", "a"),
        ("$HOME/x", "x"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        make(folder.path(), name);
        make(folder.path(), other);
        let first = in_folder(folder.path(), "ann", name);
        let lease = acquire(&service, first.clone()).await.unwrap();
        assert_eq!(acquire(&service, first).await.unwrap(), lease, "{name}");
        let second = acquire(&service, in_folder(folder.path(), "ben", name)).await;
        assert_eq!(second.unwrap_err().code(), Code::Aborted, "{name}");
        acquire(&service, in_folder(folder.path(), "ben", other))
            .await
            .unwrap();
        let on = |path: &str| ListFilesRequest {
            workspace: folder.path().display().to_string(),
            paths: vec![path.to_owned()],
            ..Default::default()
        };
        assert_eq!(list(&service, on(name)).await, [lease], "{name}");

        let asked = SubmitTaskRequest {
            workspace: folder.path().display().to_string(),
            files: vec![FileHint {
                path: name.to_owned(),
                size_bytes: 1,
            }],
            ..job("g")
        };
        let task = submit(&service, asked).await.task.unwrap();
        assert_eq!(
            task.files,
            list(&service, on(name)).await[0].patterns,
            "{name}"
        );
    }
}

#[tokio::test]
async fn foreign_patterns_are_refused_in_every_field() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    for text in [
        "",
        " ",
        "!src/gen/**",
        "@(a|b)",
        "~/x",
        "$HOME/x",
        "(a|b)",
        "${X}/y",
        ":(exclude)x",
    ] {
        let refused = acquire(
            &service,
            acquire_request("ann", FileLeaseMode::Exclusive, &[text]),
        )
        .await;
        let listed = ListFilesRequest {
            paths: vec![text.to_owned()],
            ..Default::default()
        };
        let listed = service.locks.clone().list_files(listed).await;
        let subtask = Subtask {
            key: "a".to_owned(),
            goal: "g".to_owned(),
            files: vec![text.to_owned()],
            ..Default::default()
        };
        let asked = SubmitTaskRequest {
            workspace: "w".to_owned(),
            files: vec![FileHint {
                path: text.to_owned(),
                size_bytes: 0,
            }],
            subtasks: vec![subtask],
            ..job("g")
        };
        let submitted = service.tasks.clone().submit_task(asked).await;
        for (status, fields) in [
            (refused.unwrap_err(), &["patterns[0]"][..]),
            (listed.unwrap_err(), &["paths[0]"]),
            (
                submitted.unwrap_err(),
                &["files[0].path", "subtasks[0].files[0]"],
            ),
        ] {
            let violations = service_error::decode(&status).violations;
            let names: Vec<_> = violations.iter().map(|(field, _)| field.as_str()).collect();
            assert_eq!(names, fields, "{text:?}: {status}");
            assert!(
                violations
                    .iter()
                    .all(|(_, rule)| rule.contains("write") || rule.contains("name")),
                "{violations:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_folder_is_one_namespace_however_it_is_spelled() {
    let redis = Redis::start();
    let mut service = TestService::start(&redis).await;
    let home = tempfile::tempdir().unwrap();
    let home = home.path().canonicalize().unwrap();
    let (real, link) = (home.join("real"), home.join("link"));
    std::fs::create_dir(&real).unwrap();
    let (real, link) = (real.to_str().unwrap(), link.to_str().unwrap());
    let namespace = |namespace: &str, key: &str| PutStateRequest {
        namespace: namespace.to_owned(),
        ..put(key, &[("step", "1")])
    };
    // Before the link is there, its name is one of its own.
    service
        .state
        .put_state(namespace(link, "old"))
        .await
        .unwrap();
    std::os::unix::fs::symlink(real, link).unwrap();
    service
        .state
        .put_state(namespace(real, "plan"))
        .await
        .unwrap();
    let spellings = [
        real.to_owned(),
        format!("{real}/"),
        format!("{}/./real", home.display()),
        link.to_owned(),
    ];
    for spelled in &spellings {
        let get = |key: &str| GetStateRequest {
            namespace: spelled.clone(),
            key: key.to_owned(),
        };
        let found = service
            .state
            .get_state(get("plan"))
            .await
            .unwrap()
            .into_inner();
        assert_eq!(found.entry.unwrap().namespace, real, "{spelled}");
        let request = AcquireLockRequest {
            request_id: id(),
            namespace: spelled.clone(),
            name: "schema".to_owned(),
            owner: spelled.clone(),
            ..Default::default()
        };
        let locked = service.locks.clone().acquire_lock(request).await;
        assert_eq!(locked.is_ok(), *spelled == spellings[0], "{spelled}");
        let lease = AcquireFilesRequest {
            workspace: spelled.clone(),
            ..acquire_request(spelled, FileLeaseMode::Exclusive, &["a.rs"])
        };
        assert_eq!(
            acquire(&service, lease).await.is_ok(),
            *spelled == spellings[0],
            "{spelled}"
        );
    }
    let old = GetStateRequest {
        namespace: link.to_owned(),
        key: "old".to_owned(),
    };
    let found = service.state.get_state(old).await.unwrap().into_inner();
    assert_eq!(found.entry.unwrap().namespace, link);
}
