//! A disk that is full refuses saves and loses none; with room again, saving goes on.

use shim_runtime::service_error::decode;
use shim_tests::mount::Tmpfs;
use shim_tests::rng::SeededRng;
use shim_tests::service::Service;
use shim_tests::temp_env::TempEnv;
use shim_tests::{calls, sample_content};
use tonic::Code;

const STATE_BYTES: usize = 16 * 1024;
/// More saves than the disk can hold.
const SAVES: usize = 2000;

#[tokio::test]
async fn a_full_disk_refuses_saves_and_loses_none() {
    let temp = TempEnv::new();
    let Some(_disk) = Tmpfs::mount(&temp.data_dir(), "4m") else {
        return;
    };
    let ballast = temp.data_dir().join("ballast");
    std::fs::write(&ballast, vec![1; 2 * 1024 * 1024]).unwrap();

    let mut service = Service::start(&temp.data_dir()).await;
    let mut client = service.client();
    let session = calls::open(&mut client, "/full").await.unwrap();
    let mut rng = SeededRng::new(11);
    let mut acknowledged = Vec::new();
    let mut refusal = None;
    for step in 0..SAVES {
        let state = sample_content::state(&mut rng, &format!("step {step}"), STATE_BYTES);
        match calls::save(&mut client, &session, state.clone()).await {
            Ok(header) => acknowledged.push((header, state)),
            Err(status) => {
                refusal = Some(status);
                break;
            }
        }
    }
    let refusal = refusal.expect("the disk is small");
    let decoded = decode(&refusal);
    assert_eq!(
        (refusal.code(), decoded.reason.as_str()),
        (Code::ResourceExhausted, "DISK_FULL"),
        "{decoded}"
    );
    assert!(
        decoded.remedy.is_some() && decoded.retry_after.is_some(),
        "{decoded:?}"
    );
    assert!(!acknowledged.is_empty() && service.is_healthy().await);
    assert_all_there(&service, &session.id, &acknowledged).await;

    std::fs::remove_file(&ballast).unwrap();
    let state = sample_content::state(&mut rng, "after the room came back", STATE_BYTES);
    let header = calls::save(&mut client, &session, state.clone())
        .await
        .expect("there is room again");
    assert_eq!(
        header.number,
        acknowledged.len() as u64 + 1,
        "a refused save leaves no gap"
    );
    acknowledged.push((header, state));

    service.kill();
    let service = Service::start(&temp.data_dir()).await;
    assert_all_there(&service, &session.id, &acknowledged).await;
}

async fn assert_all_there(
    service: &Service,
    session_id: &str,
    acknowledged: &[(
        shim_proto::checkpoint::v1::Checkpoint,
        shim_proto::checkpoint::v1::CheckpointState,
    )],
) {
    let mut client = service.client();
    let history = calls::history(&mut client, session_id, 0).await.unwrap();
    assert!(history.damaged_numbers.is_empty());
    assert_eq!(history.checkpoints.len(), acknowledged.len());
    for (header, state) in acknowledged {
        assert_eq!(
            &calls::content(&mut client, &header.id).await.unwrap(),
            state
        );
    }
}
