//! Lines over time, with expected ranges, change points and forecasts.

use crate::frame::{Frame, Inside, empty, label_room, left_of, usable};
use crate::labels::{SWATCH, draw_labels, labels, right_of};
use crate::marks::Mark;
use crate::scale::{Domain, clean};
use crate::svg::{Canvas, Path, Places};
use crate::table::{Cell, Table, marks_by_time};
use crate::{Chart, Format};

/// Observed values over time, with one line per series. Gaps stay open.
///
/// Points may come in any order. Values that are missing, NaN or infinite are gaps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TimeSeries {
    /// The title: the finding in words.
    pub title: String,
    /// One or two sentences for readers who cannot see the chart.
    pub desc: String,
    /// What is counted, and per what: `items per hour`.
    pub unit: String,
    /// How values are written.
    pub format: Format,
    /// Whether the axis starts at zero, as it should for counts.
    pub from_zero: bool,
    /// Whether the axis is logarithmic, for values of very different sizes. Values that are not positive are at its
    /// lower end.
    pub is_log: bool,
    /// The times, in microseconds since 1970 UTC; one per value of the series.
    pub times: Vec<i64>,
    /// The lines; at most seven can be distinguished.
    pub series: Vec<Series>,
    /// The expected range (lower, upper) at each time; empty for none.
    pub expected: Vec<Option<(f64, f64)>>,
    /// Change points.
    pub marks: Vec<Mark>,
    /// The forecast, starting where the observed line ends; empty for none.
    pub forecast: Vec<ForecastPoint>,
    /// The first time whose step is not over, in microseconds since 1970 UTC. From there on lines are dashed, because
    /// what is counted in such a step is less than it will be.
    pub unfinished: Option<i64>,
    /// The least space left and right of the plot; see [`TimeSeries::align`].
    pub sides: (f64, f64),
}

/// One line of a [`TimeSeries`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// The label at the end of the line.
    pub label: String,
    /// One value per time of the chart; missing values are gaps.
    pub values: Vec<Option<f64>>,
}

/// One point of a forecast.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ForecastPoint {
    /// The time, in microseconds since 1970 UTC.
    pub time: i64,
    /// The expected value.
    pub mean: f64,
    /// The lower end of its interval.
    pub lower: f64,
    /// The upper end of its interval.
    pub upper: f64,
}

/// How lines are distinguished.
#[derive(Clone, Copy)]
pub(crate) enum Palette {
    /// One hue per series.
    Hues,
    /// Line weights of one hue, the first being the heaviest.
    Weights,
}

impl Palette {
    pub(crate) fn class(self, index: usize) -> String {
        match self {
            Self::Hues => format!("line s{}", index % 7),
            Self::Weights => format!("line w{}", index.min(2)),
        }
    }
}

impl Chart for TimeSeries {
    fn title(&self) -> &str {
        &self.title
    }

    fn draw(&self, width: f64) -> String {
        draw(self, Palette::Hues, width)
    }

    fn table(&self) -> String {
        let data = Data::of(self);
        let mut heads = vec![("Time (UTC)", false)];
        heads.extend(
            self.series
                .iter()
                .map(|series| (series.label.as_str(), true)),
        );
        let columns = [
            (data.expected.is_empty(), ("Expected", true)),
            (data.forecast.is_empty(), ("Forecast", true)),
            (self.marks.is_empty(), ("Change", false)),
            (self.unfinished.is_none(), ("Step", false)),
        ];
        heads.extend(
            columns
                .iter()
                .filter(|(empty, _)| !empty)
                .map(|(_, head)| *head),
        );
        let mut table = Table::new(&self.unit, &heads);
        let times = data.all_times();
        let marks = marks_by_time(&times, &self.marks);
        for (i, (time, mark)) in times.iter().zip(marks).enumerate() {
            let value = |line: &Vec<Option<f64>>| Cell::number(at(line, i), self.format);
            let mut cells: Vec<Cell> = data.lines.iter().map(value).collect();
            if !data.expected.is_empty() {
                cells.push(Cell::range(at(&data.expected, i), self.format));
            }
            if !data.forecast.is_empty() {
                let point = i.checked_sub(data.times.len()).map(|i| data.forecast[i]);
                cells.push(forecast_cell(point, self.format));
            }
            if !self.marks.is_empty() {
                cells.push(Cell::text(mark));
            }
            if let Some(from) = self.unfinished {
                let is_observed = i < data.times.len();
                let is_open = is_observed && *time >= from;
                cells.push(Cell::text(if is_open { "not over yet" } else { "" }));
            }
            table.time_row(*time, &cells);
        }
        table.finish()
    }
}

