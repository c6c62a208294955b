//! Ten thousand random requests over all unary RPCs, made from the contract's descriptors: each is answered or refused
//! plainly, what was saved before stays, memory stays bounded.

use std::cell::Cell;

use proptest::collection::{hash_map, vec};
use proptest::prelude::{Just, Strategy, any};
use proptest::strategy::{BoxedStrategy, Union};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use prost::Message;
use prost_reflect::{
    Cardinality, DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor,
    MethodDescriptor, Value,
};
use shim_runtime::fault::explain;
use shim_tests::place::Place;
use shim_tests::service::Service;
use shim_tests::{calls, prose};
use tonic::Code;

use super::valid::Subject;
use super::wire::Wire;

const REQUESTS: u32 = 10_000;
/// Printed with a failure; the same seed makes the same requests but for the ids in them.
const SEED: [u8; 32] = *b"ten thousand requests, one seed.";
const MAX_RESIDENT_BYTES: u64 = 300 * 1024 * 1024;
const MAX_DEPTH: u32 = 4;
/// Sessions no request knows of.
const PROTECTED: usize = 8;

/// Where requests come from: the contract's shapes, and ids that exist.
#[derive(Clone)]
struct Requests {
    known_ids: Vec<String>,
}

impl Requests {
    /// A message with each field present in most cases, right or wrong.
    fn message(&self, descriptor: &MessageDescriptor, depth: u32) -> BoxedStrategy<DynamicMessage> {
        let fields: Vec<_> = descriptor
            .fields()
            .map(|field| (self.present(&field, depth), field))
            .collect();
        let (values, fields): (Vec<_>, Vec<_>) = fields.into_iter().unzip();
        let descriptor = descriptor.clone();
        values
            .prop_map(move |values| {
                let mut message = DynamicMessage::new(descriptor.clone());
                for (field, value) in fields.iter().zip(values) {
                    if let Some(value) = value {
                        message.set_field(field, value);
                    }
                }
                message
            })
            .boxed()
    }

    fn present(&self, field: &FieldDescriptor, depth: u32) -> BoxedStrategy<Option<Value>> {
        if depth > MAX_DEPTH {
            return Just(None).boxed();
        }
        proptest::option::weighted(0.8, self.value(field, depth)).boxed()
    }

    fn value(&self, field: &FieldDescriptor, depth: u32) -> BoxedStrategy<Value> {
        if field.is_map() {
            let Kind::Message(entry) = field.kind() else {
                unreachable!("a map is a list of entries")
            };
            let value = self.single(&entry.map_entry_value_field(), depth + 1);
            return hash_map(text().prop_map(MapKey::String), value, 0..3)
                .prop_map(Value::Map)
                .boxed();
        }
        let single = self.single(field, depth);
        match field.cardinality() {
            Cardinality::Repeated => vec(single, 0..4).prop_map(Value::List).boxed(),
            _ => single,
        }
    }

