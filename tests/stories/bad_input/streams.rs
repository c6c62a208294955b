//! The streaming RPCs: what is wrong in a stream is refused in the same words, and breaks nothing beside it.

use shim_proto::checkpoint::v1::archive_record::Record;
use shim_proto::checkpoint::v1::attach_session_request::Message as Said;
use shim_proto::checkpoint::v1::attach_session_response::Event;
use shim_proto::checkpoint::v1::{
    ArchiveHeader, ArchiveRecord, Attach, AttachSessionRequest, ClientInfo, Detach, ExportRequest,
    GetSessionRequest, Heartbeat, ImportRequest, ImportResponse, MemoryState, Session,
};
use shim_runtime::service_error::{DecodedStatus, decode};
use shim_tests::rng::SeededRng;
use shim_tests::service::Service;
use shim_tests::temp_env::TempEnv;
use shim_tests::{calls, sample_content};
use tonic::{Code, Status};

/// Says all of `words` on one stream and returns what was answered until it ended.
async fn attach(
    service: &Service,
    words: Vec<Option<Said>>,
) -> (Vec<Event>, Option<DecodedStatus>) {
    let words = words
        .into_iter()
        .map(|message| AttachSessionRequest { message });
    let mut events = Vec::new();
    let opened = service
        .client()
        .attach_session(tokio_stream::iter(words))
        .await;
    let mut stream = match opened {
        Ok(stream) => stream.into_inner(),
        Err(status) => return (events, Some(decode(&status))),
    };
    loop {
        match stream.message().await {
            Ok(Some(answer)) => events.extend(answer.event),
            Ok(None) => return (events, None),
            Err(status) => return (events, Some(decode(&status))),
        }
    }
}

fn hold(session: &Session) -> Option<Said> {
    said_attach(&session.id, session.epoch, None)
}

fn said_attach(session_id: &str, epoch: u64, client: Option<ClientInfo>) -> Option<Said> {
    Some(Said::Attach(Attach {
        session_id: session_id.into(),
        epoch,
        client,
    }))
}

fn beat(pressure: f64) -> Option<Said> {
    let memory = MemoryState {
        pressure,
        ..Default::default()
    };
    Some(Said::Heartbeat(Heartbeat {
        memory: Some(memory),
    }))
}

fn detach(reason: &str) -> Option<Said> {
    Some(Said::Detach(Detach {
        reason: reason.into(),
    }))
}

fn assert_names(refusal: Option<&DecodedStatus>, field: &str) {
    let refusal = refusal.unwrap_or_else(|| panic!("{field} was accepted"));
    let named = refusal
        .violations
        .iter()
        .any(|(name, _)| name.contains(field));
    assert!(
        refusal.code == Code::InvalidArgument && named,
        "{field}: {refusal:?}"
    );
}

#[tokio::test]
async fn an_owner_who_opens_wrongly_is_refused_by_name() {
    let temp = TempEnv::new();
    let service = Service::start(&temp.data_dir()).await;
    let session = calls::open(&mut service.client(), "/streams")
        .await
        .unwrap();
    let long_name = ClientInfo {
        name: "x".repeat(201),
        ..Default::default()
    };
    for (words, field) in [
        (vec![beat(0.1)], "attach"),
        (vec![None], "attach"),
        (vec![detach("")], "attach"),
        (vec![said_attach("nonsense", 1, None)], "session_id"),
        (
            vec![said_attach(&"x".repeat(10 << 20), 1, None)],
            "session_id",
        ),
        (
            vec![said_attach(&session.id, 1, Some(long_name))],
            "client.name",
        ),
    ] {
        assert_names(attach(&service, words).await.1.as_ref(), field);
    }
    for (words, code, reason) in [
        (
            vec![said_attach(&calls::request_id(), 1, None)],
            Code::NotFound,
            "SESSION_NOT_FOUND",
        ),
        (
            vec![said_attach(&session.id, 2, None)],
            Code::FailedPrecondition,
            "STALE_OWNER",
        ),
        (
            vec![said_attach(&session.id, 0, None)],
            Code::FailedPrecondition,
            "SESSION_OWNED",
        ),
    ] {
        let refusal = attach(&service, words).await.1.expect("it is refused");
        assert_eq!(
            (refusal.code, refusal.reason.as_str()),
            (code, reason),
            "{refusal}"
        );
    }
}

#[tokio::test]
async fn an_owner_who_talks_nonsense_later_is_refused_by_name() {
    let temp = TempEnv::new();
    let service = Service::start(&temp.data_dir()).await;
    let mut client = service.client();
    for (nonsense, field) in [
        (beat(f64::NAN), "pressure"),
        (beat(7.0), "pressure"),
        (detach(&"x".repeat(501)), "reason"),
        (said_attach(&calls::request_id(), 1, None), "attach"),
        (None, "message"),
    ] {
        let session = calls::open(&mut client, "/streams").await.unwrap();
        let (events, refusal) = attach(&service, vec![hold(&session), nonsense]).await;
        assert!(
            matches!(events.first(), Some(Event::Lease(_))),
            "{field}: {events:?}"
        );
        assert_names(refusal.as_ref(), field);
    }
}

async fn import(service: &Service, records: Vec<ArchiveRecord>) -> Result<ImportResponse, Status> {
    let requests = records.into_iter().map(|record| ImportRequest {
        record: Some(record),
    });
    service
        .client()
        .import(tokio_stream::iter(requests))
        .await
        .map(tonic::Response::into_inner)
}

