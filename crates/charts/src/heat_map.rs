//! A heat map of a week: hour by weekday.

use crate::frame::{is_narrow, usable};
use crate::scale::clean;
use crate::svg::{Anchor, Canvas, Path, Places};
use crate::table::{Cell, Table};
use crate::text::{FONT, fit, width as text_width};
use crate::time::WEEKDAYS;
use crate::{Chart, Format};

/// Values by weekday and hour, as five shades of one hue.
///
/// A zero is an outlined cell; a missing value is a dash.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HeatMap {
    /// The title: the finding in words.
    pub title: String,
    /// One or two sentences for readers who cannot see the chart.
    pub desc: String,
    /// What is counted, and per what: `errors per hour, mean of four weeks`.
    pub unit: String,
    /// How values are written.
    pub format: Format,
    /// The values by weekday (Monday first) and hour (midnight first), in UTC.
    pub cells: [[Option<f64>; 24]; 7],
}

/// Number of shades, not counting zero.
const LEVELS: usize = 5;
const LEFT: f64 = 34.0;
const TOP: f64 = 40.0;

impl HeatMap {
    fn cell(&self, day: usize, hour: usize) -> Option<f64> {
        clean(self.cells[day][hour])
    }

    /// The ends of the scale. It starts at zero unless values are negative.
    fn ends(&self) -> (f64, f64) {
        let cells = self.cells.iter().flatten().filter_map(|cell| clean(*cell));
        cells.fold((0.0, 0.0), |(low, high), value| {
            (value.min(low), value.max(high))
        })
    }

    /// The shade of a value: 0 only for the lowest end, otherwise 1 to [`LEVELS`].
    fn level(value: f64, (low, high): (f64, f64)) -> usize {
        if value <= low {
            return 0;
        }
        let share = (value - low) / (high - low);
        ((share * LEVELS as f64 - 1e-9).ceil() as usize).clamp(1, LEVELS)
    }

    /// Cells of the same shade form one path; the last path is for missing values.
    fn draw_cells(&self, canvas: &mut Canvas, column: f64, row: f64) {
        let ends = self.ends();
        let gap = if column > 16.0 { 2.0 } else { 1.0 };
        let mut levels: [Path; LEVELS + 1] = Default::default();
        let mut missing = Path::default();
        for day in 0..7 {
            for hour in 0..24 {
                let (x, y) = (LEFT + column * hour as f64, TOP + row * day as f64);
                if let Some(value) = self.cell(day, hour) {
                    levels[Self::level(value, ends)].rect(x, y, column - gap, row - gap);
                } else {
                    let middle = (x + (column - gap) / 2.0, y + (row - gap) / 2.0);
                    missing.move_to(middle.0 - 2.0, middle.1);
                    missing.line_to(middle.0 + 2.0, middle.1);
                }
            }
        }
        for (level, path) in levels.iter().enumerate() {
            canvas.path(&format!("heat h{level}"), path);
        }
        canvas.path("none", &missing);
    }

    fn draw_scale(&self, canvas: &mut Canvas, y: f64) {
        let (low, high) = self.ends();
        let (text_y, mut x) = (y + 10.0, LEFT);
        let mut dash = Path::default();
        dash.move_to(x, y + 6.0);
        dash.line_to(x + 4.0, y + 6.0);
        canvas.path("none", &dash);
        canvas.text(x + 9.0, text_y, Anchor::Start, "muted", "no data");
        x += 9.0 + text_width("no data") + 14.0;
        for (level, label) in [(0, low), (LEVELS, high)] {
            let first = level.min(1);
            for step in first..=level {
                let mut swatch = Path::default();
                swatch.rect(x, y, 12.0, 12.0);
                canvas.path(&format!("heat h{step}"), &swatch);
                x += 14.0;
            }
            let label = self.format.value(label);
            let label = if level == 0 {
                label
            } else {
                format!("up to {label}")
            };
            canvas.text(x + 4.0, text_y, Anchor::Start, "muted", &label);
            x += 4.0 + text_width(&label) + 14.0;
        }
    }
}

impl Chart for HeatMap {
    fn title(&self) -> &str {
        &self.title
    }

    fn draw(&self, width: f64) -> String {
        let width = usable(width);
        let column = (width - LEFT) / 24.0;
        let row = (column * 0.8).clamp(18.0, 26.0);
        let mut canvas = Canvas::new(width);
        canvas.text(0.0, FONT, Anchor::Start, "muted", &fit(&self.unit, width));
        let every = if is_narrow(width) { 6 } else { 3 };
        for hour in (0..24).step_by(every) {
            let x = LEFT + column * f64::from(hour);
            canvas.text(
                x,
                TOP - 6.0,
                Anchor::Start,
                "muted",
                &format!("{hour:02}:00"),
            );
        }
        canvas.text(width, TOP - 6.0, Anchor::End, "muted", "UTC");
        for (day, name) in WEEKDAYS.iter().enumerate() {
            let y = TOP + row * (day as f64 + 0.5) + 3.0;
            canvas.text(0.0, y, Anchor::Start, "muted", name);
        }
        self.draw_cells(&mut canvas, column, row);
        let below = TOP + row * 7.0 + 8.0;
        self.draw_scale(&mut canvas, below);
        let middle = |start: f64, size: f64, count: usize| {
            (0..count)
                .map(|i| start + size * i as f64 + size / 2.0 - 0.5)
                .collect()
        };
        let places = Places {
            columns: middle(LEFT, column, 24),
            rows: middle(TOP, row, 7),
            cursor: (column + 1.0, row + 1.0),
        };
        canvas.finish(below + 18.0, &self.title, &self.desc, &places)
    }

    /// Draws hours downwards and weekdays across, because seven columns fit a phone.
    fn table(&self) -> String {
        let mut heads = vec![("Hour (UTC)", false)];
        heads.extend(WEEKDAYS.map(|day| (day, true)));
        let mut table = Table::new(&self.unit, &heads);
        for hour in 0..24 {
            let cell = |day| Cell::number(self.cell(day, hour), self.format);
            table.row(
                &format!("{hour:02}:00"),
                &(0..7).map(cell).collect::<Vec<_>>(),
            );
        }
        table.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_and_missing_differ() {
        let mut map = HeatMap::default();
        assert_eq!(
            map.svg().matches("class=\"heat h0\"").count(),
            1,
            "the scale alone"
        );
        map.cells[0][0] = Some(0.0);
        map.cells[6][23] = Some(10.0);
        let svg = map.svg();
        assert_eq!(svg.matches("class=\"heat h0\"").count(), 2);
        assert_eq!(svg.matches("class=\"heat h5\"").count(), 2);
        assert_eq!(map.table().matches("–").count(), 7 * 24 - 2);
    }

    #[test]
    fn levels_are_even() {
        let levels = [0.0, 0.1, 2.0, 2.1, 9.9, 10.0].map(|v| HeatMap::level(v, (0.0, 10.0)));
        assert_eq!(levels, [0, 1, 1, 2, 5, 5]);
        assert_eq!(HeatMap::level(0.0, (0.0, 0.0)), 0);
    }
}
