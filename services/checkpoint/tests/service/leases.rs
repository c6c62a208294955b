//! Owners: one at a time, alive as long as their stream.

use shim_proto::checkpoint::v1::attach_session_request::Message as RequestMessage;
use shim_proto::checkpoint::v1::attach_session_response::Event as ResponseEvent;
use shim_proto::checkpoint::v1::*;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Streaming};

use crate::test_service::{TestService, id, refusal, state};

/// An owner's stream.
pub(crate) struct Owner {
    requests: mpsc::Sender<AttachSessionRequest>,
    pub(crate) responses: Streaming<AttachSessionResponse>,
}

pub(crate) async fn attach(
    service: &mut TestService,
    session: &str,
    epoch: u64,
) -> Result<Owner, tonic::Status> {
    attach_as(service, session, epoch, None).await
}

pub(crate) async fn attach_as(
    service: &mut TestService,
    session: &str,
    epoch: u64,
    client: Option<ClientInfo>,
) -> Result<Owner, tonic::Status> {
    let (requests, request_rx) = mpsc::channel(8);
    let attach = Attach {
        session_id: session.into(),
        epoch,
        client,
    };
    requests
        .send(AttachSessionRequest {
            message: Some(RequestMessage::Attach(attach)),
        })
        .await
        .unwrap();
    let mut responses = service
        .api
        .attach_session(ReceiverStream::new(request_rx))
        .await?
        .into_inner();
    assert!(matches!(
        responses.message().await?.unwrap().event,
        Some(ResponseEvent::Lease(_))
    ));
    Ok(Owner {
        requests,
        responses,
    })
}

#[tokio::test]
async fn a_detach_interrupts_with_its_cause_and_the_owner_may_come_back() {
    let mut service = TestService::start().await;
    let session = service.open_session("/p").await;
    service.save(&session, state("work", 0.2)).await.unwrap();
    let owner = attach(&mut service, &session.id, 1).await.unwrap();
    assert!(service.session(&session.id).await.attached);
    owner
        .requests
        .send(AttachSessionRequest {
            message: Some(RequestMessage::Detach(Detach::default())),
        })
        .await
        .unwrap();
    let lost = service
        .wait_for_status(&session.id, SessionStatus::Interrupted)
        .await;
    assert_eq!(
        lost.interruption.unwrap().cause(),
        InterruptionCause::ClientClosed
    );
    // Held to the end: a stream that is let go is another farewell.
    let _back = attach(&mut service, &session.id, 1).await.unwrap();
    service
        .wait_for_status(&session.id, SessionStatus::Active)
        .await;
}

#[tokio::test]
async fn silence_interrupts_when_the_lease_ends() {
    let mut service = TestService::start_with(&[("checkpoint.lease", "1s")]).await;
    let session = service.open_session("/p").await;
    let lost = service
        .wait_for_status(&session.id, SessionStatus::Interrupted)
        .await;
    assert_eq!(
        lost.interruption.unwrap().cause(),
        InterruptionCause::LeaseExpired
    );
}

