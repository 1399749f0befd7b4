//! Groups masked lines into templates.
//!
//! The algorithm follows Brain (Yu et al., "Brain: Log Parsing with Bidirectional Parallel Tree", IEEE
//! TSC 2023): words of a line that occur equally often at their positions belong together. The largest
//! such set is what the lines of a template share; a position with many different rarer words is
//! variable. Two parts are additions: the first word of a line may take more values before it counts as
//! variable, and lines of different lengths are merged at the end if the variable part of a frequent
//! template can cover the words that a rare one has in its place.

use std::collections::{BTreeMap, HashMap};

use super::tokens::VARIABLE;

/// A position with more different words than this is variable.
const FEW: usize = 4;
/// The same limit for the first position of a line.
const FEW_AT_START: usize = 30;
/// Maximum number of words of a rare template that a variable part of a frequent one covers.
const COVERED: usize = 6;

/// Masked lines that form one template.
#[derive(Debug)]
pub(super) struct Grouped {
    /// Indices of the lines in the input.
    pub(super) lines: Vec<usize>,
    /// The words that the lines share, with `<*>` for the variable parts.
    pub(super) words: Vec<String>,
}

/// Groups masked lines (words separated by a space), each with its number of occurrences. The result
/// is deterministic for the same lines in the same order.
pub(super) fn group(masked: &[(&str, u64)]) -> Vec<Grouped> {
    let mut vocabulary = Vocabulary::default();
    let lines: Vec<Line> = masked
        .iter()
        .map(|(text, count)| Line {
            words: text.split(' ').map(|word| vocabulary.id(word)).collect(),
            count: *count,
        })
        .collect();
    vocabulary.count(&lines);
    let mut by_length: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (place, line) in lines.iter().enumerate() {
        by_length.entry(line.words.len()).or_default().push(place);
    }
    let mut templates: Vec<Template> = by_length
        .into_values()
        .flat_map(|places| of_one_length(&lines, &places, &vocabulary))
        .map(|places| Template::of(&lines, places))
        .collect();
    templates.sort_by(|a, b| (b.count, &a.words).cmp(&(a.count, &b.words)));
    merge_covered(templates, &vocabulary)
        .into_iter()
        .map(|template| Grouped {
            lines: template.lines,
            words: template
                .words
                .iter()
                .map(|word| vocabulary.names[*word as usize].clone())
                .collect(),
        })
        .collect()
}

struct Line {
    words: Vec<u32>,
    count: u64,
}

/// Maps words to ids; 0 is the variable part.
#[derive(Default)]
struct Vocabulary {
    ids: HashMap<String, u32>,
    names: Vec<String>,
    /// For each word, whether it contains a letter.
    is_word: Vec<bool>,
    /// For each word, the number of lines that contain it.
    lines: Vec<u64>,
}

impl Vocabulary {
    fn id(&mut self, word: &str) -> u32 {
        if self.names.is_empty() {
            self.add(VARIABLE);
        }
        match self.ids.get(word) {
            Some(id) => *id,
            None => self.add(word),
        }
    }

    fn add(&mut self, word: &str) -> u32 {
        let id = self.names.len() as u32;
        self.ids.insert(word.to_owned(), id);
        self.names.push(word.to_owned());
        self.is_word
            .push(word != VARIABLE && word.chars().any(char::is_alphabetic));
        id
    }

    fn count(&mut self, lines: &[Line]) {
        self.lines = vec![0; self.names.len()];
        let mut seen = Vec::new();
        for line in lines {
            seen.clone_from(&line.words);
            seen.sort_unstable();
            seen.dedup();
            seen.iter()
                .for_each(|word| self.lines[*word as usize] += line.count);
        }
    }

    fn is_word(&self, id: u32) -> bool {
        self.is_word[id as usize]
    }
}

const ANY: u32 = 0;

/// A frequency, and the columns with that frequency and their words.
type Root = (u64, Vec<(usize, u32)>);

/// Groups lines of equal length.
fn of_one_length(lines: &[Line], places: &[usize], vocabulary: &Vocabulary) -> Vec<Vec<usize>> {
    let width = lines[places[0]].words.len();
    let mut counts: Vec<HashMap<u32, u64>> = vec![HashMap::new(); width];
    for place in places {
        for (column, word) in lines[*place].words.iter().enumerate() {
            *counts[column].entry(*word).or_default() += lines[*place].count;
        }
    }
    // The key is what lines share: columns and words that occur equally often.
    let mut roots: BTreeMap<Root, Vec<usize>> = BTreeMap::new();
    for place in places {
        let words = &lines[*place].words;
        let often = |column: usize| counts[column][&words[column]];
        let root = root_frequency(words, often, vocabulary);
        let shared = (0..width).filter(|column| words[*column] != ANY && often(*column) == root);
        let shared = shared.map(|column| (column, words[column])).collect();
        roots.entry((root, shared)).or_default().push(*place);
    }
    let split = |(root, members): (Root, Vec<usize>)| split(lines, &members, &root, &counts);
    roots.into_iter().flat_map(split).collect()
}

