//! What lines are read as.

#![allow(clippy::unwrap_used)]
use proptest::prelude::*;
use serde_json::json;

use super::*;

#[test]
fn what_a_strict_reader_refuses_is_read_by_its_meaning() {
    for (line, expected) in [
        (r#"{"a":"fix \ud82d"}"#, json!([{"a": "fix \u{FFFD}"}])),
        (r#"{"a":"\udc00x"}"#, json!([{"a": "\u{FFFD}x"}])),
        (
            r#"{"a":"\ud83d\ud83d\ude00"}"#,
            json!([{"a": "\u{FFFD}😀"}]),
        ),
        (r#"{"a":"\ud83d\n\u00e9"}"#, json!([{"a": "\u{FFFD}\né"}])),
        (
            r#"{"a":"\uZZZZ\u12"}"#,
            json!([{"a": "\u{FFFD}ZZZZ\u{FFFD}12"}]),
        ),
        (r#"{"a\ud800":1}"#, json!([{"a\u{FFFD}": 1}])),
        (
            r#"{"a":NaN,"b":-Infinity,"c":1e999}"#,
            json!([{"a": null, "b": null, "c": "1e999"}]),
        ),
        (
            r#"{"a":9007199254740993,"b":[0.1234567890123456789],"c":1e-400}"#,
            json!([{"a": "9007199254740993", "b": ["0.1234567890123456789"], "c": "1e-400"}]),
        ),
        (
            r#"{"a":9007199254740993,"b":NaN}"#,
            json!([{"a": "9007199254740993", "b": null}]),
        ),
        (
            r#"{"a":undefined,"b":None,"c":True}"#,
            json!([{"a": null, "b": null, "c": true}]),
        ),
        (
            r#"{"a":007,"b":+1,"c":1.}"#,
            json!([{"a": 7, "b": 1, "c": 1.0}]),
        ),
        (r#"{"a":[1,2,],}"#, json!([{"a": [1, 2]}])),
        ("{\"a\":\"one\ttwo\"}", json!([{"a": "one\ttwo"}])),
        (r"{a:1}", json!([{"a": 1}])),
        (r#"{"a":1,"a":2}"#, json!([{"a": 2}])),
        (
            r#"npm warn {old} 5% {"a":1} {"b":2}."#,
            json!([{"a": 1}, {"b": 2}]),
        ),
        ("\u{FEFF}{\"a\":1}", json!([{"a": 1}])),
        (r#"{"a":"cut"#, json!([])),
        (r#"{"a":[1,{"b":2}"#, json!([])),
        (r"{{{{{{{{{{", json!([])),
        (r#"[1,{"a":1},{"b":2}]"#, json!([{"a": 1}, {"b": 2}])),
        (r#"[{"a":NaN},{"b":2}]"#, json!([{"a": null}, {"b": 2}])),
        ("[1]", json!([])),
        ("", json!([])),
    ] {
        assert_eq!(Value::from(objects(line.as_bytes())), expected, "{line}");
    }
    let bytes = b"{\"a\":\"\xFF\xED\xA0\xBD\",\"b\":1}";
    assert_eq!(objects(bytes)[0]["b"], 1);
}

#[test]
fn what_is_nested_deeply_costs_no_stack_and_hides_no_other_field() {
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let line = format!("{{\"a\":{deep},\"b\":\"]\"}}");
    let read = objects(line.as_bytes());
    assert_eq!(read[0]["b"], "]");
    assert!(read[0].to_string().contains("[[[1]]]"));
    assert!(objects("{\"a\":".repeat(100_000).as_bytes()).is_empty());
}

#[test]
fn an_object_without_its_end_tells_what_is_complete() {
    for (text, fields, cut) in [
        (r#"{"a":1,"b":"two"#, json!({"a": 1}), Some(("b", "two"))),
        (r#"{"a":true"#, json!({"a": true}), None),
        (r#"{"a":tru"#, json!({}), None),
        (r#"{"a":12"#, json!({}), None),
        (r#"{"a":12,"#, json!({"a": 12}), None),
        (r#"{"a":[1,2"#, json!({}), None),
        (r#"{"a":[1,2]"#, json!({"a": [1, 2]}), None),
        (r#"{"a":1,"b"#, json!({"a": 1}), None),
        (r#"{"a":1,"b":"#, json!({"a": 1}), None),
        (r#"{"a":"x\"#, json!({}), Some(("a", "x"))),
        (r#"{"a":"x\u00e"#, json!({}), Some(("a", "x"))),
        (r#"{"a":"x\\"#, json!({}), Some(("a", "x\\"))),
        (r#"{"a":"x\n"#, json!({}), Some(("a", "x\n"))),
        (r#"{"a":"x""#, json!({"a": "x"}), None),
        ("{", json!({}), None),
    ] {
        let read = begun(text.as_bytes()).unwrap();
        assert_eq!(Value::Object(read.fields), fields, "{text}");
        let cut = cut.map(|(name, text): (&str, &str)| (name.to_owned(), text.to_owned()));
        assert_eq!(read.cut, cut, "{text}");
    }
    assert_eq!(begun(br#"{"a":1}"#), None);
    assert_eq!(begun(b"x"), None);
    assert_eq!(begun(b""), None);
}

proptest! {
    #[test]
    fn no_half_object_makes_it_panic(text in r#"\{[{}\[\],:"\\u0-9a-fn ]{0,80}"#) {
        begun(text.as_bytes());
    }

    #[test]
    fn no_line_makes_it_panic(line in prop::collection::vec(any::<u8>(), 0..200)) {
        objects(&line);
    }

    #[test]
    fn no_json_like_line_makes_it_panic(line in r#"[{}\[\],:"\\u0-9a-fdDE.+-]{0,80}"#) {
        objects(line.as_bytes());
    }

    #[test]
    fn what_is_strict_is_read_alike(text in any::<String>(), number in any::<i64>(), real in -1e300..1e300_f64) {
        let (number, real) = (number >> 11, real.trunc() / 1e300);
        let value = json!({"a": text, "b": [number, {"c": real}], "d": null, "e": false});
        prop_assert_eq!(leniently(value.to_string().as_bytes()), vec![value]);
    }
}