impl TimeSeries {
    /// Gives charts that stand side by side the same space left and right of their plots, so that their axes align.
    pub fn align(charts: &mut [Self]) {
        let widest = |sides: (f64, f64), chart: &Self| {
            let (left, right) = needed(chart, &Data::of(chart));
            (sides.0.max(left), sides.1.max(right))
        };
        let sides = charts.iter().fold((0.0, 0.0), widest);
        for chart in charts {
            chart.sides = sides;
        }
    }
}

/// The space that a chart needs left and right of its plot, in a column.
fn needed(chart: &TimeSeries, data: &Data) -> (f64, f64) {
    if data.values().next().is_none() {
        return (0.0, 0.0);
    }
    let labels = labels(chart, data, Palette::Hues, label_room(crate::COLUMN));
    (
        left_of(chart.format, &domain(chart, data)),
        right_of(&labels),
    )
}

fn domain(chart: &TimeSeries, data: &Data) -> Domain {
    let log = chart.is_log.then(|| Domain::log(data.values())).flatten();
    log.unwrap_or_else(|| Domain::of(data.values(), chart.from_zero, 5.0))
}

fn forecast_cell(point: Option<ForecastPoint>, format: Format) -> Cell {
    let Some(point) = point else {
        return Cell::number(None, format);
    };
    let [mean, lower, upper] = [point.mean, point.lower, point.upper].map(|v| format.value(v));
    Cell::text(format!("{mean} ({lower} to {upper})"))
}

fn at<T: Copy>(values: &[Option<T>], index: usize) -> Option<T> {
    values.get(index).copied().flatten()
}

/// A chart's data in order of time, without values that cannot be drawn.
pub(crate) struct Data {
    times: Vec<i64>,
    pub(crate) lines: Vec<Vec<Option<f64>>>,
    /// One range per time, or empty.
    pub(crate) expected: Vec<Option<(f64, f64)>>,
    pub(crate) forecast: Vec<ForecastPoint>,
}

impl Data {
    fn of(chart: &TimeSeries) -> Self {
        let mut order: Vec<usize> = (0..chart.times.len()).collect();
        order.sort_by_key(|i| chart.times[*i]);
        let line = |series: &Series| {
            order
                .iter()
                .map(|i| clean(at(&series.values, *i)))
                .collect()
        };
        let range = |(a, b)| {
            clean(Some(a))
                .zip(clean(Some(b)))
                .map(|(a, b)| (a.min(b), a.max(b)))
        };
        let expected = |i: &usize| at(&chart.expected, *i).and_then(range);
        let mut forecast: Vec<_> = chart
            .forecast
            .iter()
            .filter_map(|p| {
                let (mean, (lower, upper)) = clean(Some(p.mean)).zip(range((p.lower, p.upper)))?;
                Some(ForecastPoint {
                    time: p.time,
                    mean,
                    lower,
                    upper,
                })
            })
            .collect();
        forecast.sort_by_key(|point| point.time);
        Self {
            times: order.iter().map(|i| chart.times[*i]).collect(),
            lines: chart.series.iter().map(line).collect(),
            expected: if chart.expected.is_empty() {
                Vec::new()
            } else {
                order.iter().map(expected).collect()
            },
            forecast,
        }
    }

    /// The observed times, then those of the forecast: the rows of the table and the positions of
    /// the cursor.
    fn all_times(&self) -> Vec<i64> {
        let forecast = self.forecast.iter().map(|point| point.time);
        self.times.iter().copied().chain(forecast).collect()
    }

