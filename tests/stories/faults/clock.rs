//! A wall clock that jumps: times never go backwards and no lease is touched. The clock of the service alone is bent,
//! with libfaketime (Debian package `faketime`); the monotonic clock runs on.

use std::path::{Path, PathBuf};
use std::time::Duration;

use prost_types::Timestamp;
use shim_proto::checkpoint::v1::attach_session_request::Message as Said;
use shim_proto::checkpoint::v1::attach_session_response::Event;
use shim_proto::checkpoint::v1::{
    Attach, AttachSessionRequest, GetSessionRequest, Heartbeat, Session, SessionStatus,
};
use shim_tests::rng::SeededRng;
use shim_tests::service::{Launch, Service};
use shim_tests::temp_env::TempEnv;
use shim_tests::{calls, sample_content};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

const JUMPS: [&str; 4] = ["-1h", "+0", "+1h", "-2h"];
/// Longer than the heartbeats of this story are apart, shorter than the default so that a broken lease shows soon.
const LEASE: &str = "3s";

fn faketime_library() -> Option<PathBuf> {
    let folders = [
        "/usr/lib/x86_64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu",
        "/usr/lib",
        "/usr/local/lib",
    ];
    let found = folders.map(|folder| Path::new(folder).join("faketime/libfaketimeMT.so.1"));
    found.into_iter().find(|path| path.is_file())
}

struct FakeClock {
    offset_file: PathBuf,
    library: PathBuf,
}

impl FakeClock {
    fn of(temp: &TempEnv) -> Option<Self> {
        let Some(library) = faketime_library() else {
            eprintln!("skipped: libfaketime is not installed (Debian package faketime)");
            return None;
        };
        let clock = Self {
            offset_file: temp.root().join("clock"),
            library,
        };
        clock.set("+0");
        Some(clock)
    }

    /// Renaming makes the change whole at once: the library may read at any moment.
    fn set(&self, offset: &str) {
        let new = self.offset_file.with_extension("new");
        std::fs::write(&new, offset).unwrap();
        std::fs::rename(&new, &self.offset_file).unwrap();
    }

    fn launch(&self, temp: &TempEnv) -> Launch {
        Launch::checkpoint(&temp.data_dir())
            .env("LD_PRELOAD", &self.library.display().to_string())
            .env(
                "FAKETIME_TIMESTAMP_FILE",
                &self.offset_file.display().to_string(),
            )
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("DONT_FAKE_MONOTONIC", "1")
            .env("SHIM_CHECKPOINT_LEASE", LEASE)
    }
}

#[tokio::test]
async fn times_never_go_backwards() {
    let temp = TempEnv::new();
    let Some(clock) = FakeClock::of(&temp) else {
        return;
    };
    let mut service = clock.launch(&temp).start().await.unwrap();
    let session = calls::open(&mut service.client(), "/clock").await.unwrap();
    let mut times = Vec::new();
    for jump in JUMPS {
        clock.set(jump);
        times.push(created_at(&service, &session).await);
        service.kill();
        service = clock.launch(&temp).start().await.unwrap();
        times.push(created_at(&service, &session).await);
    }
    let in_order = times
        .windows(2)
        .all(|pair| (pair[0].seconds, pair[0].nanos) <= (pair[1].seconds, pair[1].nanos));
    assert!(in_order, "{times:?}");
    let span = times[times.len() - 1].seconds - times[0].seconds;
    assert!(
        span >= 3000,
        "the bent clock is really in use, so a jump ahead shows: {times:?}"
    );
}

async fn created_at(service: &Service, session: &Session) -> Timestamp {
    let state = sample_content::state(&mut SeededRng::new(1), "by the clock", 200);
    calls::save(&mut service.client(), session, state)
        .await
        .unwrap()
        .created_at
        .unwrap()
}

#[tokio::test]
async fn a_lease_does_not_feel_the_clock_jump() {
    let temp = TempEnv::new();
    let Some(clock) = FakeClock::of(&temp) else {
        return;
    };
    let service = clock.launch(&temp).start().await.unwrap();
    let mut client = service.client();
    let session = calls::open(&mut client, "/clock").await.unwrap();

    let (say, said) = mpsc::channel(8);
    let attach = Attach {
        session_id: session.id.clone(),
        epoch: 1,
        client: Some(calls::client_info()),
    };
    say.send(AttachSessionRequest {
        message: Some(Said::Attach(attach)),
    })
    .await
    .unwrap();
    let mut events = client
        .attach_session(ReceiverStream::new(said))
        .await
        .unwrap()
        .into_inner();
    assert!(matches!(
        events.message().await.unwrap().unwrap().event,
        Some(Event::Lease(_))
    ));
    for jump in JUMPS {
        clock.set(jump);
        for _ in 0..3 {
            // A heartbeat's pace, not a wait for something to happen.
            tokio::time::sleep(Duration::from_millis(500)).await;
            say.send(AttachSessionRequest {
                message: Some(Said::Heartbeat(Heartbeat::default())),
            })
            .await
            .unwrap();
            assert!(
                matches!(
                    events.message().await.unwrap().unwrap().event,
                    Some(Event::Lease(_))
                ),
                "{jump}"
            );
        }
        let request = GetSessionRequest {
            session_id: session.id.clone(),
        };
        let now = client
            .get_session(request)
            .await
            .unwrap()
            .into_inner()
            .session
            .unwrap();
        assert!(
            now.attached && now.status() == SessionStatus::Active,
            "after {jump}: {now:?}"
        );
    }
}
