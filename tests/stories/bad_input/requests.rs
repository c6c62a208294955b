//! Random requests, made from the contract's descriptors.

use proptest::collection::{hash_map, vec};
use proptest::prelude::{Just, Strategy, any};
use proptest::strategy::{BoxedStrategy, Union};
use prost_reflect::{
    Cardinality, DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value,
};

const MAX_DEPTH: u32 = 4;
/// Fields that take no spaces.
const NAMES: [&str; 7] = [
    "namespace",
    "workspace",
    "channel",
    "channels",
    "capability",
    "capabilities",
    "request_id",
];

/// The token of a claim: a number that no service gave.
const TOKENS: [&str; 2] = ["lease", "epoch"];

/// Where requests come from: the contract's shapes, and ids and tokens that exist.
#[derive(Clone, Default)]
pub(super) struct Requests {
    pub(super) known_ids: Vec<String>,
    pub(super) known_tokens: Vec<u64>,
}

impl Requests {
    /// A message with each field present in most cases, right or wrong.
    pub(super) fn message(
        &self,
        descriptor: &MessageDescriptor,
        depth: u32,
    ) -> BoxedStrategy<DynamicMessage> {
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
            Kind::String if NAMES.contains(&field.name()) => {
                Union::new_weighted(vec![(9, "[a-z]{1,8}".boxed()), (1, text())])
                    .prop_map(Value::String)
                    .boxed()
            }
            Kind::String if field.name().ends_with("_id") || field.name() == "inbox" => {
                self.id().prop_map(Value::String).boxed()
            }
            Kind::Uint64 if TOKENS.contains(&field.name()) && !self.known_tokens.is_empty() => {
                let known = proptest::sample::select(self.known_tokens.clone());
                Union::new_weighted(vec![(3, known.boxed()), (1, mostly_small())])
                    .prop_map(Value::U64)
                    .boxed()
            }
            Kind::Message(duration) if field.name() == "wait" => short_or_wrong(&duration),
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

/// A wait that is soon over, or one that is refused: thousands of requests that wait would take hours.
fn short_or_wrong(duration: &MessageDescriptor) -> BoxedStrategy<Value> {
    let short = (Just(0_i64), 0..10_000_000_i32).boxed();
    let negative = (i64::MIN..0, any::<i32>()).boxed();
    let long = (26..=i64::MAX, any::<i32>()).boxed();
    let duration = duration.clone();
    Union::new_weighted(vec![(3, short), (1, negative), (1, long)])
        .prop_map(move |(whole, fraction)| {
            let mut message = DynamicMessage::new(duration.clone());
            message.set_field_by_name("seconds", Value::I64(whole));
            message.set_field_by_name("nanos", Value::I32(fraction));
            Value::Message(message)
        })
        .boxed()
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
