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
    service.save_steps(&session, 20).await;
    service.record_signals(&session, None).await;
    service.keep_last(12).await;
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

/// Whatever is wrong with it, and wherever: nothing of it is taken in, and the refusal says where.
#[tokio::test]
async fn an_archive_is_taken_in_whole_or_not_at_all() {
    let (mut origin, session) = filled_service().await;
    let whole = export(&mut origin).await;
    let mut copy = TestService::start().await;
    let last = whole.len() - 1;
    let mut cases: Vec<(String, Vec<ImportRequest>)> = Vec::new();
    for at in [1, 2, 10, last - 1, last] {
        cases.push((format!("cut before {at}"), whole[..at].to_vec()));
        let mut gone = whole.clone();
        gone.remove(at);
        cases.push((format!("without {at}"), gone));
        let mut doubled = whole.clone();
        doubled.insert(at, whole[at].clone());
        cases.push((format!("{at} doubled"), doubled));
        let mut turned = whole.clone();
        turned.swap(at, at - 1);
        cases.push((format!("{at} turned"), turned));
    }
    let mut edited = whole.clone();
    match edited[1].record.as_mut().and_then(|it| it.record.as_mut()) {
        Some(Record::Session(session)) => session.project = "/elsewhere".into(),
        other => panic!("{other:?}"),
    }
    cases.push(("another project".into(), edited));
    let mut newer = whole.clone();
    match newer[0].record.as_mut().and_then(|it| it.record.as_mut()) {
        Some(Record::Header(header)) => header.format += 1,
        other => panic!("{other:?}"),
    }
    cases.push(("a newer format".into(), newer));
    cases.push(("twice".into(), [whole.clone(), whole.clone()].concat()));
    for (name, archive) in cases {
        let refused = copy.api.import(tokio_stream::iter(archive)).await;
        let status = refused.expect_err(&name);
        assert!(
            status.message().contains("line") || name.contains("cut") || name.contains("without"),
            "{name}: {status}"
        );
        assert_eq!(
            status.code(),
            tonic::Code::InvalidArgument,
            "{name}: {status}"
        );
        let listed = copy.api.list_sessions(ListSessionsRequest::default()).await;
        assert!(listed.unwrap().into_inner().sessions.is_empty(), "{name}");
    }
    let taken = copy
        .api
        .import(tokio_stream::iter(whole))
        .await
        .unwrap()
        .into_inner();
    assert_eq!((taken.imported_checkpoints, taken.notices.len()), (20, 0));
    assert_eq!(copy.session(&session.id).await.head_number, 20);
}

#[tokio::test]
async fn an_archive_of_the_format_without_a_trailer_is_read_with_a_notice() {
    let (mut origin, _) = filled_service().await;
    let mut old = export(&mut origin).await;
    old.pop();
    if let Some(Record::Header(header)) = old[0].record.as_mut().and_then(|it| it.record.as_mut()) {
        header.format = 1;
    }
    let mut copy = TestService::start().await;
    let taken = copy
        .api
        .import(tokio_stream::iter(old.clone()))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(taken.imported_checkpoints, 20);
    assert!(
        taken.notices[0].contains("no trailer"),
        "{:?}",
        taken.notices
    );
    // A record in the middle that differs from what is here is refused, and those before it stay out.
    let mut copy = TestService::start().await;
    if let Some(Record::Checkpoint(archived)) =
        old[15].record.as_mut().and_then(|it| it.record.as_mut())
    {
        archived.checkpoint.as_mut().unwrap().current_task.push('!');
    }
    let refused = copy.api.import(tokio_stream::iter(old)).await.unwrap_err();
    assert!(refused.message().contains("line 16"), "{refused}");
    let listed = copy.api.list_sessions(ListSessionsRequest::default()).await;
    assert!(listed.unwrap().into_inner().sessions.is_empty());
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
