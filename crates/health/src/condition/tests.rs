use proptest::prelude::*;

use super::*;
use crate::measurement::Body;

fn evaluate(condition: &str, field: Field, value: f64) -> Verdict {
    let condition: Condition = condition.parse().unwrap();
    condition.evaluate(&Measurement::default().with(field, value))
}

fn holds(condition: &str, field: Field, value: f64) -> bool {
    evaluate(condition, field, value) == Verdict::Holds
}

fn holds_for_body(condition: &str, text: &str) -> bool {
    let condition: Condition = condition.parse().unwrap();
    let measurement = Measurement {
        body: Some(Body {
            text: text.to_owned(),
            is_cut: false,
        }),
        ..Measurement::default()
    };
    condition.evaluate(&measurement) == Verdict::Holds
}

fn reason(condition: &str) -> String {
    condition.parse::<Condition>().unwrap_err().to_string()
}

#[test]
fn each_operator_means_what_it_says_at_the_limit() {
    for (operator, below, equal, above) in [
        ("==", false, true, false),
        ("!=", true, false, true),
        ("<", true, false, false),
        ("<=", true, true, false),
        (">", false, false, true),
        (">=", false, true, true),
    ] {
        let condition = format!("status {operator} 200");
        let results = [199.0, 200.0, 201.0].map(|value| holds(&condition, Field::Status, value));
        assert_eq!(results, [below, equal, above], "{condition}");
        // Without spaces as well.
        let condition = format!("status{operator}200");
        assert_eq!(
            holds(&condition, Field::Status, 200.0),
            equal,
            "{condition}"
        );
    }
}

#[test]
fn units_are_read() {
    assert!(holds("response_time < 800ms", Field::ResponseTime, 0.799));
    assert!(!holds("response_time < 800ms", Field::ResponseTime, 0.801));
    assert!(holds("age <= 1d 2h", Field::Age, 93_600.0));
    assert!(holds("free_bytes >= 5GB", Field::FreeBytes, 5e9));
    assert!(!holds("free_bytes >= 5GiB", Field::FreeBytes, 5e9));
    assert!(holds("free_percent > 10%", Field::FreePercent, 10.5));
    assert!(holds("certificate_days > -1", Field::CertificateDays, 0.0));
}

#[test]
fn lists_hold_single_values_and_inclusive_ranges() {
    let condition = "status in (200-299, 404)";
    for (status, expected) in [(200.0, true), (299.0, true), (300.0, false), (404.0, true)] {
        assert_eq!(
            holds(condition, Field::Status, status),
            expected,
            "{status}"
        );
    }
}

#[test]
fn bodies_are_matched() {
    assert!(holds_for_body(
        r#"body matches "add to (cart|bag)""#,
        "<a>add to bag</a>"
    ));
    assert!(!holds_for_body(
        r#"body matches "cart""#,
        "Just a moment..."
    ));
    assert!(holds_for_body(
        r#"body not matches "(?i)captcha""#,
        "welcome"
    ));
    assert!(!holds_for_body(
        r#"body not matches "(?i)captcha""#,
        "CAPTCHA"
    ));
    assert!(holds_for_body(
        r#"body matches '"stock":\s*\d+'"#,
        r#"{"stock": 12}"#
    ));
    assert!(holds_for_body("body == 'OK'", "OK"));
    assert!(holds_for_body(
        r#"body matches "say \"yes\"""#,
        r#"say "yes""#
    ));
}

#[test]
fn what_was_not_measured_neither_holds_nor_fails() {
    let condition: Condition = "certificate_days > 14".parse().unwrap();
    let verdict = condition.evaluate(&Measurement::default());
    assert_eq!(
        verdict,
        Verdict::Unknown(
            "certificate_days was not measured (condition: certificate_days > 14)".to_owned()
        )
    );
}

#[test]
fn a_failure_names_the_value_and_the_condition() {
    let verdict = evaluate("response_time < 800ms", Field::ResponseTime, 1.2345);
    assert_eq!(
        verdict,
        Verdict::Fails("response_time is 1.2 s (condition: response_time < 800ms)".to_owned())
    );
}

#[test]
fn mistakes_are_named_with_their_remedy() {
    insta::assert_snapshot!(
        [
            "statsu == 200",
            "status = 200",
            "status",
            "status ==",
            "status >== 200",
            "status inside (200)",
            "status in 200",
            "status in (300-200)",
            "status == ok",
            "status matches \"2..\"",
            "response_time < 800",
            "response_time < -1s",
            "free_percent > 110",
            "free_bytes > 5 apples",
            "body contains \"x\"",
            "body matches cart",
            "body matches \"cart",
            "body matches \"(\"",
            "body < 3",
            "[STATUS] == 200",
            "[CERTIFICATE_EXPIRATION] > 48h",
            "",
            "zzz == 1",
        ]
        .map(reason)
        .join("\n")
    );
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,40}") {
        let _ = text.parse::<Condition>();
    }

    #[test]
    fn anything_after_a_field_is_read_or_refused(text in "[ -~é]{0,20}") {
        for field in Field::ALL {
            let _ = format!("{} {text}", field.name()).parse::<Condition>();
        }
    }

    #[test]
    fn what_is_read_is_shown_as_it_was_written(status in 0u32..1000, operator in "==|!=|<|<=|>|>=") {
        let text = format!("status {operator} {status}");
        prop_assert_eq!(text.parse::<Condition>().unwrap().to_string(), text);
    }
}