async fn export(service: &Service, session_ids: Vec<String>) -> Result<Vec<ArchiveRecord>, Status> {
    let mut records = service
        .client()
        .export(ExportRequest { session_ids })
        .await?
        .into_inner();
    let mut archive = Vec::new();
    while let Some(answer) = records.message().await? {
        archive.extend(answer.record);
    }
    Ok(archive)
}

fn record(record: Record) -> ArchiveRecord {
    ArchiveRecord {
        record: Some(record),
    }
}

/// A session with three checkpoints, exported.
async fn archive(service: &Service) -> (Session, Vec<ArchiveRecord>) {
    let mut client = service.client();
    let session = calls::open(&mut client, "/archive").await.unwrap();
    for step in 0..3 {
        let state = sample_content::state(&mut SeededRng::new(step), &format!("step {step}"), 1000);
        calls::save(&mut client, &session, state).await.unwrap();
    }
    let archive = export(service, vec![session.id.clone()]).await.unwrap();
    assert_eq!(
        archive.len(),
        6,
        "a header, a session, three checkpoints and a trailer"
    );
    (session, archive)
}

#[tokio::test]
async fn an_archive_goes_over_whole_and_only_once() {
    let (here, there) = (TempEnv::new(), TempEnv::new());
    let from = Service::start(&here.data_dir()).await;
    let to = Service::start(&there.data_dir()).await;
    let (session, archive) = archive(&from).await;
    let taken = import(&to, archive.clone()).await.unwrap();
    assert_eq!(
        (
            taken.imported_sessions,
            taken.imported_checkpoints,
            taken.skipped
        ),
        (1, 3, 0)
    );
    let again = import(&to, archive.clone()).await.unwrap();
    assert_eq!(
        (
            again.imported_sessions,
            again.imported_checkpoints,
            again.skipped
        ),
        (0, 0, 4)
    );
    let history = calls::history(&mut to.client(), &session.id, 0)
        .await
        .unwrap();
    assert_eq!(
        history.checkpoints,
        calls::history(&mut from.client(), &session.id, 0)
            .await
            .unwrap()
            .checkpoints
    );
}

#[tokio::test]
async fn a_forged_archive_is_refused_and_leaves_nothing_false_behind() {
    let (here, there) = (TempEnv::new(), TempEnv::new());
    let from = Service::start(&here.data_dir()).await;
    let to = Service::start(&there.data_dir()).await;
    let (session, whole) = archive(&from).await;

    let mut forgeries: Vec<(&str, Vec<ArchiveRecord>)> = vec![
        ("empty", vec![]),
        ("no header", whole[1..].to_vec()),
        ("two headers", vec![whole[0].clone(), whole[0].clone()]),
        (
            "an empty record",
            vec![whole[0].clone(), ArchiveRecord::default()],
        ),
        ("no session", [&whole[..1], &whole[2..]].concat()),
        (
            "an unknown format",
            vec![record(Record::Header(ArchiveHeader {
                format: 99,
                ..Default::default()
            }))],
        ),
    ];
    let mut forge = |name, change: fn(&mut Record)| {
        let mut forged = whole.clone();
        forged
            .iter_mut()
            .filter_map(|record| record.record.as_mut())
            .for_each(change);
        forgeries.push((name, forged));
    };
    forge("another content", |record| {
        if let Record::Checkpoint(checkpoint) = record {
            checkpoint
                .state
                .as_mut()
                .unwrap()
                .summary
                .push_str(" forged");
        }
    });
    forge("another header", |record| {
        if let Record::Checkpoint(checkpoint) = record {
            checkpoint
                .checkpoint
                .as_mut()
                .unwrap()
                .current_task
                .push_str(" forged");
        }
    });
    forge("NaN progress", |record| {
        if let Record::Checkpoint(checkpoint) = record {
            checkpoint.state.as_mut().unwrap().progress = f64::NAN;
        }
    });
    forge("a session id that is none", |record| {
        if let Record::Session(session) = record {
            session.id = "../../etc/passwd".into();
        }
    });
    for (name, forged) in forgeries {
        let refusal = import(&to, forged).await.expect_err(name);
        let plain = matches!(refusal.code(), Code::InvalidArgument | Code::NotFound);
        assert!(plain, "{name}: {}", decode(&refusal));
    }
    let request = GetSessionRequest {
        session_id: session.id.clone(),
    };
    let found = to.client().get_session(request).await;
    assert_eq!(
        found.unwrap_err().code(),
        Code::NotFound,
        "nothing of them was taken in"
    );
}

#[tokio::test]
async fn an_export_of_nonsense_is_refused_by_name() {
    let temp = TempEnv::new();
    let service = Service::start(&temp.data_dir()).await;
    for ids in [
        vec!["nonsense".to_owned()],
        vec![String::new()],
        vec![calls::request_id(); 100_000],
    ] {
        let refusal = export(&service, ids).await.expect_err("it is refused");
        assert_names(Some(&decode(&refusal)), "session_ids");
    }
    let refusal = export(&service, vec![calls::request_id()])
        .await
        .expect_err("nobody has this id");
    assert_eq!(decode(&refusal).reason, "SESSION_NOT_FOUND");
}