    fn single(&self, field: &FieldDescriptor, depth: u32) -> BoxedStrategy<Value> {
        match field.kind() {
            Kind::String if field.name().ends_with("_id") => {
                self.id().prop_map(Value::String).boxed()
            }
            Kind::String => text().prop_map(Value::String).boxed(),
            Kind::Bytes => vec(any::<u8>(), 0..64)
                .prop_map(|bytes| Value::Bytes(bytes.into()))
                .boxed(),
            Kind::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
            Kind::Double => number().prop_map(Value::F64).boxed(),
            #[expect(clippy::cast_possible_truncation, reason = "any value will do")]
            Kind::Float => number().prop_map(|value| Value::F32(value as f32)).boxed(),
            Kind::Enum(_) => Union::new([(0..9).boxed(), any::<i32>().boxed()])
                .prop_map(Value::EnumNumber)
                .boxed(),
            Kind::Message(inner) => self
                .message(&inner, depth + 1)
                .prop_map(Value::Message)
                .boxed(),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
                mostly_small().prop_map(|n| Value::I32(low_bits(n))).boxed()
            }
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => mostly_small()
                .prop_map(|n| Value::I64(n.cast_signed()))
                .boxed(),
            Kind::Uint32 | Kind::Fixed32 => mostly_small()
                .prop_map(|n| Value::U32(low_bits(n).cast_unsigned()))
                .boxed(),
            Kind::Uint64 | Kind::Fixed64 => mostly_small().prop_map(Value::U64).boxed(),
        }
    }

    fn id(&self) -> BoxedStrategy<String> {
        let known = proptest::sample::select(self.known_ids.clone());
        let fresh = any::<u128>().prop_map(|bits| uuid::Uuid::from_u128(bits).to_string());
        Union::new_weighted(vec![
            (6, known.boxed()),
            (2, fresh.boxed()),
            (2, text().boxed()),
        ])
        .boxed()
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the low bits are wanted")]
fn low_bits(number: u64) -> i32 {
    number as u32 as i32
}

/// Small counts that pass, and anything.
fn mostly_small() -> BoxedStrategy<u64> {
    Union::new_weighted(vec![(3, (0..5_u64).boxed()), (1, any::<u64>().boxed())]).boxed()
}

fn number() -> BoxedStrategy<f64> {
    let odd = proptest::sample::select(vec![
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        -0.0,
        f64::MAX,
        f64::MIN_POSITIVE,
    ]);
    Union::new_weighted(vec![
        (5, (0.0..=1.0).boxed()),
        (1, odd.boxed()),
        (1, any::<f64>().boxed()),
    ])
    .boxed()
}

/// Words, any Unicode, and now and then something long.
fn text() -> BoxedStrategy<String> {
    let long = (1_usize..20_000).prop_map(|length| "long ".repeat(length / 5));
    let words = "[a-z]{1,8}( [a-z]{1,8}){0,6}";
    let unicode = vec(any::<char>(), 0..40).prop_map(|chars| chars.into_iter().collect::<String>());
    Union::new_weighted(vec![
        (6, words.boxed()),
        (3, unicode.boxed()),
        (1, long.boxed()),
    ])
    .boxed()
}

/// Codes that say "the service is at fault": never for what a client sends.
fn is_plain(code: Code) -> bool {
    !matches!(
        code,
        Code::Internal
            | Code::Unknown
            | Code::Unavailable
            | Code::DeadlineExceeded
            | Code::DataLoss
            | Code::Unimplemented
    )
}

#[test]
fn ten_thousand_random_requests_do_no_harm() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let _context = runtime.enter();
    let place = Place::new();
    let service = runtime.block_on(Service::start(&place.data_dir()));
    let wire = Wire::to(&service);
    let protected = runtime.block_on(protected_sessions(&service));
    let known_ids = runtime.block_on(ids_to_play_with(&wire));
    let requests = Requests { known_ids };
    let methods = wire.methods();
    let calls: Vec<BoxedStrategy<(MethodDescriptor, DynamicMessage)>> = methods
        .iter()
        .map(|method| {
            let method = method.clone();
            requests
                .message(&method.input(), 0)
                .prop_map(move |message| (method.clone(), message))
                .boxed()
        })
        .collect();

    let config = Config {
        cases: REQUESTS,
        failure_persistence: None,
        max_shrink_iters: 200,
        ..Config::default()
    };
    let mut runner =
        TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &SEED));
    let (answered, most_resident) = (Cell::new(0_u32), Cell::new(0));
    let outcome = runner.run(&Union::new(calls), |(method, message)| {
        let sent = wire.send(&method, message.encode_to_vec().into());
        most_resident.set(most_resident.get().max(service.resident_bytes()));
        match runtime.block_on(sent) {
            Ok(_) => answered.set(answered.get() + 1),
            Err(status) if is_plain(status.code()) => {}
            Err(status) => {
                return Err(TestCaseError::fail(format!(
                    "{}: {}",
                    method.name(),
                    explain(&status)
                )));
            }
        }
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!(
            "seed {:?}: {failure}\n{}",
            String::from_utf8_lossy(&SEED),
            last_lines(&service.log())
        );
    }
    assert!(
        answered.get() > REQUESTS / 20,
        "many requests were good ones: {}",
        answered.get()
    );
    assert!(
        most_resident.get() < MAX_RESIDENT_BYTES,
        "memory: {}",
        most_resident.get()
    );
    runtime.block_on(assert_untouched(&service, &protected));
}

type Saved = (
    shim_proto::checkpoint::v1::Checkpoint,
    shim_proto::checkpoint::v1::CheckpointState,
);

/// Each with its newest checkpoint, which even the sharpest Prune keeps.
async fn protected_sessions(service: &Service) -> Vec<Saved> {
    let mut client = service.client();
    let mut dice = shim_tests::dice::Dice::new(9);
    let mut saved = Vec::new();
    for number in 0..PROTECTED {
        let session = calls::open(&mut client, "/protected").await.unwrap();
        let state = prose::state(&mut dice, &format!("protected {number}"), 2000);
        saved.push((
            calls::save(&mut client, &session, state.clone())
                .await
                .unwrap(),
            state,
        ));
    }
    saved
}

async fn ids_to_play_with(wire: &Wire) -> Vec<String> {
    let mut ids = Vec::new();
    for _ in 0..4 {
        let Subject {
            session_id,
            checkpoint_ids: [first, second],
            restore_id,
            ..
        } = Subject::make(wire).await;
        ids.extend(
            [session_id, first, second, restore_id].map(|id| id.as_str().unwrap().to_owned()),
        );
    }
    ids
}

async fn assert_untouched(service: &Service, protected: &[Saved]) {
    assert!(service.is_healthy().await);
    let mut client = service.client();
    for (header, state) in protected {
        assert_eq!(
            &calls::content(&mut client, &header.id).await.unwrap(),
            state
        );
        let history = calls::history(&mut client, &header.session_id, 0)
            .await
            .unwrap();
        assert_eq!(history.checkpoints, std::slice::from_ref(header));
        assert!(history.damaged_numbers.is_empty());
    }
}

fn last_lines(log: &str) -> String {
    let lines: Vec<_> = log.lines().rev().take(20).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}
