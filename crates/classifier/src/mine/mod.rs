//! Finds the templates of messages without prior knowledge of their formats.

mod group;
mod tokens;

use std::collections::HashMap;

use rustc_hash::FxBuildHasher;
use xxhash_rust::xxh3::xxh3_64;

use self::tokens::Tokens;

/// Maximum number of different masked lines held in memory.
const MAX_MASKS: usize = 1 << 15;
/// Maximum number of bytes read of a line.
const MAX_LINE: usize = 1 << 10;

/// Finds the templates of a stream of messages, in bounded memory.
///
/// Each message is masked (numbers, addresses, paths and values become `<*>`), and the occurrences of
/// each mask are counted. [`Miner::templates`] then merges masks that differ only in variable words into
/// one template. If there are too many masks, the rarer half is dropped. If that does not help, because
/// almost every line is new, the miner stops learning, and [`Miner::unlearned`] returns the number of
/// messages that are in no template.
///
/// ```
/// use dragline_classifier::Miner;
///
/// let mut miner = Miner::default();
/// for user in ["ann", "bob", "cleo", "dan", "eve"] {
///     miner.observe(&format!("no basket for user {user} on page 7"));
/// }
/// let templates = miner.templates();
/// assert_eq!(templates[0].text, "no basket for user <*> on page <*>");
/// assert_eq!(templates[0].count, 5);
/// ```
#[derive(Debug, Default)]
pub struct Miner {
    masks: HashMap<u64, Mask, FxBuildHasher>,
    seen: u64,
    unlearned: u64,
    /// Messages since masks were last dropped.
    since_forgetting: u64,
    is_full: bool,
    tokens: Tokens,
    scratch: String,
}

#[derive(Debug)]
struct Mask {
    text: Box<str>,
    /// The first message with this mask.
    sample: Box<str>,
    count: u64,
    /// Position of its first occurrence in the stream.
    order: u64,
}

/// A template that messages share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// The id of the template's earliest mask. It stays the same when later messages change the
    /// template's words.
    pub id: u64,
    /// The words, with `<*>` for the variable parts.
    pub text: String,
    /// Number of messages.
    pub count: u64,
    /// The first sample messages, at most three.
    pub samples: Vec<String>,
    /// Ids of the masks in this template, as returned by [`Miner::observe`].
    pub masks: Vec<u64>,
}

impl Miner {
    /// Records a message and returns the id of its mask.
    pub fn observe(&mut self, message: &str) -> u64 {
        self.observe_many(message, 1)
    }

    /// Records a message that occurred `times` times.
    pub fn observe_many(&mut self, message: &str, times: u64) -> u64 {
        let line = message.lines().next().unwrap_or_default();
        let line = dragline_schema::clip(line, MAX_LINE);
        self.tokens.mask(line, &mut self.scratch);
        let id = xxh3_64(self.scratch.as_bytes());
        self.seen += times;
        self.since_forgetting += times;
        if let Some(mask) = self.masks.get_mut(&id) {
            mask.count += times;
            return id;
        }
        if self.masks.len() >= MAX_MASKS {
            self.forget();
        }
        if self.is_full {
            self.unlearned += times;
            return id;
        }
        let mask = Mask {
            text: self.scratch.as_str().into(),
            sample: line.into(),
            count: times,
            order: self.seen,
        };
        self.masks.insert(id, mask);
        id
    }

    /// Drops the rarer half of the masks, or stops learning if that was done only shortly before.
    fn forget(&mut self) {
        if self.since_forgetting < 2 * MAX_MASKS as u64 {
            self.is_full = true;
            return;
        }
        self.since_forgetting = 0;
        let mut counts: Vec<(u64, u64)> = self
            .masks
            .values()
            .map(|mask| (mask.count, mask.order))
            .collect();
        let (_, middle, _) = counts.select_nth_unstable(MAX_MASKS / 2);
        let middle = *middle;
        let rare = self
            .masks
            .extract_if(|_, mask| (mask.count, mask.order) < middle);
        self.unlearned += rare.map(|(_, mask)| mask.count).sum::<u64>();
    }

    /// Number of recorded messages.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Number of recorded messages in no template because there were too many different ones.
    pub fn unlearned(&self) -> u64 {
        self.unlearned
    }

