use super::*;
use dragline_schema::{Adjustment, Cause};
use proptest::prelude::*;
use std::sync::LazyLock;

static RULES: LazyLock<RuleSet> = LazyLock::new(RuleSet::shipped);

#[test]
fn the_shipped_rules_pass_their_own_tests() {
    let failures = RULES.failing_tests();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    let tested = RULES
        .rules()
        .iter()
        .filter(|rule| !rule.tests.matching.is_empty())
        .count();
    assert_eq!(tested, RULES.rules().len(), "every rule has test texts");
}

#[test]
fn the_shipped_patterns_compile() {
    for rule in load::shipped().unwrap() {
        if let Err(error) = rule.check_patterns() {
            panic!("{}: {error}", rule.id);
        }
    }
}

#[test]
fn a_root_cause_outranks_its_symptom() {
    let error = ErrorText {
        error_type: "shop.errors.PageError".into(),
        message: "page 3 could not be read".into(),
        causes: vec![Cause {
            error_type: "httpcore.ReadTimeout".into(),
            error_message: "The read operation timed out".into(),
        }],
        ..ErrorText::default()
    };
    let verdict = RULES.classify(&error);
    assert_eq!(
        (verdict.category, verdict.sub_category),
        (ErrorCategory::Network, "timeout")
    );
}

#[test]
fn a_rule_reads_only_its_fields() {
    let rule = |id: &str, fields: &str| {
        format!(
            "[[rule]]\nid='{id}'\ncategory='network'\nsub_category='x'\nseverity='low'\nfields=[{fields}]\npatterns=['bad']\n"
        )
    };
    let winner = |fields: &str, error: &ErrorText<'_>| {
        let rules = RuleSet::from_texts(&[("r".into(), rule("a", fields))]).unwrap();
        rules.classify(error).rule.is_some()
    };
    let error = |error_type: &'static str, message: &'static str, cause: &'static str| ErrorText {
        error_type: error_type.into(),
        message: message.into(),
        causes: vec![Cause {
            error_message: cause.into(),
            ..Cause::default()
        }],
        ..ErrorText::default()
    };
    for (fields, in_type, in_message, in_cause) in [
        ("'type','message','cause'", true, true, true),
        ("'type'", true, false, false),
        ("'message'", false, true, false),
        ("'cause'", false, false, true),
        ("'status'", false, false, false),
        ("'url','traceback'", false, false, false),
    ] {
        assert_eq!(winner(fields, &error("Bad", "x", "x")), in_type, "{fields}");
        assert_eq!(
            winner(fields, &error("X", "bad", "x")),
            in_message,
            "{fields}"
        );
        assert_eq!(
            winner(fields, &error("", "bad", "x")),
            in_message,
            "{fields}"
        );
        assert_eq!(
            winner(fields, &error("X", "x", "bad")),
            in_cause,
            "{fields}"
        );
    }
}

#[test]
fn context_reaches_the_verdict() {
    let context = Context {
        critical_sites: ["shop".to_owned()].into(),
        ..Context::default()
    };
    let rules = RuleSet::shipped().with_context(context);
    let error = ErrorText {
        message: "nobody knows what".into(),
        site: Some("shop"),
        ..ErrorText::default()
    };
    let verdict = rules.classify(&error);
    assert_eq!(verdict.severity, Severity::High);
    assert_eq!(verdict.adjustments, [Adjustment::SitePriority]);
}

#[test]
fn rules_read_urls_tracebacks_and_statuses() {
    let rule = |id: &str, field: &str, pattern: &str| {
        format!(
            "[[rule]]\nid='{id}'\ncategory='network'\nsub_category='x'\nseverity='low'\nfields=['{field}']\npatterns=['{pattern}']\n"
        )
    };
    let text = [
        rule("u", "url", "/login\\b"),
        rule("t", "traceback", "in parse_price"),
        rule("s", "status", "^5\\d\\d$"),
    ];
    let rules = RuleSet::from_texts(&[("r".into(), text.concat())]).unwrap();
    let winner = |error: ErrorText<'_>| rules.classify(&error).rule.map(str::to_owned);
    let error = ErrorText::default;
    assert_eq!(
        winner(ErrorText {
            url: Some("https://x.test/login?a"),
            ..error()
        })
        .as_deref(),
        Some("u")
    );
    let frames = "Traceback (most recent call last):\n  File \"a.py\", line 3, in parse_price\nValueError: x";
    assert_eq!(
        winner(ErrorText {
            traceback: Some(frames),
            ..error()
        })
        .as_deref(),
        Some("t")
    );
    assert_eq!(
        winner(ErrorText {
            status_code: Some(503),
            ..error()
        })
        .as_deref(),
        Some("s")
    );
    assert_eq!(
        winner(ErrorText {
            status_code: Some(404),
            message: "503 in parse_price /login".into(),
            ..error()
        }),
        None
    );
}

#[test]
fn faults_in_rule_files_are_named_with_their_place() {
    let error = |text: &str| {
        RuleSet::from_texts(&[("mine.toml".into(), text.into())])
            .unwrap_err()
            .to_string()
    };
    let rule = |rest: &str| {
        format!("[[rule]]\nid='x'\ncategory='network'\nsub_category='y'\nseverity='low'\n{rest}")
    };
    assert!(error(&rule("patterns=['a(b']")).contains("unclosed group"));
    assert!(error(&rule("patterns=['a']\npriorty=3")).contains("priorty"));
    assert!(error(&rule("patterns=[]")).contains("could never win"));
    assert!(error("[[rule]]\nid='x'\ncategory='nature'").contains("nature"));
    let twice = format!("{0}patterns=['a']\n{0}patterns=['b']\n", rule(""));
    assert!(error(&twice).contains("duplicate rule id x"));
}

proptest! {
    #[test]
    fn digits_and_hex_in_a_benign_message_change_nothing(
        number in 0u64..100_000,
        hex in "[0-9a-f]{3,40}",
        status in 100u16..600,
    ) {
        for message in [
            format!("order {number} was moved to shelf {status}"),
            format!("price is {number}.{status} for sku {status}-{number}"),
            format!("listening on 127.0.0.1:{status}"),
            format!("object {hex} was seen"),
        ] {
            let error = ErrorText { message: message.clone().into(), ..ErrorText::default() };
            prop_assert_eq!(RULES.classify(&error).rule, None, "{}", message);
        }
    }
}