#[tokio::test]
async fn a_session_has_one_owner_and_the_old_one_is_notified() {
    let mut service = TestService::start().await;
    let session = service.open_session("/p").await;
    service.save(&session, state("work", 0.2)).await.unwrap();
    let mut old = attach(&mut service, &session.id, 1).await.unwrap();
    assert_eq!(
        refusal(service.restore(&session).await),
        (Code::FailedPrecondition, "SESSION_OWNED".into())
    );
    let take_over = RestoreCheckpointRequest {
        request_id: id(),
        session_id: session.id.clone(),
        take_over: true,
        ..Default::default()
    };
    let restored = service
        .api
        .restore_checkpoint(take_over)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(restored.session.as_ref().unwrap().epoch, 2);
    let event = old.responses.message().await.unwrap().unwrap().event;
    assert!(matches!(event, Some(ResponseEvent::OwnershipLost(lost)) if lost.epoch == 2));
    assert_eq!(
        refusal(service.save(&session, state("stale", 0.3)).await),
        (Code::FailedPrecondition, "STALE_OWNER".into())
    );
    service
        .save(&restored.session.unwrap(), state("fresh", 0.3))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_adopt_a_lost_session_one_wins() {
    let mut service = TestService::start().await;
    let session = service.open_session("/p").await;
    service.save(&session, state("work", 0.2)).await.unwrap();
    let owner = attach(&mut service, &session.id, 1).await.unwrap();
    drop(owner);
    service
        .wait_for_status(&session.id, SessionStatus::Interrupted)
        .await;
    let rivals = (0..8).map(|_| {
        let (mut api, session) = (service.api.clone(), session.clone());
        tokio::spawn(async move {
            let request = RestoreCheckpointRequest {
                request_id: id(),
                session_id: session.id,
                expected_epoch: session.epoch,
                ..Default::default()
            };
            api.restore_checkpoint(request)
                .await
                .map(|r| r.into_inner().session.unwrap().epoch)
        })
    });
    let mut epochs = Vec::new();
    for rival in rivals.collect::<Vec<_>>() {
        match rival.await.unwrap() {
            Ok(epoch) => epochs.push(epoch),
            Err(status) => assert_eq!(status.code(), Code::Aborted),
        }
    }
    assert_eq!(epochs, [2]);
}

#[tokio::test]
async fn after_a_restart_of_the_service_the_owner_goes_on_or_its_lease_runs_out() {
    let mut service = TestService::start_with(&[("checkpoint.lease", "1s")]).await;
    let (kept, lost) = (
        service.open_session("/p").await,
        service.open_session("/p").await,
    );
    let mut service = service.restart(|_| ()).await;
    let _owner = attach(&mut service, &kept.id, 1).await.unwrap();
    assert_eq!(
        service.session(&kept.id).await.status(),
        SessionStatus::Active
    );
    let lost = service
        .wait_for_status(&lost.id, SessionStatus::Interrupted)
        .await;
    assert_eq!(
        lost.interruption.unwrap().cause(),
        InterruptionCause::LeaseExpired
    );
}

async fn beat(owner: &Owner) {
    let message = Some(RequestMessage::Heartbeat(Heartbeat::default()));
    let heartbeat = AttachSessionRequest { message };
    owner.requests.send(heartbeat).await.unwrap();
}

#[tokio::test]
async fn an_owner_that_was_silent_gets_its_session_back_with_its_next_sign_of_life() {
    let mut service = TestService::start_with(&[("checkpoint.lease", "1s")]).await;
    let session = service.open_session("/p").await;
    service.save(&session, state("work", 0.2)).await.unwrap();
    let mut owner = attach(&mut service, &session.id, 1).await.unwrap();
    service
        .wait_for_status(&session.id, SessionStatus::Interrupted)
        .await;
    beat(&owner).await;
    let back = service
        .wait_for_status(&session.id, SessionStatus::Active)
        .await;
    assert!(back.attached && back.interruption.is_none() && back.epoch == 1);
    assert!(matches!(
        owner.responses.message().await.unwrap().unwrap().event,
        Some(ResponseEvent::Lease(_))
    ));
    // The stream is the owner's again: it hears of what happens to its session.
    let take_over = RestoreCheckpointRequest {
        request_id: id(),
        session_id: session.id.clone(),
        take_over: true,
        ..Default::default()
    };
    service.api.restore_checkpoint(take_over).await.unwrap();
    let event = loop {
        match owner.responses.message().await.unwrap().unwrap().event {
            Some(ResponseEvent::Lease(_)) => {}
            other => break other,
        }
    };
    assert!(matches!(event, Some(ResponseEvent::OwnershipLost(lost)) if lost.epoch == 2));
}

#[tokio::test]
async fn an_owner_that_was_silent_for_too_long_does_not_rob_its_successor() {
    let mut service = TestService::start_with(&[("checkpoint.lease", "1s")]).await;
    let session = service.open_session("/p").await;
    service.save(&session, state("work", 0.2)).await.unwrap();
    let mut owner = attach(&mut service, &session.id, 1).await.unwrap();
    service
        .wait_for_status(&session.id, SessionStatus::Interrupted)
        .await;
    service.restore(&session).await.unwrap();
    beat(&owner).await;
    let refused = owner.responses.message().await;
    assert_eq!(
        refusal(refused),
        (Code::FailedPrecondition, "STALE_OWNER".into())
    );
    assert_eq!(service.session(&session.id).await.epoch, 2);
}

/// A client in the middle of the conversation "c"; its gateway is another process each time.
fn client_of_conversation() -> ClientInfo {
    ClientInfo {
        name: "claude-code".into(),
        hostname: "box".into(),
        boot_id: "boot".into(),
        conversation: "c".into(),
        client_process: Some(ProcessIdentity {
            pid: 7,
            start_ticks: 70,
        }),
        ..Default::default()
    }
}

#[tokio::test]
async fn the_same_client_takes_its_conversation_s_session_from_its_older_gateway_and_nobody_else_does()
 {
    let mut service = TestService::start().await;
    let session = service.open_session("/p").await;
    service.save(&session, state("work", 0.2)).await.unwrap();
    let older = Some(client_of_conversation());
    let mut owner = attach_as(&mut service, &session.id, 1, older)
        .await
        .unwrap();

    let process = |pid, start_ticks| Some(ProcessIdentity { pid, start_ticks });
    let others = [
        (
            "another conversation",
            ClientInfo {
                conversation: "d".into(),
                ..client_of_conversation()
            },
        ),
        (
            "no conversation",
            ClientInfo {
                conversation: String::new(),
                ..client_of_conversation()
            },
        ),
        (
            "another process",
            ClientInfo {
                client_process: process(8, 80),
                ..client_of_conversation()
            },
        ),
        (
            "a later process",
            ClientInfo {
                client_process: process(7, 71),
                ..client_of_conversation()
            },
        ),
        (
            "another machine",
            ClientInfo {
                hostname: "there".into(),
                ..client_of_conversation()
            },
        ),
        ("an unknown client", ClientInfo::default()),
    ];
    for (what, client) in others {
        let adopted = attach_as(&mut service, &session.id, 0, Some(client.clone())).await;
        let restore = RestoreCheckpointRequest {
            request_id: id(),
            session_id: session.id.clone(),
            client: Some(client),
            ..Default::default()
        };
        let restored = service.api.restore_checkpoint(restore).await;
        let owned = (Code::FailedPrecondition, "SESSION_OWNED".to_owned());
        assert_eq!(refusal(adopted.map(|_| ())), owned, "{what}");
        assert_eq!(refusal(restored.map(|_| ())), owned, "{what}");
    }

    let newer = Some(client_of_conversation());
    let _newer = attach_as(&mut service, &session.id, 0, newer.clone())
        .await
        .unwrap();
    assert_eq!(service.session(&session.id).await.epoch, 2);
    let event = owner.responses.message().await.unwrap().unwrap().event;
    assert!(matches!(event, Some(ResponseEvent::OwnershipLost(lost)) if lost.epoch == 2));
    let restore = RestoreCheckpointRequest {
        request_id: id(),
        session_id: session.id.clone(),
        client: newer,
        ..Default::default()
    };
    let restored = service.api.restore_checkpoint(restore).await.unwrap();
    assert_eq!(restored.into_inner().session.unwrap().epoch, 3);
}
