//! Templates of messages, found without being told.

mod group;
mod tokens;

use std::collections::HashMap;

use rustc_hash::FxBuildHasher;
use xxhash_rust::xxh3::xxh3_64;

use self::tokens::Tokens;

/// So many different masked lines are held.
const MAX_MASKS: usize = 1 << 15;
/// Of a line so many bytes are looked at.
const MAX_LINE: usize = 1 << 10;

/// Finds the templates of a stream of messages, in bounded memory.
///
/// Each message is masked (numbers, addresses, paths, values become `<*>`), and different masks are
/// counted. [`Miner::templates`] then finds which masks are one template, because words of theirs
/// vary too. When there are too many masks, the rarest half is forgotten; when that is of no avail,
/// because almost every line is new, nothing is learned any more, and [`Miner::unlearned`] says how many
/// lines that concerns.
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
    /// Lines since the last time that masks had to be forgotten.
    since_forgetting: u64,
    is_full: bool,
    tokens: Tokens,
    scratch: String,
}

#[derive(Debug)]
struct Mask {
    text: Box<str>,
    /// The first message that had it.
    sample: Box<str>,
    count: u64,
    /// When it came first.
    order: u64,
}

/// What messages have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// Stays the same when more messages come and the template's words change with them: it is
    /// made of the mask that came first.
    pub id: u64,
    /// The words, with `<*>` for what varies.
    pub text: String,
    /// How many messages.
    pub count: u64,
    /// Some of them, at most three, the first ones.
    pub samples: Vec<String>,
    /// The masks that are this template, as [`Miner::observe`] returned them.
    pub masks: Vec<u64>,
}

impl Miner {
    /// Takes a message; gives the id of its mask.
    pub fn observe(&mut self, message: &str) -> u64 {
        self.observe_many(message, 1)
    }

    /// Takes a message that came so many times.
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

    /// Forgets the rarer half, unless that had to be done a moment ago.
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

    /// How many messages were taken.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// How many of them are in no template, because there were too many different ones.
    pub fn unlearned(&self) -> u64 {
        self.unlearned
    }

    /// The templates, the most frequent first.
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
