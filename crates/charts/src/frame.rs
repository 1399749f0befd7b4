//! The frame of a chart over time: its margins, axes and change points.

use crate::Format;
use crate::marks::{Mark, Marks};
use crate::scale::Domain;
use crate::svg::{Anchor, Canvas, Path, Places};
use crate::text::{FONT, fit, width as text_width};
use crate::time::{MINUTE, Tick, ticks};

/// Minimum and maximum width of a chart.
const WIDTHS: (f64, f64) = (240.0, 4000.0);
/// Below this width, the phone layout is used.
const NARROW: f64 = 440.0;

/// Clamps a width to the supported range.
pub(crate) fn usable(width: f64) -> f64 {
    if width.is_finite() {
        width.clamp(WIDTHS.0, WIDTHS.1)
    } else {
        crate::COLUMN
    }
}

pub(crate) fn is_narrow(width: f64) -> bool {
    width < NARROW
}

/// The height of the plot for a width.
fn plot_height(width: f64) -> f64 {
    (110.0 + width * 0.13).clamp(150.0, 240.0).round()
}

/// Maximum width of a label at the right of a plot.
pub(crate) fn label_room(width: f64) -> f64 {
    (width * if is_narrow(width) { 0.3 } else { 0.22 }).min(200.0)
}

/// A linear time axis.
struct TimeScale {
    from: i64,
    to: i64,
    left: f64,
    right: f64,
}

impl TimeScale {
    /// An axis over all times. If there is only one time, the axis extends half an hour to both sides.
    fn new(times: impl Iterator<Item = i64>, left: f64, right: f64) -> Self {
        let (from, to) = times.fold((i64::MAX, i64::MIN), |(a, b), t| (a.min(t), b.max(t)));
        let (from, to) = if from > to { (0, 0) } else { (from, to) };
        let pad = if to.saturating_sub(from) < crate::time::SECOND {
            30 * MINUTE
        } else {
            0
        };
        Self {
            from: from.saturating_sub(pad),
            to: to.saturating_add(pad),
            left,
            right,
        }
    }

    fn reaches(&self, time: i64) -> bool {
        (self.from..=self.to).contains(&time)
    }

    fn place(&self, time: i64) -> f64 {
        // Differences of times may overflow an i64.
        let apart = |a: i64, b: i64| (i128::from(a) - i128::from(b)) as f64;
        let share = apart(time, self.from) / apart(self.to, self.from);
        self.left + share.clamp(0.0, 1.0) * (self.right - self.left)
    }
}

/// The inputs of a frame.
pub(crate) struct Inside<'a> {
    pub(crate) times: &'a mut dyn Iterator<Item = i64>,
    pub(crate) domain: Domain,
    pub(crate) format: Format,
    pub(crate) marks: &'a [Mark],
    /// Least space at the left.
    pub(crate) left: f64,
    /// Space at the right for labels.
    pub(crate) right: f64,
    /// Space above the plot, below the unit.
    pub(crate) top: f64,
}

/// The position of a plot within the chart, and its two scales.
pub(crate) struct Frame {
    pub(crate) left: f64,
    pub(crate) right: f64,
    pub(crate) top: f64,
    pub(crate) bottom: f64,
    domain: Domain,
    format: Format,
    time: TimeScale,
    marks: Marks,
}

impl Frame {
    pub(crate) fn new(width: f64, inside: Inside<'_>) -> Self {
        let Inside {
            times,
            domain,
            format,
            marks,
            left,
            right,
            top,
        } = inside;
        let left = left_of(format, &domain).max(left).min(width * 0.3).ceil();
        let time = TimeScale::new(times, left, width - right);
        let shown = marks.iter().filter(|mark| time.reaches(mark.time));
        let marks = Marks::arrange(shown.map(|mark| (time.place(mark.time), mark)), width);
        let top = 26.0 + top + marks.height();
        let bottom = top + plot_height(width);
        Self {
            left,
            right: width - right,
            top,
            bottom,
            domain,
            format,
            time,
            marks,
        }
    }

