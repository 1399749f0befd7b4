//! Words that say that something is announced, repeated or did not happen: what they are about is no request and no item.

/// Words of messages that repeat, announce or exclude something.
const DENIALS: [&str; 44] = [
    "again",
    "already",
    "backing",
    "backoff",
    "before",
    "cached",
    "cannot",
    "delay",
    "delaying",
    "discovered",
    "drop",
    "dropped",
    "duplicate",
    "enqueue",
    "enqueued",
    "error",
    "exception",
    "failed",
    "failure",
    "ignored",
    "ignoring",
    "invalid",
    "next",
    "not",
    "pause",
    "pausing",
    "queue",
    "queued",
    "redirect",
    "retry",
    "retrying",
    "scheduled",
    "seen",
    "skip",
    "skipped",
    "skipping",
    "sleep",
    "sleeping",
    "starting",
    "throttled",
    "unchanged",
    "until",
    "wait",
    "waiting",
];

/// Whether a message announces, repeats or excludes something.
pub(super) fn is_denied(message: &str) -> bool {
    message.split(|c: char| !c.is_alphanumeric()).any(|word| {
        DENIALS
            .iter()
            .any(|denial| word.eq_ignore_ascii_case(denial))
    })
}
