//! Free-form data that is nested too deep or holds what JSON does not know.

use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};
use shim_proto::checkpoint::v1::CheckpointState;
use shim_runtime::service_error::decode;
use shim_tests::calls;
use shim_tests::service::Service;
use shim_tests::temp_env::TempEnv;
use tonic::{Code, Status};

/// The deepest that is taken; protobuf decoders stop at 100 messages, and a level of a Struct is three.
const MAX_LEVELS: usize = 32;

fn object(inner: Kind) -> Kind {
    let fields = [("a".to_owned(), Value { kind: Some(inner) })];
    Kind::StructValue(Struct {
        fields: fields.into(),
    })
}

fn list(inner: Kind) -> Kind {
    Kind::ListValue(ListValue {
        values: vec![Value { kind: Some(inner) }],
    })
}

/// So many objects, one in the other.
fn nested(levels: usize) -> Kind {
    (0..levels).fold(Kind::NumberValue(1.0), |inner, _| object(inner))
}

async fn save(service: &Service, custom: Kind) -> Result<(), Status> {
    let Kind::StructValue(custom) = custom else {
        panic!("custom data is an object")
    };
    let mut client = service.client();
    let session = calls::open(&mut client, "/nesting").await.unwrap();
    let state = CheckpointState {
        current_task: "nest".into(),
        custom: Some(custom),
        ..CheckpointState::default()
    };
    let header = calls::save(&mut client, &session, state.clone()).await?;
    assert_eq!(calls::content(&mut client, &header.id).await?, state);
    Ok(())
}

#[tokio::test]
async fn free_form_data_is_taken_down_to_the_limit_and_refused_below() {
    let temp = TempEnv::new();
    let service = Service::start(&temp.data_dir()).await;
    save(&service, nested(MAX_LEVELS))
        .await
        .expect("as deep as allowed");
    for too_deep in [MAX_LEVELS + 1, MAX_LEVELS + 2, 64, 65, 500] {
        let refusal = save(&service, nested(too_deep))
            .await
            .expect_err("too deep");
        let decoded = decode(&refusal);
        assert_eq!(
            refusal.code(),
            Code::InvalidArgument,
            "{too_deep}: {decoded}"
        );
        assert!(
            decoded.message.contains("custom"),
            "{too_deep}: it names the field: {decoded}"
        );
    }
    assert!(service.is_healthy().await);
}

#[tokio::test]
async fn numbers_that_json_does_not_know_are_refused() {
    let temp = TempEnv::new();
    let service = Service::start(&temp.data_dir()).await;
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for custom in [
            object(Kind::NumberValue(number)),
            object(list(object(list(Kind::NumberValue(number))))),
        ] {
            let refusal = save(&service, custom).await.expect_err("no JSON number");
            let violations = decode(&refusal).violations;
            let named = violations
                .iter()
                .any(|(field, _)| field.starts_with("state.custom"));
            assert!(
                refusal.code() == Code::InvalidArgument && named,
                "{number}: {refusal:?}"
            );
        }
    }
}