    /// The templates, most frequent first.
    pub fn templates(&self) -> Vec<Template> {
        let mut masks: Vec<(&u64, &Mask)> = self.masks.iter().collect();
        masks.sort_by(|(_, a), (_, b)| a.text.cmp(&b.text));
        let lines: Vec<(&str, u64)> = masks
            .iter()
            .map(|(_, mask)| (&*mask.text, mask.count))
            .collect();
        let mut templates: Vec<Template> = group::group(&lines)
            .into_iter()
            .map(|group| {
                let mut members: Vec<(&u64, &Mask)> =
                    group.lines.iter().map(|line| masks[*line]).collect();
                members.sort_by_key(|(_, mask)| mask.order);
                Template {
                    id: *members[0].0,
                    text: group.words.join(" "),
                    count: members.iter().map(|(_, mask)| mask.count).sum(),
                    samples: members
                        .iter()
                        .take(3)
                        .map(|(_, mask)| mask.sample.to_string())
                        .collect(),
                    masks: members.iter().map(|(id, _)| **id).collect(),
                }
            })
            .collect();
        templates.sort_by(|a, b| (b.count, &a.text).cmp(&(a.count, &b.text)));
        templates
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(miner: &Miner) -> Vec<(String, u64)> {
        miner
            .templates()
            .into_iter()
            .map(|template| (template.text, template.count))
            .collect()
    }

    #[test]
    fn words_that_vary_are_found() {
        let mut miner = Miner::default();
        for (index, name) in ["anna", "bert", "carl", "dora", "emil", "fritz"]
            .iter()
            .enumerate()
        {
            miner.observe(&format!("session closed for user {name}"));
            miner.observe(&format!("session opened for user {name} by (uid={index})"));
        }
        miner.observe("out of paper");
        assert_eq!(
            texts(&miner),
            [
                ("session closed for user <*>".to_owned(), 6),
                ("session opened for user <*> by ( uid = <*> )".to_owned(), 6),
                ("out of paper".to_owned(), 1),
            ]
        );
    }

    #[test]
    fn a_rare_line_of_another_length_joins_what_covers_it() {
        let mut miner = Miner::default();
        for address in 0..20 {
            miner.observe(&format!(
                "clock synchronized to 10.0.0.{address}, stratum 3"
            ));
        }
        miner.observe("clock synchronized to LOCAL(0), stratum 10");
        assert_eq!(
            texts(&miner),
            [("clock synchronized to <*> , stratum <*>".to_owned(), 21)]
        );
    }

    #[test]
    fn an_id_stays_while_the_template_changes() {
        let mut miner = Miner::default();
        miner.observe("cannot open the lid of box red");
        let before = miner.templates()[0].id;
        for colour in ["blue", "green", "white", "black", "grey"] {
            miner.observe(&format!("cannot open the lid of box {colour}"));
        }
        let after = &miner.templates()[0];
        assert_eq!(
            (after.id, after.text.as_str()),
            (before, "cannot open the lid of box <*>")
        );
    }

    #[test]
    fn memory_is_bounded_and_what_is_not_learned_is_counted() {
        let mut miner = Miner::default();
        let word = |mut n: u64| {
            let mut word = String::new();
            for _ in 0..8 {
                word.push(char::from(b'a' + (n % 26) as u8));
                n /= 26;
            }
            word
        };
        for n in 0..200_000 {
            miner.observe(&word(n * 7919));
            miner.observe("a regular line");
        }
        assert!(miner.masks.len() <= MAX_MASKS);
        assert!(miner.unlearned() > 0 && miner.seen() == 400_000);
        let regular = miner
            .masks
            .values()
            .find(|mask| &*mask.text == "a regular line")
            .unwrap();
        assert_eq!(regular.count, 200_000);
        let learned: u64 = miner.masks.values().map(|mask| mask.count).sum();
        assert_eq!(learned + miner.unlearned(), miner.seen());
    }

    proptest! {
        #[test]
        fn every_message_is_in_one_template(messages in prop::collection::vec("[a-c0-1=:() ]{0,30}", 0..60)) {
            let mut miner = Miner::default();
            let ids: Vec<u64> = messages.iter().map(|message| miner.observe(message)).collect();
            let templates = miner.templates();
            prop_assert_eq!(templates.iter().map(|template| template.count).sum::<u64>(), ids.len() as u64);
            for id in ids {
                prop_assert_eq!(templates.iter().filter(|template| template.masks.contains(&id)).count(), 1);
            }
        }
    }
}