/// The frequency that most of the line's words share; the greater one on a tie.
fn root_frequency(words: &[u32], often: impl Fn(usize) -> u64, vocabulary: &Vocabulary) -> u64 {
    let most_shared = |takes: &dyn Fn(u32) -> bool| {
        let mut shares: Vec<(u64, u64)> = Vec::new();
        for column in (0..words.len()).filter(|column| takes(words[*column])) {
            let frequency = often(column);
            match shares.iter_mut().find(|(_, held)| *held == frequency) {
                Some((count, _)) => *count += 1,
                None => shares.push((1, frequency)),
            }
        }
        shares.into_iter().max().map(|(_, frequency)| frequency)
    };
    most_shared(&|word| vocabulary.is_word(word))
        .or_else(|| most_shared(&|word| word != ANY))
        .unwrap_or(0)
}

/// Splits lines that share a root by the words in further columns that are constant within a template.
fn split(
    lines: &[Line],
    members: &[usize],
    (root, shared): &Root,
    counts: &[HashMap<u32, u64>],
) -> Vec<Vec<usize>> {
    let is_constant = |column: &usize| {
        if shared.iter().any(|(held, _)| held == column) {
            return false;
        }
        let mut words: Vec<u32> = members
            .iter()
            .map(|place| lines[*place].words[*column])
            .collect();
        words.sort_unstable();
        words.dedup();
        let limit = if *column == 0 { FEW_AT_START } else { FEW };
        let is_few = !words.contains(&ANY) && words.len() <= limit;
        words.len() > 1 && (is_few || words.iter().all(|word| counts[*column][word] > *root))
    };
    let constant: Vec<usize> = (0..counts.len()).filter(is_constant).collect();
    let mut groups: BTreeMap<Vec<u32>, Vec<usize>> = BTreeMap::new();
    for place in members {
        let key = constant
            .iter()
            .map(|column| lines[*place].words[*column])
            .collect();
        groups.entry(key).or_default().push(*place);
    }
    groups.into_values().collect()
}

struct Template {
    count: u64,
    words: Vec<u32>,
    lines: Vec<usize>,
}

impl Template {
    fn of(lines: &[Line], places: Vec<usize>) -> Self {
        let first = &lines[places[0]].words;
        let mut words = Vec::with_capacity(first.len());
        for (column, word) in first.iter().enumerate() {
            let is_shared = places
                .iter()
                .all(|place| lines[*place].words[column] == *word);
            let word = if is_shared { *word } else { ANY };
            if word != ANY || words.last() != Some(&ANY) {
                words.push(word);
            }
        }
        Self {
            count: places.iter().map(|place| lines[*place].count).sum(),
            words,
            lines: places,
        }
    }
}

/// Merges rare templates, which are last in the list, into the most frequent template that covers them.
fn merge_covered(templates: Vec<Template>, vocabulary: &Vocabulary) -> Vec<Template> {
    let mut kept: Vec<Template> = Vec::new();
    for template in templates {
        let covers = |large: &&mut Template| {
            large.count >= 2 * template.count && covers(&large.words, &template, vocabulary)
        };
        match kept.iter_mut().find(covers) {
            Some(large) => large.lines.extend(template.lines),
            None => kept.push(template),
        }
    }
    kept
}

/// Whether `words` match the template if each variable part stands for up to six of its words. A
/// variable part never covers words that are common elsewhere.
fn covers(words: &[u32], template: &Template, vocabulary: &Vocabulary) -> bool {
    let constants = words.iter().filter(|word| vocabulary.is_word(**word));
    let is_telling = words.contains(&ANY) && constants.clone().count() >= 3;
    if !is_telling || !constants.clone().all(|word| template.words.contains(word)) {
        return false;
    }
    let is_rare = |word: u32| {
        !vocabulary.is_word(word) || vocabulary.lines[word as usize] <= 4 * template.count
    };
    // `reached[n]`: whether the words so far cover the first n words of the template.
    let length = template.words.len();
    let mut reached = vec![false; length + 1];
    reached[0] = true;
    for word in words {
        let mut next = vec![false; length + 1];
        for start in (0..=length).filter(|start| reached[*start]) {
            if *word != ANY {
                if template.words.get(start) == Some(word) {
                    next[start + 1] = true;
                }
                continue;
            }
            next[start] = true;
            let covered = template.words[start..]
                .iter()
                .take(COVERED)
                .take_while(|word| is_rare(**word));
            let places = next[start + 1..].iter_mut();
            covered.zip(places).for_each(|(_, place)| *place = true);
        }
        reached = next;
    }
    reached[length]
}
