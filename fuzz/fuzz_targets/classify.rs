//! Any bytes as an error, as a rule file and as a stream of messages: nothing panics, nothing hangs.

#![no_main]

use std::cell::RefCell;
use std::sync::LazyLock;

use dragline_classifier::{Miner, RuleSet, fingerprint, mask};
use dragline_schema::{Cause, Classify as _, ErrorText};
use libfuzzer_sys::fuzz_target;

static RULES: LazyLock<RuleSet> = LazyLock::new(RuleSet::shipped);

thread_local! {
    static MINER: RefCell<Miner> = RefCell::default();
}

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let mut parts = text.splitn(5, '\0');
    let mut part = || parts.next().unwrap_or_default();
    let (error_type, message, cause, url) = (part(), part(), part(), part());
    let error = ErrorText {
        error_type: error_type.into(),
        message: message.into(),
        causes: vec![Cause {
            error_type: url.into(),
            error_message: cause.into(),
        }],
        traceback: Some(cause),
        url: Some(url),
        status_code: data.first().map(|byte| u16::from(*byte) * 4),
        ..ErrorText::default()
    };
    let first = RULES.classify(&error);
    // The second time it is remembered, and explained it is the same.
    assert_eq!(first, RULES.classify(&error));
    assert_eq!(
        first.rule,
        RULES
            .explain(&error)
            .first()
            .map(|hit| hit.rule.id.as_str())
    );
    let template = mask(message);
    fingerprint(first.category, error_type, &template, None);
    MINER.with_borrow_mut(|miner| {
        miner.observe(message);
        if miner.seen() > 2_000 {
            miner.templates();
            *miner = Miner::default();
        }
    });
    if data.len() < 2_000 {
        let _ = RuleSet::from_texts(&[("fuzz.toml".to_owned(), text.into_owned())]);
    }
});
