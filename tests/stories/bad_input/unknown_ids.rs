//! Ids of the right form that nobody has: NOT_FOUND, naming the id.

use serde_json::json;
use shim_tests::calls::request_id;
use shim_tests::place::Place;
use shim_tests::service::Service;
use tonic::Code;

use super::valid::Subject;
use super::wire::Wire;

const IDS: [&str; 5] = [
    "session_id",
    "checkpoint_id",
    "from_checkpoint_id",
    "to_checkpoint_id",
    "restore_id",
];
/// A filter that matches nothing is no error.
const FILTERS: [&str; 1] = ["SearchCheckpoints"];

#[tokio::test]
async fn unknown_ids_are_not_found_by_name() {
    let place = Place::new();
    let service = Service::start(&place.data_dir()).await;
    let wire = Wire::to(&service);
    let subject = Subject::make(&wire).await;
    let mut asked = 0;
    for method in wire.methods() {
        let valid = subject.request(method.name());
        for field in IDS.into_iter().filter(|field| valid.get(field).is_some()) {
            if FILTERS.contains(&method.name()) {
                continue;
            }
            let unknown = request_id();
            let mut request = valid.clone();
            request[field] = json!(unknown);
            let refusal = wire
                .call(method.name(), &request)
                .await
                .expect_err("nobody has this id");
            let about = format!("{} {field}: {refusal:?}", method.name());
            assert_eq!(refusal.code, Code::NotFound, "{about}");
            assert!(
                refusal.reason.ends_with("_NOT_FOUND") && refusal.message.contains(&unknown),
                "{about}"
            );
            asked += 1;
        }
    }
    assert!(asked >= 14, "{asked}");
}
