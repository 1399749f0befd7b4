//! How fast errors are classified: against a plain loop over the rules and against one `RegexSet`.
//!
//! The texts are the open half of `fixtures/errors`. *all different* has a word in front that
//! differs every time; *repeating* sees twenty of them, with a number in front that does.

#![allow(missing_docs, reason = "criterion's macros make the items")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dragline_classifier::{RuleSet, mask};
use dragline_schema::{Classify as _, ErrorText};
use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

/// Errors as `(type, message)`.
type Errors = Vec<(String, String)>;

fn open_half() -> Errors {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/errors/open.jsonl");
    let text = std::fs::read_to_string(path).expect("the fixtures are there");
    let part =
        |object: &serde_json::Value, key: &str| object[key].as_str().unwrap_or_default().to_owned();
    let parse = |line: &str| {
        let object: serde_json::Value = serde_json::from_str(line).expect("a line is an object");
        (part(&object, "error_type"), part(&object, "error_message"))
    };
    text.lines().map(parse).collect()
}

/// The errors again and again, 20,000 in all, with something in front that differs each time:
/// letters, which no memory levels, or a number.
fn varied(errors: &[(String, String)], by_letters: bool) -> Errors {
    let vary = |(index, (error_type, message)): (usize, &(String, String))| {
        let mut number = (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16;
        let mut front = number.to_string();
        if by_letters {
            front.clear();
            for _ in 0..10 {
                front.push(char::from(b'a' + (number % 26) as u8));
                number /= 26;
            }
        }
        (error_type.clone(), format!("{front}: {message}"))
    };
    errors
        .iter()
        .cycle()
        .take(20_000)
        .enumerate()
        .map(vary)
        .collect()
}

fn as_texts(errors: &Errors) -> Vec<ErrorText<'_>> {
    fn text((error_type, message): &(String, String)) -> ErrorText<'_> {
        ErrorText {
            error_type: error_type.as_str().into(),
            message: message.as_str().into(),
            ..ErrorText::default()
        }
    }
    errors.iter().map(text).collect()
}

fn any_of(patterns: &[String]) -> String {
    patterns
        .iter()
        .map(|pattern| format!("(?:{pattern})"))
        .collect::<Vec<_>>()
        .join("|")
}

fn plain_loop(rules: &RuleSet) -> Vec<(i32, Regex)> {
    let compile = |rule: &dragline_classifier::Rule| {
        let regex = RegexBuilder::new(&any_of(&rule.patterns))
            .case_insensitive(true)
            .unicode(false)
            .build();
        (rule.priority, regex.expect("a shipped pattern"))
    };
    let mut all: Vec<_> = rules.rules().iter().map(compile).collect();
    all.sort_by_key(|(priority, _)| std::cmp::Reverse(*priority));
    all
}

fn one_set(rules: &RuleSet) -> RegexSet {
    RegexSetBuilder::new(rules.rules().iter().map(|rule| any_of(&rule.patterns)))
        .case_insensitive(true)
        .unicode(false)
        .size_limit(64 << 20)
        .dfa_size_limit(16 << 20)
        .build()
        .expect("the shipped patterns")
}

fn classifying(criterion: &mut Criterion) {
    let rules = RuleSet::shipped();
    let open = open_half();
    let different = varied(&open, true);
    let repeating = varied(&open.iter().step_by(29).cloned().collect::<Vec<_>>(), false);
    let joined: Vec<String> = different
        .iter()
        .map(|(error_type, message)| format!("{error_type}: {message}"))
        .collect();

    let mut group = criterion.benchmark_group("classify");
    group
        .sample_size(10)
        .throughput(Throughput::Elements(different.len() as u64));
    for (name, errors) in [("all different", &different), ("repeating", &repeating)] {
        let texts = as_texts(errors);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                texts
                    .iter()
                    .for_each(|text| drop(black_box(rules.classify(text))));
            });
        });
    }
    let set = one_set(&rules);
    group.throughput(Throughput::Elements(500));
    group.bench_function("all different, one RegexSet", |bencher| {
        bencher.iter(|| {
            joined
                .iter()
                .map(|text| set.matches(text.as_bytes()).iter().count())
                .sum::<usize>()
        });
    });
    group.throughput(Throughput::Elements(different.len() as u64));
    let plain = plain_loop(&rules);
    group.bench_function("all different, a plain loop", |bencher| {
        let winner = |text: &String| {
            plain
                .iter()
                .position(|(_, regex)| regex.is_match(text.as_bytes()))
        };
        bencher.iter(|| joined.iter().filter_map(winner).sum::<usize>());
    });
    group.bench_function("masking", |bencher| {
        bencher.iter(|| {
            different
                .iter()
                .map(|(_, message)| mask(message).len())
                .sum::<usize>()
        });
    });
    group.finish();
    criterion.bench_function("read the shipped rules", |bencher| {
        bencher.iter(RuleSet::shipped);
    });
}

criterion_group!(benches, classifying);
criterion_main!(benches);