    fn values(&self) -> impl Iterator<Item = f64> {
        let observed = self.lines.iter().flatten().flatten().copied();
        let expected = self.expected.iter().flatten().flat_map(|(a, b)| [*a, *b]);
        let forecast = self
            .forecast
            .iter()
            .flat_map(|p| [p.mean, p.lower, p.upper]);
        observed.chain(expected).chain(forecast)
    }
}

/// Draws a chart for a width, with lines distinguished according to the palette.
pub(crate) fn draw(chart: &TimeSeries, palette: Palette, width: f64) -> String {
    let width = usable(width);
    let data = Data::of(chart);
    if data.values().next().is_none() {
        return empty(width, &chart.title, &chart.desc);
    }
    let room = label_room(width);
    let labels = labels(chart, &data, palette, room);
    let times = data.all_times();
    let frame = Frame::new(
        width,
        Inside {
            times: &mut times.iter().copied(),
            domain: domain(chart, &data),
            format: chart.format,
            marks: &chart.marks,
            left: chart.sides.0,
            right: right_of(&labels).max(chart.sides.1.min(room + SWATCH + 12.0)),
            top: 0.0,
        },
    );
    let mut canvas = Canvas::new(width);
    draw_bands(&mut canvas, &frame, &data);
    frame.draw_axes(&mut canvas, &chart.unit);
    frame.draw_marks(&mut canvas);
    for (i, line) in data.lines.iter().enumerate().rev() {
        draw_line(
            &mut canvas,
            &frame,
            &data.times,
            line,
            chart.unfinished,
            &palette.class(i),
        );
    }
    draw_forecast(&mut canvas, &frame, &data);
    draw_labels(&mut canvas, &frame, &labels);
    let places = Places {
        columns: times.iter().map(|time| frame.x(*time)).collect(),
        rows: vec![f64::midpoint(frame.top, frame.bottom)],
        cursor: (1.0, frame.bottom - frame.top),
    };
    canvas.finish(frame.height(), &chart.title, &chart.desc, &places)
}

/// Draws an observed line: solid where its steps are over, dashed where they are not.
fn draw_line(
    canvas: &mut Canvas,
    frame: &Frame,
    times: &[i64],
    line: &[Option<f64>],
    unfinished: Option<i64>,
    class: &str,
) {
    let place = |(time, value): (&i64, &Option<f64>)| value.map(|v| (frame.x(*time), frame.y(v)));
    let over = times.partition_point(|time| unfinished.is_none_or(|from| *time < from));
    let (done, dots) = Path::polyline(times.iter().zip(line).take(over).map(place));
    canvas.path(class, &done);
    canvas.path(&format!("{class} dot"), &dots);
    // The dashed part begins at the last step that is over.
    let rest = times.iter().zip(line).skip(over.saturating_sub(1));
    let is_open = line.iter().skip(over).any(Option::is_some);
    if is_open && over < times.len() {
        let (open, dots) = Path::polyline(rest.map(place));
        canvas.path(&format!("{class} forecast"), &open);
        canvas.path(&format!("{class} dot"), &dots);
    }
}

fn draw_bands(canvas: &mut Canvas, frame: &Frame, data: &Data) {
    let band = |(time, range): (i64, Option<(f64, f64)>)| {
        range.map(|(lower, upper)| (frame.x(time), frame.y(lower), frame.y(upper)))
    };
    let expected = data
        .times
        .iter()
        .copied()
        .zip(data.expected.iter().copied());
    canvas.path("band", &Path::band(&expected.map(band).collect::<Vec<_>>()));
    let forecast = data
        .last_observed()
        .into_iter()
        .chain(data.forecast.iter().copied());
    let forecast = forecast.map(|point| (point.time, Some((point.lower, point.upper))));
    canvas.path(
        "band soft",
        &Path::band(&forecast.map(band).collect::<Vec<_>>()),
    );
}

