//! Projects: a folder is one however it is spelled, and sessions of older spellings belong to it.

use shim_proto::checkpoint::v1::*;

use crate::test_service::{TestService, state};

#[tokio::test]
async fn a_folder_is_one_project_however_it_is_spelled() {
    let mut service = TestService::start_with(&[("checkpoint.lease", "1s")]).await;
    let home = tempfile::tempdir().unwrap();
    let home = home.path().canonicalize().unwrap();
    let path = |name: &str| format!("{}/{name}", home.display());
    std::fs::create_dir(path("real")).unwrap();
    // A name that is no link yet is a project of its own: so an older version kept any spelling.
    let mut opened = vec![service.open_session(&path("link")).await];
    std::os::unix::fs::symlink(path("real"), path("link")).unwrap();
    for spelled in ["real", "real/", "./real", "link", "link/."] {
        let session = service.open_session(&path(spelled)).await;
        assert_eq!(session.project, path("real"), "{spelled}");
        opened.push(session);
    }
    let other = service.open_session(&path("other")).await;
    for (i, session) in opened.iter().chain([&other]).enumerate() {
        service
            .save(session, state(&format!("quokka {i}"), 0.5))
            .await
            .unwrap();
    }
    for session in opened.iter().chain([&other]) {
        service
            .wait_for_status(&session.id, SessionStatus::Interrupted)
            .await;
    }
    for spelled in ["real", "real//", "link", "link/../real"] {
        let project = path(spelled);
        let request = ListSessionsRequest {
            project: project.clone(),
            ..Default::default()
        };
        let listed = service
            .api
            .list_sessions(request)
            .await
            .unwrap()
            .into_inner();
        assert_eq!(listed.sessions.len(), opened.len(), "{spelled}");
        let request = SearchCheckpointsRequest {
            query: "quokka".to_owned(),
            project: project.clone(),
            ..Default::default()
        };
        let found = service
            .api
            .search_checkpoints(request)
            .await
            .unwrap()
            .into_inner();
        assert_eq!(found.hits.len(), opened.len(), "{spelled}");
        let request = DetectRecoveryRequest {
            project,
            ..Default::default()
        };
        let candidates = service
            .api
            .detect_recovery(request)
            .await
            .unwrap()
            .into_inner()
            .candidates;
        let here: Vec<_> = candidates.iter().map(|found| found.same_project).collect();
        let expected = [vec![true; opened.len()], vec![false]].concat();
        assert_eq!(here, expected, "{spelled}");
    }
    let request = ListSessionsRequest {
        project: path("other"),
        ..Default::default()
    };
    let listed = service
        .api
        .list_sessions(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(listed.sessions.len(), 1);
}
