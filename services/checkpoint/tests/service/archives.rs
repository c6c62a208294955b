//! Archives and backups: whole, verified, repeatable.

use shim_proto::checkpoint::v1::archive_record::Record;
use shim_proto::checkpoint::v1::*;

use crate::test_service::{TestService, id, refusal, state};

async fn export(service: &mut TestService) -> Vec<ImportRequest> {
    let mut stream = service
        .api
        .export(ExportRequest::default())
        .await
        .unwrap()
        .into_inner();
    let mut records = Vec::new();
    while let Some(response) = stream.message().await.unwrap() {
        records.push(ImportRequest {
            record: response.record,
        });
    }
    records
}

async fn filled_service() -> (TestService, Session) {
    let mut service = TestService::start().await;
    let session = service.open_session("/p").await;
    for i in 0..20 {
        service
            .save(&session, state(&format!("step {i}"), 0.5))
            .await
            .unwrap();
    }
    let signals = RecordSignalsRequest {
        request_id: id(),
        session_id: session.id.clone(),
        epoch: 1,
        ..Default::default()
    };
    service.signals.record_signals(signals).await.unwrap();
    let prune = PruneRequest {
        request_id: id(),
        older_than: Some(prost_types::Duration::default()),
        keep_last: 12,
        ..Default::default()
    };
    service.api.prune(prune).await.unwrap();
    (service, session)
}

#[tokio::test]
async fn an_archive_carries_everything_and_importing_it_twice_changes_nothing() {
    let (mut origin, session) = filled_service().await;
    let archive = export(&mut origin).await;
    let mut copy = TestService::start().await;
    let taken = copy
        .api
        .import(tokio_stream::iter(archive.clone()))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (
            taken.imported_sessions,
            taken.imported_checkpoints,
            taken.imported_signals
        ),
        (1, 20, 1)
    );
    let again = copy
        .api
        .import(tokio_stream::iter(archive.clone()))
        .await
        .unwrap()
        .into_inner();
    assert_eq!((again.imported_checkpoints, again.skipped), (0, 22));
    assert_eq!(
        copy.session(&session.id).await.status(),
        SessionStatus::Interrupted
    );
    let content = |records: &[ImportRequest]| -> Vec<Record> {
        let of = |r: &ImportRequest| r.record.clone().unwrap().record.unwrap();
        records
            .iter()
            .map(of)
            .filter(|r| matches!(r, Record::Checkpoint(_) | Record::Signal(_)))
            .collect()
    };
    assert_eq!(content(&export(&mut copy).await), content(&archive));
    let restored = copy.restore(&session).await.unwrap();
    assert_eq!(restored.checkpoint.unwrap().number, 20);
}

#[tokio::test]
async fn a_tampered_archive_is_refused() {
    let (mut origin, _) = filled_service().await;
    let mut archive = export(&mut origin).await;
    for request in &mut archive {
        if let Some(Record::Checkpoint(archived)) =
            request.record.as_mut().and_then(|r| r.record.as_mut())
            && let Some(state) = &mut archived.state
        {
            state.current_task.push('!');
        }
    }
    let mut copy = TestService::start().await;
    let refused = refusal(copy.api.import(tokio_stream::iter(archive)).await);
    assert_eq!(refused.1, "ARCHIVE_REFUSED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_taken_while_saving_goes_on_is_a_working_database() {
    let (mut service, session) = filled_service().await;
    let database = shim_checkpoint::database_path(service.folder.path());
    let target = tempfile::tempdir().unwrap();
    let folder = target.path().join("restored");
    std::fs::create_dir(&folder).unwrap();
    let copy = shim_checkpoint::database_path(&folder);
    let backing_up =
        tokio::task::spawn_blocking(move || shim_checkpoint::backup(&database, &copy, |_, _| ()));
    for i in 0..50 {
        service
            .save(&session, state(&format!("during {i}"), 0.6))
            .await
            .unwrap();
    }
    assert!(backing_up.await.unwrap().unwrap() > 0);
    assert_eq!(
        shim_checkpoint::check_integrity(&shim_checkpoint::database_path(&folder)),
        shim_checkpoint::Integrity::Intact
    );
}

#[tokio::test]
async fn a_backup_writes_through_no_link_that_lies_in_its_way() {
    let (service, _) = filled_service().await;
    let database = shim_checkpoint::database_path(service.folder.path());
    let target = tempfile::tempdir().unwrap();
    let theirs = target.path().join("theirs");
    std::fs::write(&theirs, "kept").unwrap();
    let copy = target.path().join("copy.db");
    std::os::unix::fs::symlink(&theirs, target.path().join("copy.db.partial")).unwrap();
    assert!(shim_checkpoint::backup(&database, &copy, |_, _| ()).unwrap() > 0);
    assert_eq!(std::fs::read_to_string(theirs).unwrap(), "kept");
}
