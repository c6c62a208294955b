//! A caller that calls too fast is told when to come back, and takes nothing from the others.

use shim_tests::service::Launch;
use shim_tests::temp_env::TempEnv;
use tonic::Code;

use super::auth_client::{AuthClient, LIST_SESSIONS, write_token_file};

const HASTY: &str = "the-token-of-the-hasty";
const CALM: &str = "the-token-of-the-calm-one";

#[tokio::test]
async fn a_caller_too_fast_is_refused_with_a_delay_and_another_is_not() {
    let temp = TempEnv::new();
    let file = write_token_file(
        temp.root(),
        &format!("{HASTY} name=hasty\n{CALM} name=calm\n"),
    );
    let launch = Launch::checkpoint(&temp.data_dir())
        .env("SHIM_AUTH_TOKEN_FILE", &file.display().to_string())
        // Slow enough that no machine is slower.
        .env("SHIM_LIMITS_CALLS_PER_SECOND", "1")
        .env("SHIM_LIMITS_BURST", "3");
    let auth_client = AuthClient::start(launch).await;
    let mut refused = None;
    for _ in 0..1_000 {
        if let Err(decoded) = auth_client.call(LIST_SESSIONS, Some(HASTY)).await {
            refused = Some(decoded);
            break;
        }
    }
    let refused = refused.expect("a thousand calls in a row are too many");
    assert_eq!(refused.code, Code::ResourceExhausted);
    assert_eq!(refused.reason, "TOO_FAST");
    let delay = refused.retry_after.expect("a delay");

    auth_client.call(LIST_SESSIONS, Some(CALM)).await.unwrap();
    tokio::time::sleep(delay).await;
    auth_client.call(LIST_SESSIONS, Some(HASTY)).await.unwrap();
}
