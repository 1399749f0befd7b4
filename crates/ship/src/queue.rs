//! Which text is sent next.

use dragline_ingest::Text;

/// Number of batches of one log before another one has its turn.
const BURST: u32 = 4;

/// The texts of the last look, by log.
///
/// Within a log an older text is sent completely before the next one: the reader on the other side reads lines that belong
/// together in this order. Logs take turns, so that a long one does not keep the others from being up to date. An archive
/// is sent without a pause, because reading goes back to its beginning after another file was read.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    logs: Vec<Vec<Text>>,
    turn: usize,
    /// Batches since the turn began.
    burst: u32,
}

/// What is not sent yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Number of files.
    pub files: u64,
    /// Known number of bytes. The text of archives that were not read yet is not included.
    pub bytes: u64,
}

impl Queue {
    /// Takes the texts of a look, which are sorted by log.
    pub(crate) fn fill(&mut self, texts: &[Text]) {
        let current = self.logs.get(self.turn).and_then(|log| log.first());
        let current = current.map(|text| text.log.clone());
        self.logs = texts
            .chunk_by(|a, b| a.log == b.log)
            .map(<[Text]>::to_vec)
            .collect();
        let is_current = |log: &Vec<Text>| log.first().map(|text| &text.log) >= current.as_ref();
        self.turn = self.logs.iter().position(is_current).unwrap_or_default();
    }

    /// The text whose turn it is; `None` if all is sent.
    pub(crate) fn next(&mut self) -> Option<&Text> {
        let current = self.logs.get(self.turn).into_iter().flatten();
        let current = current.into_iter().find(|text| text.has_more);
        if self.burst >= BURST && !current.is_some_and(|text| text.is_packed) {
            (self.turn, self.burst) = (self.turn + 1, 0);
        }
        let count = self.logs.len();
        let turns = (0..count).map(|nth| (self.turn + nth) % count);
        let has_more = |turn: &usize| self.logs[*turn].iter().any(|text| text.has_more);
        let turn = turns.into_iter().find(has_more)?;
        if turn != self.turn {
            (self.turn, self.burst) = (turn, 0);
        }
        self.burst += 1;
        self.logs[turn].iter().find(|text| text.has_more)
    }

    /// The text with this number.
    pub(crate) fn get(&self, number: u64) -> Option<&Text> {
        self.logs
            .iter()
            .flatten()
            .find(|text| text.number == number)
    }

    /// A text was taken up to here.
    pub(crate) fn take(&mut self, number: u64, offset: u64) {
        for text in self
            .logs
            .iter_mut()
            .flatten()
            .filter(|text| text.number == number)
        {
            text.offset = offset;
            text.end = text.end.max(offset);
            text.has_more = text.offset < text.end || text.is_packed;
        }
    }

    /// Nothing more of a text is sent before the next look.
    pub(crate) fn leave(&mut self, number: u64) {
        for text in self
            .logs
            .iter_mut()
            .flatten()
            .filter(|text| text.number == number)
        {
            text.has_more = false;
        }
    }

    /// What is not sent yet.
    pub(crate) fn waiting(&self) -> Waiting {
        let waiting = self.logs.iter().flatten().filter(|text| text.has_more);
        waiting.fold(Waiting::default(), |sum, text| Waiting {
            files: sum.files + 1,
            bytes: sum.bytes + (text.end - text.offset),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(number: u64, log: &str, end: u64) -> Text {
        Text {
            number,
            log: log.to_owned(),
            path: log.into(),
            base: 0,
            offset: 0,
            end,
            has_more: true,
            is_packed: false,
        }
    }

    #[test]
    fn logs_take_turns_and_files_of_a_log_keep_their_order() {
        let mut queue = Queue::default();
        queue.fill(&[text(1, "a", 6), text(2, "a", 6), text(3, "b", 6)]);
        assert_eq!(
            queue.waiting(),
            Waiting {
                files: 3,
                bytes: 18
            }
        );
        let mut sent = Vec::new();
        while let Some(next) = queue.next() {
            let (number, offset) = (next.number, next.offset + 1);
            sent.push(number);
            queue.take(number, offset);
        }
        assert_eq!(sent, [1, 1, 1, 1, 3, 3, 3, 3, 1, 1, 2, 2, 3, 3, 2, 2, 2, 2]);
        assert_eq!(queue.waiting(), Waiting::default());
    }

    #[test]
    fn an_archive_is_sent_without_a_pause() {
        let mut queue = Queue::default();
        let archive = Text {
            is_packed: true,
            ..text(1, "a", 0)
        };
        queue.fill(&[archive, text(2, "b", 6)]);
        for offset in 1..20 {
            assert_eq!(queue.next().map(|text| text.number), Some(1));
            queue.take(1, offset);
        }
        queue.leave(1);
        assert_eq!(queue.next().map(|text| text.number), Some(2));
    }
}
