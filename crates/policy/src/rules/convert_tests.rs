use cedar_policy::{Context, EvalResult};
use proptest::prelude::*;
use serde_json::json;

use super::*;

/// The value as Cedar prints it, after it was evaluated.
fn shown(value: &Value) -> Result<String, Unrepresentable> {
    let Value::Object(members) = json!({ "v": value }) else { unreachable!("it is an object") };
    let record = arguments(Some(&members))?;
    let context = Context::from_pairs([("args".to_owned(), record)]).expect("it evaluates");
    let Some(EvalResult::Record(args)) = context.get("args") else { panic!("no record") };
    Ok(args.get("v").map_or_else(|| "absent".to_owned(), |value| value.to_string()))
}

#[test]
fn each_kind_of_json_has_one_value() {
    for (given, expected) in [
        (json!(null), "absent"),
        (json!(true), "true"),
        (json!(-5), "-5"),
        (json!(i64::MAX), "9223372036854775807"),
        (json!("a\"\0ü"), r#""a\"\0ü""#),
        (json!([]), "[]"),
        (json!([null, null]), "[]"),
        (json!([2, 2]), "[2]"),
        (json!({"a": null}), "{}"),
        (
            json!({"__extn": {"fn": "decimal", "arg": "1.0"}}),
            r#"{"__extn": {"arg": "1.0", "fn": "decimal"}}"#,
        ),
    ] {
        assert_eq!(shown(&given).as_deref(), Ok(expected), "{given}");
    }
}

#[test]
fn fractions_are_decimals_or_nothing() {
    for (given, expected) in [
        (0.5, Some("0.5000")),
        (-0.1, Some("-0.1000")),
        (-0.0, Some("0.0000")),
        (3.0, Some("3.0000")),
        (1e3, Some("1000.0000")),
        (12345.6789, Some("12345.6789")),
        (0.0001, Some("0.0001")),
        (0.00005, None),
        (0.12345, None),
        (1.0 / 3.0, None),
        (1e300, None),
        (-1e300, None),
        (5e-324, None),
        (f64::NAN, None),
        (f64::INFINITY, None),
        (112_589_990_684.262_3, Some("112589990684.2623")),
        (112_589_990_684.5, None),
    ] {
        assert_eq!(decimal(given).as_deref(), expected, "{given}");
    }
}

#[test]
fn what_has_no_value_is_refused_with_its_reason() {
    let nested = |levels: usize| (1..levels).fold(json!(1), |inner, _| json!([inner]));
    for (name, given, expected) in [
        ("deep enough", nested(DEPTH), None),
        ("too deep", nested(DEPTH + 1), Some(Unrepresentable::Depth)),
        (
            "too deep objects",
            (0..DEPTH).fold(json!({}), |inner, _| json!({"a": inner})),
            Some(Unrepresentable::Depth),
        ),
        ("large", json!(u64::MAX), Some(Unrepresentable::Integer)),
        ("just too large", json!(9_223_372_036_854_775_808_u64), Some(Unrepresentable::Integer)),
        ("fraction", json!([0.123_456]), Some(Unrepresentable::Fraction)),
        ("many", json!(vec![1; VALUES]), Some(Unrepresentable::Values)),
        ("many nulls", json!(vec![Value::Null; VALUES]), Some(Unrepresentable::Values)),
        ("long", json!("x".repeat(TEXT)), Some(Unrepresentable::Text)),
        ("long name", json!({"x".repeat(TEXT): 1}), Some(Unrepresentable::Text)),
    ] {
        assert_eq!(shown(&given).err(), expected, "{name}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (any::<i32>(), 0..6_i32)
            .prop_map(|(whole, places)| Value::from(f64::from(whole) / 10_f64.powi(places))),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(20, 64, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    /// Whatever comes is a value or refused, and what is a value can be evaluated.
    #[test]
    fn t_policy_sandbox_any_json_is_a_value_or_refused(value in any_json()) {
        let _ = shown(&value);
    }

    #[test]
    fn a_decimal_reads_as_the_number_it_came_from(whole in -1_125_899_906_842_623_i64..1_125_899_906_842_624) {
        #[expect(clippy::cast_precision_loss, reason = "below 2^50")]
        let float = whole as f64 / 10_000.0;
        let text = decimal(float).expect("four decimals");
        prop_assert_eq!(text.parse::<f64>().expect("a number"), float);
        prop_assert_eq!(text.replace('.', "").parse::<i64>().expect("whole"), whole);
    }
}
