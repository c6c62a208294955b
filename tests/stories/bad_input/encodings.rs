//! Bytes that are no message of the contract: wrong wire types, invalid UTF-8, cut short, too large.

use bytes::Bytes;
use prost::encoding::encode_varint;
use prost_reflect::{FieldDescriptor, Kind};
use shim_proto::limits::MAX_MESSAGE_BYTES;
use shim_redis_harness::Redis;
use shim_runtime::service_error::decode;
use shim_tests::service::{Launch, Service};
use shim_tests::temp_env::TempEnv;
use tonic::{Code, Status};

use super::wire::Wire;

const VARINT: u8 = 0;
const FIXED_64: u8 = 1;
const LENGTH_DELIMITED: u8 = 2;
/// A field's number and wire type, and bytes after them.
fn tagged(field: &FieldDescriptor, wire_type: u8, bytes: &[u8]) -> Bytes {
    let mut message = Vec::new();
    encode_varint(
        u64::from(field.number() << 3) | u64::from(wire_type),
        &mut message,
    );
    message.extend(bytes);
    message.into()
}

/// The field, sent as another type than it has.
fn wrong_type(field: &FieldDescriptor) -> Bytes {
    if field.is_list() {
        // Lists take numbers packed and unpacked, so only a third type is wrong for both.
        return tagged(field, FIXED_64, &[1, 2, 3, 4, 5, 6, 7, 8]);
    }
    match field.kind() {
        Kind::String | Kind::Bytes | Kind::Message(_) => tagged(field, VARINT, &[1]),
        _ => tagged(field, LENGTH_DELIMITED, &[1, 0x80]),
    }
}

fn invalid_utf8(field: &FieldDescriptor) -> Bytes {
    tagged(field, LENGTH_DELIMITED, &[2, 0xC3, 0x28])
}

/// A field of a oneof may be named by the oneof.
fn assert_names(status: &Status, method: &str, field: &FieldDescriptor) {
    let oneof = field.containing_oneof();
    let oneof = oneof.as_ref().map_or("", |oneof| oneof.name());
    let is_its_name =
        |name: &str| name.contains(field.name()) || (!oneof.is_empty() && name.contains(oneof));
    let field = field.name();
    let refusal = decode(status);
    assert_eq!(
        status.code(),
        Code::InvalidArgument,
        "{method}.{field}: {refusal}"
    );
    let named = is_its_name(&refusal.message)
        || refusal.violations.iter().any(|(name, _)| is_its_name(name));
    assert!(named, "{method}.{field}: {refusal:?}");
}

async fn assert_wrong_encodings_are_named(wire: &Wire) {
    for method in wire.methods() {
        for field in method.input().fields() {
            let refusal = wire
                .send(&method, wrong_type(&field))
                .await
                .expect_err("of the wrong type");
            assert_names(&refusal, method.name(), &field);
            if field.kind() == Kind::String {
                let refusal = wire
                    .send(&method, invalid_utf8(&field))
                    .await
                    .expect_err("not UTF-8");
                assert_names(&refusal, method.name(), &field);
            }
        }
    }
}

async fn assert_broken_messages_are_refused(wire: &Wire) {
    let broken: [&[u8]; 5] = [
        &[0x0A, 0x7F, b'x'],
        &[0xFF; 20],
        &[0x07],
        &[0x0B, 0x0B, 0x0B],
        &[0x00, 0x01],
    ];
    for method in wire.methods() {
        for bytes in broken {
            let refusal = wire
                .send(&method, Bytes::from_static(bytes))
                .await
                .expect_err("no message");
            assert_eq!(
                refusal.code(),
                Code::InvalidArgument,
                "{} {bytes:02x?}: {refusal:?}",
                method.name()
            );
        }
        let oversize = Bytes::from(vec![0; MAX_MESSAGE_BYTES + 1]);
        let refusal = wire.send(&method, oversize).await.expect_err("too large");
        assert_eq!(
            refusal.code(),
            Code::ResourceExhausted,
            "{}: {refusal:?}",
            method.name()
        );
        assert!(
            refusal.message().contains("16"),
            "it names the limit: {refusal:?}"
        );
    }
}

#[tokio::test]
async fn a_field_of_the_wrong_type_or_not_utf8_is_named() {
    let temp = TempEnv::new();
    let service = Service::start(&temp.data_dir()).await;
    assert_wrong_encodings_are_named(&Wire::to(&service)).await;
    assert!(service.is_healthy().await);
}

#[tokio::test]
async fn a_broken_or_oversize_message_is_refused() {
    let temp = TempEnv::new();
    let service = Service::start(&temp.data_dir()).await;
    assert_broken_messages_are_refused(&Wire::to(&service)).await;
    assert!(service.is_healthy().await);
}

#[tokio::test]
async fn the_coordination_service_refuses_wrong_encodings_too() {
    let temp = TempEnv::new();
    let redis = Redis::start();
    let launch = Launch::coordination(&temp.data_dir(), &redis.url());
    let service = launch.start_or_panic().await;
    let wire = Wire::to_coordination(&service);
    assert_wrong_encodings_are_named(&wire).await;
    assert_broken_messages_are_refused(&wire).await;
    assert!(service.is_healthy().await);
}

#[tokio::test]
async fn the_worker_service_refuses_wrong_encodings_too() {
    let (temp, redis) = (TempEnv::new(), Redis::start());
    let launch = Launch::stack(&temp.data_dir(), &redis.url());
    let service = launch.start_or_panic().await;
    let wire = Wire::to_worker(&service);
    assert_wrong_encodings_are_named(&wire).await;
    assert_broken_messages_are_refused(&wire).await;
    assert!(service.is_healthy().await);
}
