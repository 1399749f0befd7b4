//! Change points: thin vertical lines with a date and a label, in rows above the plot.

use crate::svg::{Anchor, Canvas, Path};
use crate::text::{fit, width as text_width};
use crate::time::Civil;

/// A change point: something that happened at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// The time, in microseconds since 1970 UTC. Drawn only if it is within the chart's time range.
    pub time: i64,
    /// A label of one or two words: `layout changed`.
    pub label: String,
}

const ROW: f64 = 15.0;
/// Maximum number of label rows. Further marks keep their line, and the table has their label.
const ROWS: usize = 4;
/// The distance between a line and its label.
const SPACE: f64 = 4.0;

/// A mark with its position.
struct Placed {
    x: f64,
    start: f64,
    end: f64,
    text: String,
    /// The row, from the top; beyond [`ROWS`], only the line is drawn.
    row: usize,
}

/// The marks of a chart, arranged.
pub(crate) struct Marks {
    placed: Vec<Placed>,
}

impl Marks {
    /// Arranges marks, given with their x positions, in as few rows as possible without overlapping
    /// labels. A label is to the right of its line if there is room, otherwise to the left.
    pub(crate) fn arrange<'a>(marks: impl Iterator<Item = (f64, &'a Mark)>, width: f64) -> Self {
        let mut marks: Vec<Placed> = marks.map(|(x, mark)| beside(x, mark, width)).collect();
        marks.sort_by(|a, b| a.x.total_cmp(&b.x).then_with(|| a.text.cmp(&b.text)));
        // A line runs from its label down through the rows below. Therefore, of labels to the left
        // of their lines, the last is the highest; of labels to the right, the first.
        let (left, right): (Vec<_>, Vec<_>) =
            marks.into_iter().partition(|mark| mark.start < mark.x);
        let mut placed: Vec<Placed> = Vec::new();
        for mut mark in left.into_iter().rev().chain(right) {
            let lowest = placed.iter().map(|other| other.row + 1).max().unwrap_or(0);
            let free = |row: &usize| placed.iter().all(|other| other.leaves(*row, &mark));
            mark.row = (0..lowest).find(free).unwrap_or(lowest);
            placed.push(mark);
        }
        Self { placed }
    }

    /// The height of the rows, including the space above the plot.
    pub(crate) fn height(&self) -> f64 {
        let lowest = self
            .placed
            .iter()
            .map(|mark| mark.row + 1)
            .max()
            .unwrap_or(0);
        if lowest == 0 {
            0.0
        } else {
            ROW * lowest.min(ROWS) as f64 + 6.0
        }
    }

    /// Draws the lines down to the plot's bottom, and the labels above its top.
    pub(crate) fn draw(&self, canvas: &mut Canvas, top: f64, bottom: f64) {
        let first = top - self.height();
        let row_top = |mark: &Placed| first + ROW * mark.row.min(ROWS) as f64;
        for mark in &self.placed {
            canvas.line("mark", (mark.x, row_top(mark)), (mark.x, bottom));
        }
        // Labels come after the lines, on an area that covers those that would cross them.
        let labelled = || self.placed.iter().filter(|mark| mark.row < ROWS);
        let mut covers = Path::default();
        for mark in labelled() {
            let size = mark.end - mark.start;
            covers.rect(mark.start - 1.0, row_top(mark), size + 2.0, ROW - 2.0);
        }
        canvas.path("cover", &covers);
        for mark in labelled() {
            canvas.text(
                mark.start,
                row_top(mark) + 9.0,
                Anchor::Start,
                "halo",
                &mark.text,
            );
        }
    }
}

impl Placed {
    /// Whether `other` fits into the row without overlapping this mark's label or line.
    fn leaves(&self, row: usize, other: &Self) -> bool {
        let apart = |a: &Self, b: &Self| a.end.max(a.x) + 8.0 <= b.start.min(b.x);
        match self.row.cmp(&row) {
            std::cmp::Ordering::Less => self.x <= other.start || self.x >= other.end,
            std::cmp::Ordering::Equal => apart(self, other) || apart(other, self),
            std::cmp::Ordering::Greater => other.x <= self.start || other.x >= self.end,
        }
    }
}

/// Places a mark's label on a side of its line that has room for it; cut if neither has.
fn beside(x: f64, mark: &Mark, width: f64) -> Placed {
    let date = Civil::of(mark.time).day_and_clock();
    let (left, right) = (x - SPACE, width - x - SPACE);
    let room = left.max(right) - text_width(&date) - 5.0;
    let text = format!("{date} {}", fit(&mark.label, room));
    let text = text.trim_end().to_owned();
    let size = text_width(&text);
    let start = if size <= right || right >= left {
        x + SPACE
    } else {
        x - SPACE - size
    };
    Placed {
        x,
        start,
        end: start + size,
        text,
        row: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_keep_apart_and_stay_inside() {
        let mark = Mark {
            time: 0,
            label: "layout changed".into(),
        };
        let places = [10.0, 20.0, 500.0, 540.0, 545.0, 300.0];
        let marks = Marks::arrange(places.into_iter().map(|x| (x, &mark)), 560.0);
        for (i, a) in marks.placed.iter().enumerate() {
            assert!(a.start >= 0.0 && a.end <= 560.0);
            for b in &marks.placed[i + 1..] {
                assert!(a.row != b.row || a.end < b.start || b.end < a.start);
            }
        }
        assert!(marks.placed.iter().all(|mark| mark.row < ROWS));
    }
}