impl Data {
    /// The start of the forecast line: the end of the observed line, if there is exactly one and it ends before the
    /// forecast.
    fn last_observed(&self) -> Option<ForecastPoint> {
        let [line] = &self.lines[..] else { return None };
        let first = self.forecast.first()?;
        let (time, value) = self
            .times
            .iter()
            .zip(line)
            .rev()
            .find_map(|(t, v)| Some((*t, (*v)?)))?;
        let start = ForecastPoint {
            time,
            mean: value,
            lower: value,
            upper: value,
        };
        (time <= first.time).then_some(start)
    }
}

fn draw_forecast(canvas: &mut Canvas, frame: &Frame, data: &Data) {
    if data.forecast.is_empty() {
        return;
    }
    let points = data
        .last_observed()
        .into_iter()
        .chain(data.forecast.iter().copied());
    let places = points.map(|point| Some((frame.x(point.time), frame.y(point.mean))));
    let (line, dots) = Path::polyline(places);
    canvas.path("line forecast", &line);
    canvas.path("line dot", &dots);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart() -> TimeSeries {
        TimeSeries {
            title: "Items <fell>".into(),
            unit: "items per hour".into(),
            from_zero: true,
            times: [2, 0, 1].map(|hour| hour * 3_600_000_000).to_vec(),
            series: vec![Series {
                label: "Items".into(),
                values: vec![Some(30.0), Some(10.0), None],
            }],
            ..TimeSeries::default()
        }
    }

    #[test]
    fn points_are_sorted_and_gaps_stay_open() {
        let svg = chart().svg();
        // Two points with a gap between are two dots, the earlier one lower.
        let line = svg
            .split("class=\"line s0 dot\" d=\"")
            .nth(1)
            .and_then(|d| d.split('"').next());
        let dots: Vec<&str> = line
            .unwrap()
            .split("h0")
            .filter(|dot| !dot.is_empty())
            .collect();
        assert!(
            matches!(dots[..], [a, b] if a.starts_with('M') && b.starts_with('M')),
            "{dots:?}"
        );
        assert!(svg.contains("Items &lt;fell&gt;") && !svg.contains("<fell>"));
    }

    #[test]
    fn a_step_that_is_not_over_is_dashed_and_named() {
        let mut chart = chart();
        chart.series[0].values = vec![Some(3.0), Some(10.0), Some(9.0)];
        chart.unfinished = Some(2 * 3_600_000_000);
        let svg = chart.svg();
        assert!(svg.contains("class=\"line s0\"") && svg.contains("class=\"line s0 forecast\""));
        assert_eq!(chart.table().matches("not over yet").count(), 1);
    }

    #[test]
    fn charts_side_by_side_have_the_same_sides() {
        let plot = |chart: &TimeSeries| -> Vec<String> {
            let svg = chart.svg();
            let base = svg.split("class=\"base\" d=\"").nth(1).unwrap();
            let line = base.split('"').next().unwrap();
            vec![
                line.split(' ').next().unwrap().to_owned(),
                line.split('l').nth(1).unwrap().to_owned(),
            ]
        };
        let mut wide = chart();
        wide.series[0].values = vec![Some(30_000.0), Some(12_000.0), None];
        let mut charts = [chart(), wide];
        assert_ne!(plot(&charts[0]), plot(&charts[1]));
        TimeSeries::align(&mut charts);
        assert_eq!(plot(&charts[0]), plot(&charts[1]));
    }

    #[test]
    fn the_table_has_what_the_chart_shows() {
        let mut chart = chart();
        chart.expected = vec![Some((5.0, 15.0)); 3];
        chart.marks = vec![Mark {
            time: 3_600_000_000,
            label: "layout".into(),
        }];
        let table = chart.table();
        assert!(
            table.contains(
                "<time>1970-01-01 01:00</time></th>\
            <td class=\"n\">–</td><td class=\"n\" data-v=\"5\">5 to 15</td>\
            <td>Thu 1 Jan 01:00 layout</td>"
            ),
            "{table}"
        );
    }
}
