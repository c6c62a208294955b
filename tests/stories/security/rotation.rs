//! Tokens change while calls go on; nothing is started anew.

use std::time::{Duration, Instant};

use shim_proto::checkpoint::v1::attach_session_request::Message as Said;
use shim_proto::checkpoint::v1::checkpoint_service_client::CheckpointServiceClient;
use shim_proto::checkpoint::v1::{
    Attach, AttachSessionRequest, GetSessionRequest, ListSessionsRequest, Session, SessionStatus,
};
use shim_runtime::client::{Channel, connect};
use shim_tests::calls;
use shim_tests::service::Launch;
use shim_tests::temp_env::TempEnv;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

use super::auth_client::{AuthClient, LIST_SESSIONS, credentials, write_token_file};
use super::open_calls::end_of;

const OLD: &str = "the-token-of-last-year";
const NEW: &str = "the-token-of-this-year";
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// Far longer than it takes.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Each process looks at its file once a second, when it has a call to make or to answer.
const RELOAD_INTERVAL: Duration = Duration::from_secs(1);

type Client = CheckpointServiceClient<Channel>;

/// Knocks until the token is let in, or until it is refused, while the client's calls go on without a hitch.
async fn until(auth_client: &AuthClient, token: &str, is_let_in: bool, client: &mut Client) {
    let began = Instant::now();
    loop {
        keep_calling(client).await;
        match auth_client.call(LIST_SESSIONS, Some(token)).await {
            Ok(()) if is_let_in => return,
            Err(refused) if !is_let_in => {
                assert_eq!(refused.code, Code::Unauthenticated);
                assert_eq!(refused.reason, "TOKEN_REFUSED");
                return;
            }
            _ => assert!(
                began.elapsed() < TIMEOUT,
                "{token}: {is_let_in} never came true"
            ),
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

async fn keep_calling(client: &mut Client) {
    let called = client.list_sessions(ListSessionsRequest::default()).await;
    called.expect("calls go on");
}

/// After this time the next call of a client looks at the file.
async fn wait_for_reload(client: &mut Client) {
    tokio::time::sleep(RELOAD_INTERVAL).await;
    keep_calling(client).await;
}

fn attach(session: &Session) -> AttachSessionRequest {
    let attach = Attach {
        session_id: session.id.clone(),
        epoch: session.epoch,
        client: Some(calls::client_info()),
    };
    AttachSessionRequest {
        message: Some(Said::Attach(attach)),
    }
}

#[tokio::test]
async fn a_new_token_takes_over_while_a_stream_is_open_and_calls_go_on() {
    let temp = TempEnv::new();
    let write = |content: &str| write_token_file(temp.root(), content);
    let file = write(OLD);
    let launch = Launch::checkpoint(&temp.data_dir());
    let auth_client =
        AuthClient::start(launch.env("SHIM_AUTH_TOKEN_FILE", &file.display().to_string())).await;
    let shown = credentials(&[("auth.token_file", &file)]);
    let mut client = Client::new(connect(&auth_client.endpoint("http"), Some(&shown)).unwrap());

    let session = calls::open(&mut client, "/project").await.unwrap();
    let (said, outgoing) = mpsc::channel(1);
    said.send(attach(&session)).await.unwrap();
    let outgoing = ReceiverStream::new(outgoing);
    let mut attached = client.attach_session(outgoing).await.unwrap().into_inner();
    attached.message().await.unwrap().unwrap();

    write(&format!("{OLD}\n{NEW} role=write\n"));
    until(&auth_client, NEW, true, &mut client).await;
    write(&format!("{NEW} role=write\n{OLD}\n"));
    wait_for_reload(&mut client).await;
    write(&format!("{NEW} role=write\n"));
    until(&auth_client, OLD, false, &mut client).await;
    auth_client.call(LIST_SESSIONS, Some(NEW)).await.unwrap();
    // The stream began with the old token. Its owner comes back with the new one.
    assert_eq!(end_of(attached).await.code(), Code::Unauthenticated);
    let (said, outgoing) = mpsc::channel(1);
    said.send(attach(&session)).await.unwrap();
    let outgoing = ReceiverStream::new(outgoing);
    let mut attached = client.attach_session(outgoing).await.unwrap().into_inner();
    attached.message().await.unwrap().unwrap();

    // A broken file shuts no client out.
    write("oops\n");
    wait_for_reload(&mut client).await;
    auth_client.call(LIST_SESSIONS, Some(NEW)).await.unwrap();
    assert!(!auth_client.service.log().contains("oops"));

    let asked = GetSessionRequest {
        session_id: session.id,
    };
    let session = client.get_session(asked).await.unwrap().into_inner();
    let status = session.session.unwrap().status();
    assert_eq!(status, SessionStatus::Active, "the stream was broken off");
}
