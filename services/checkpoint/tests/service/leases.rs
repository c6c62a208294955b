//! Owners: one at a time, alive as long as their stream.

use shim_proto::checkpoint::v1::attach_session_request::Message as Said;
use shim_proto::checkpoint::v1::attach_session_response::Event as Told;
use shim_proto::checkpoint::v1::*;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Streaming};

use crate::house::{House, id, refusal, state};

/// An owner's stream.
struct Owner {
    says: mpsc::Sender<AttachSessionRequest>,
    hears: Streaming<AttachSessionResponse>,
}

async fn attach(house: &mut House, session: &str, epoch: u64) -> Result<Owner, tonic::Status> {
    let (says, said) = mpsc::channel(8);
    let attach = Attach {
        session_id: session.into(),
        epoch,
        client: None,
    };
    says.send(AttachSessionRequest {
        message: Some(Said::Attach(attach)),
    })
    .await
    .unwrap();
    let mut hears = house
        .api
        .attach_session(ReceiverStream::new(said))
        .await?
        .into_inner();
    assert!(matches!(
        hears.message().await?.unwrap().event,
        Some(Told::Lease(_))
    ));
    Ok(Owner { says, hears })
}

#[tokio::test]
async fn a_goodbye_interrupts_with_its_cause_and_the_owner_may_come_back() {
    let mut house = House::open().await;
    let session = house.open_session("/p").await;
    house.save(&session, state("work", 0.2)).await.unwrap();
    let owner = attach(&mut house, &session.id, 1).await.unwrap();
    assert!(house.session(&session.id).await.attached);
    owner
        .says
        .send(AttachSessionRequest {
            message: Some(Said::Detach(Detach::default())),
        })
        .await
        .unwrap();
    let lost = house.until(&session.id, SessionStatus::Interrupted).await;
    assert_eq!(
        lost.interruption.unwrap().cause(),
        InterruptionCause::ClientClosed
    );
    attach(&mut house, &session.id, 1).await.unwrap();
    house.until(&session.id, SessionStatus::Active).await;
}

#[tokio::test]
async fn silence_interrupts_when_the_lease_ends() {
    let mut house = House::with(&[("checkpoint.lease", "1s")]).await;
    let session = house.open_session("/p").await;
    let lost = house.until(&session.id, SessionStatus::Interrupted).await;
    assert_eq!(
        lost.interruption.unwrap().cause(),
        InterruptionCause::LeaseExpired
    );
}

#[tokio::test]
async fn a_session_has_one_owner_and_the_old_one_hears_of_it() {
    let mut house = House::open().await;
    let session = house.open_session("/p").await;
    house.save(&session, state("work", 0.2)).await.unwrap();
    let mut old = attach(&mut house, &session.id, 1).await.unwrap();
    assert_eq!(
        refusal(house.restore(&session).await),
        (Code::FailedPrecondition, "SESSION_OWNED".into())
    );
    let take_over = RestoreCheckpointRequest {
        request_id: id(),
        session_id: session.id.clone(),
        take_over: true,
        ..Default::default()
    };
    let restored = house
        .api
        .restore_checkpoint(take_over)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(restored.session.as_ref().unwrap().epoch, 2);
    let heard = old.hears.message().await.unwrap().unwrap().event;
    assert!(matches!(heard, Some(Told::OwnershipLost(lost)) if lost.epoch == 2));
    assert_eq!(
        refusal(house.save(&session, state("stale", 0.3)).await),
        (Code::FailedPrecondition, "STALE_OWNER".into())
    );
    house
        .save(&restored.session.unwrap(), state("fresh", 0.3))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_adopt_a_lost_session_one_wins() {
    let mut house = House::open().await;
    let session = house.open_session("/p").await;
    house.save(&session, state("work", 0.2)).await.unwrap();
    let owner = attach(&mut house, &session.id, 1).await.unwrap();
    drop(owner);
    house.until(&session.id, SessionStatus::Interrupted).await;
    let rivals = (0..8).map(|_| {
        let (mut api, session) = (house.api.clone(), session.clone());
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
    let mut house = House::with(&[("checkpoint.lease", "1s")]).await;
    let (kept, lost) = (
        house.open_session("/p").await,
        house.open_session("/p").await,
    );
    let mut house = house.restart(|_| ()).await;
    let _owner = attach(&mut house, &kept.id, 1).await.unwrap();
    assert_eq!(
        house.session(&kept.id).await.status(),
        SessionStatus::Active
    );
    let lost = house.until(&lost.id, SessionStatus::Interrupted).await;
    assert_eq!(
        lost.interruption.unwrap().cause(),
        InterruptionCause::LeaseExpired
    );
}