    /// The height of the chart with its axis.
    pub(crate) fn height(&self) -> f64 {
        self.bottom + 38.0
    }

    pub(crate) fn x(&self, time: i64) -> f64 {
        self.time.place(time)
    }

    pub(crate) fn y(&self, value: f64) -> f64 {
        self.domain.place(value, self.bottom, self.top)
    }

    /// Draws the unit, the ticks and the grid lines, which are below the data.
    pub(crate) fn draw_axes(&self, canvas: &mut Canvas, unit: &str) {
        canvas.text(
            0.0,
            FONT,
            Anchor::Start,
            "muted",
            &fit(unit, canvas.width - 36.0),
        );
        canvas.text(canvas.width, FONT, Anchor::End, "muted", "UTC");
        let mut grid = Path::default();
        for tick in self.domain.ticks() {
            let y = self.y(tick);
            // Emphasise the zero line, the base of the plot.
            if tick.abs() < self.domain.step * 1e-6 {
                canvas.line("base", (self.left, y), (self.right, y));
            } else {
                grid.line((self.left, y), (self.right, y));
            }
            let label = tick_label(self.format, &self.domain, tick);
            canvas.text(self.left - 6.0, y + 4.0, Anchor::End, "muted", &label);
        }
        canvas.path("grid", &grid);
        self.draw_times(canvas);
    }

    fn draw_times(&self, canvas: &mut Canvas) {
        let ticks = ticks(
            self.time.from,
            self.time.to,
            (self.right - self.left) / 58.0,
        );
        // Labels at the edge are moved inwards, not cut.
        let width = canvas.width;
        let inside = |x: f64, text: &str| {
            let half = text_width(text) / 2.0;
            x.clamp(half, (width - half).max(half))
        };
        let mut texts = Vec::new();
        let mut taken = f64::INFINITY;
        let mut axis = Path::default();
        // From right to left: if two dates collide, the later one keeps its true position.
        for Tick { time, label, under } in ticks.into_iter().rev() {
            let x = self.x(time);
            axis.line((x, self.bottom), (x, self.bottom + 4.0));
            texts.push((inside(x, &label), 17.0, label));
            let Some(under) = under else { continue };
            let middle = inside(x, &under);
            if middle + text_width(&under) / 2.0 + 8.0 <= taken {
                taken = middle - text_width(&under) / 2.0;
                texts.push((middle, 32.0, under));
            }
        }
        canvas.path("axis", &axis);
        for (x, down, text) in texts.iter().rev() {
            canvas.text(*x, self.bottom + down, Anchor::Middle, "muted", text);
        }
    }

    /// Draws the change points.
    pub(crate) fn draw_marks(&self, canvas: &mut Canvas) {
        self.marks.draw(canvas, self.top, self.bottom);
    }
}

/// The space at the left that the labels of the ticks need.
pub(crate) fn left_of(format: Format, domain: &Domain) -> f64 {
    let ticks = domain.ticks().into_iter();
    let widths = ticks.map(|tick| text_width(&tick_label(format, domain, tick)));
    widths.fold(0.0, f64::max) + 8.0
}

/// A chart without values: shows a sentence instead of axes.
pub(crate) fn empty(width: f64, title: &str, desc: &str) -> String {
    let mut canvas = Canvas::new(width);
    canvas.line("grid", (0.0, 0.5), (width, 0.5));
    canvas.text(
        0.0,
        30.0,
        Anchor::Start,
        "muted",
        "No values in this period",
    );
    canvas.line("grid", (0.0, 49.5), (width, 49.5));
    let nowhere = Places {
        columns: Vec::new(),
        rows: Vec::new(),
        cursor: (0.0, 0.0),
    };
    canvas.finish(50.0, title, desc, &nowhere)
}

fn tick_label(format: Format, domain: &Domain, tick: f64) -> String {
    if domain.is_log {
        // Ticks of different sizes have different units.
        return format.value(tick);
    }
    format.tick(tick, domain.step, domain.top())
}
