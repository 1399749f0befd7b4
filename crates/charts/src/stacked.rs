//! Stacked bars over time, with a colour and a pattern per category.

use std::fmt::Write as _;

use crate::category::Category;
use crate::frame::{Frame, Inside, empty, usable};
use crate::marks::Mark;
use crate::scale::{Domain, clean};
use crate::svg::{Anchor, Canvas, Path, Places, num};
use crate::table::{Cell, Table, marks_by_time};
use crate::text::width as text_width;
use crate::{Chart, Format};

/// Counts over time by category, as stacked bars from zero.
///
/// A bucket without any value was not measured and is hatched; a bucket of zeros is empty. Negative and
/// infinite values count as missing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stacked {
    /// The title: the finding in words.
    pub title: String,
    /// One or two sentences for readers who cannot see the chart.
    pub desc: String,
    /// What is counted, and per what: `errors per hour`.
    pub unit: String,
    /// How values are written.
    pub format: Format,
    /// The start of each bucket, in microseconds since 1970 UTC.
    pub times: Vec<i64>,
    /// The length of a bucket, in microseconds; zero to use the smallest distance of two times.
    pub step: i64,
    /// The layers, the first at the bottom.
    pub layers: Vec<Layer>,
    /// Change points.
    pub marks: Vec<Mark>,
}

/// One category of a [`Stacked`] chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// The category, which determines colour, pattern and label.
    pub category: Category,
    /// One value per time of the chart; missing values are gaps.
    pub values: Vec<Option<f64>>,
}

const KEY_ROW: f64 = 18.0;
const KEY_SWATCH: f64 = 12.0;

/// One bucket: its start and the value of each layer.
struct Bucket {
    time: i64,
    values: Vec<Option<f64>>,
}

impl Bucket {
    fn measured(&self) -> bool {
        self.values.iter().any(Option::is_some)
    }

    fn total(&self) -> Option<f64> {
        self.measured().then(|| self.values.iter().flatten().sum())
    }
}

impl Stacked {
    /// The buckets, in order of time.
    fn buckets(&self) -> Vec<Bucket> {
        let value = |layer: &Layer, i: usize| {
            // Limit each value, so that the sum of all layers stays finite.
            clean(layer.values.get(i).copied().flatten())
                .filter(|v| *v >= 0.0)
                .map(|v| v.min(1e290))
        };
        let bucket = |(i, time): (usize, &i64)| Bucket {
            time: *time,
            values: self.layers.iter().map(|layer| value(layer, i)).collect(),
        };
        let mut buckets: Vec<Bucket> = self.times.iter().enumerate().map(bucket).collect();
        buckets.sort_by_key(|bucket| bucket.time);
        buckets
    }

    fn bucket_length(&self, buckets: &[Bucket]) -> i64 {
        if self.step > 0 {
            return self.step;
        }
        let distances = buckets
            .windows(2)
            .map(|pair| pair[1].time.saturating_sub(pair[0].time));
        distances
            .filter(|distance| *distance > 0)
            .min()
            .unwrap_or(crate::time::HOUR)
    }

    /// A prefix for the ids of this chart's patterns, unique on the page.
    ///
    /// Charts must not share patterns, because a pattern within a hidden chart is hidden too.
    fn pattern_prefix(&self, width: f64) -> String {
        let text = format!("{self:?}{width}");
        // FNV-1a is the same in every build, unlike the standard library's hasher.
        let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        format!("p{hash:016x}")
    }
}

impl Chart for Stacked {
    fn title(&self) -> &str {
        &self.title
    }

    fn draw(&self, width: f64) -> String {
        let width = usable(width);
        let buckets = self.buckets();
        if !buckets.iter().any(Bucket::measured) {
            return empty(width, &self.title, &self.desc);
        }
        let length = self.bucket_length(&buckets);
        let key = key_places(self, width);
        let ends = |b: &Bucket| [b.time, b.time.saturating_add(length)];
        let frame = Frame::new(
            width,
            Inside {
                times: &mut buckets.iter().flat_map(ends),
                domain: Domain::of(buckets.iter().filter_map(Bucket::total), true, 5.0),
                format: self.format,
                marks: &self.marks,
                left: 0.0,
                right: 8.0,
                top: key.last().map_or(0.0, |(_, y)| y + KEY_ROW),
            },
        );
        let prefix = self.pattern_prefix(width);
        let mut canvas = Canvas::new(width);
        canvas.raw(&patterns(self, &prefix));
        draw_key(&mut canvas, self, &key, &prefix);
        frame.draw_axes(&mut canvas, &self.unit);
        let bars = Bars {
            frame: &frame,
            length,
        };
        bars.draw(&mut canvas, self, &buckets, &prefix);
        frame.draw_marks(&mut canvas);
        let sides = buckets.iter().map(|bucket| bars.sides(bucket.time));
        let widest = sides.clone().map(|(_, width)| width).fold(1.0, f64::max);
        let places = Places {
            columns: sides.map(|(x, width)| x + width / 2.0).collect(),
            rows: vec![f64::midpoint(frame.top, frame.bottom)],
            cursor: (widest + 1.0, frame.bottom - frame.top),
        };
        canvas.finish(frame.height(), &self.title, &self.desc, &places)
    }

    fn table(&self) -> String {
        let buckets = self.buckets();
        let labels: Vec<String> = self
            .layers
            .iter()
            .map(|layer| layer.category.label())
            .collect();
        let mut heads = vec![("Time (UTC)", false)];
        heads.extend(labels.iter().map(|label| (label.as_str(), true)));
        heads.push(("Total", true));
        if !self.marks.is_empty() {
            heads.push(("Change", false));
        }
        let mut table = Table::new(&self.unit, &heads);
        let times: Vec<i64> = buckets.iter().map(|bucket| bucket.time).collect();
        for (bucket, mark) in buckets.iter().zip(marks_by_time(&times, &self.marks)) {
            let values = bucket.values.iter().copied().chain([bucket.total()]);
            let mut cells: Vec<Cell> = values.map(|v| Cell::number(v, self.format)).collect();
            if !self.marks.is_empty() {
                cells.push(Cell::text(mark));
            }
            table.time_row(bucket.time, &cells);
        }
        table.finish()
    }
}

/// Defines the patterns that fill the layers.
fn patterns(chart: &Stacked, prefix: &str) -> String {
    let mut out = String::from("<defs>");
    let mut pattern = |name: &str, class: &str, hatch: &str| {
        let _ = write!(
            out,
            "<pattern id=\"{prefix}-{name}\" width=\"6\" height=\"6\" \
             patternUnits=\"userSpaceOnUse\"><path class=\"{class}\" d=\"M0 0h6v6h-6z\"/>",
        );
        if !hatch.is_empty() {
            let _ = write!(out, "<path class=\"hatch\" d=\"{hatch}\"/>");
        }
        out.push_str("</pattern>");
    };
    let mut known: Vec<Category> = chart.layers.iter().map(|layer| layer.category).collect();
    known.sort_unstable();
    known.dedup();
    for category in known {
        pattern(
            category.name(),
            &format!("c-{}", category.name()),
            category.hatch(),
        );
    }
    pattern("gap", "gap", Category::Parsing.hatch());
    out.push_str("</defs>");
    out
}

/// Fills a path with a pattern.
fn fill(canvas: &mut Canvas, class: &str, pattern: &str, path: &Path) {
    if !path.data().is_empty() {
        let data = path.data();
        canvas.raw(&format!(
            "<path class=\"{class}\" fill=\"url(#{pattern})\" d=\"{data}\"/>"
        ));
    }
}

/// The position of each layer's legend entry: left edge, and top below the unit.
fn key_places(chart: &Stacked, width: f64) -> Vec<(f64, f64)> {
    let (mut x, mut y) = (0.0, 0.0);
    let mut places = Vec::new();
    for layer in &chart.layers {
        let size = KEY_SWATCH + 6.0 + text_width(&layer.category.label());
        if x > 0.0 && x + size > width {
            (x, y) = (0.0, y + KEY_ROW);
        }
        places.push((x, y));
        x += size + 16.0;
    }
    places
}

fn draw_key(canvas: &mut Canvas, chart: &Stacked, places: &[(f64, f64)], prefix: &str) {
    for (layer, (x, y)) in chart.layers.iter().zip(places) {
        let (name, top) = (layer.category.name(), y + 21.0);
        let mut swatch = Path::default();
        swatch.rect(*x, top, KEY_SWATCH, KEY_SWATCH);
        fill(
            canvas,
            &format!("o-{name}"),
            &format!("{prefix}-{name}"),
            &swatch,
        );
        let label = layer.category.label();
        canvas.text(x + KEY_SWATCH + 6.0, top + 10.0, Anchor::Start, "", &label);
    }
}

struct Bars<'a> {
    frame: &'a Frame,
    length: i64,
}

impl Bars<'_> {
    /// The left edge and the width of a bucket's bar, with a small gap if there is room.
    fn sides(&self, time: i64) -> (f64, f64) {
        let (left, right) = (
            self.frame.x(time),
            self.frame.x(time.saturating_add(self.length)),
        );
        let air = if right - left > 4.0 { 1.0 } else { 0.0 };
        (left + air / 2.0, (right - left - air).max(0.3))
    }

    fn draw(&self, canvas: &mut Canvas, chart: &Stacked, buckets: &[Bucket], prefix: &str) {
        let mut gaps = Path::default();
        for bucket in buckets.iter().filter(|bucket| !bucket.measured()) {
            let (left, right) = (
                self.frame.x(bucket.time),
                self.frame.x(bucket.time.saturating_add(self.length)),
            );
            gaps.rect(
                left,
                self.frame.top,
                right - left,
                self.frame.bottom - self.frame.top,
            );
        }
        fill(canvas, "unmeasured", &format!("{prefix}-gap"), &gaps);
        let mut below = vec![0.0; buckets.len()];
        for (i, layer) in chart.layers.iter().enumerate() {
            let mut path = Path::default();
            for (bucket, below) in buckets.iter().zip(&mut below) {
                let Some(value) = bucket.values[i].filter(|value| *value > 0.0) else {
                    continue;
                };
                let (x, width) = self.sides(bucket.time);
                let (base, top) = (self.frame.y(*below), self.frame.y(*below + value));
                path.rect(x, top, width, base - top);
                *below += value;
            }
            let name = layer.category.name();
            fill(
                canvas,
                &format!("o-{name}"),
                &format!("{prefix}-{name}"),
                &path,
            );
        }
        // Draw the base line again, over the bars.
        let y = num(self.frame.bottom);
        canvas.raw(&format!(
            "<path class=\"base\" d=\"M{} {y}H{}\"/>",
            num(self.frame.left),
            num(self.frame.right)
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart() -> Stacked {
        let layer = |category, values: [Option<f64>; 3]| Layer {
            category,
            values: values.to_vec(),
        };
        Stacked {
            title: "Errors".into(),
            times: vec![0, crate::time::HOUR, 2 * crate::time::HOUR],
            layers: vec![
                layer(Category::Network, [Some(4.0), None, Some(0.0)]),
                layer(Category::RateLimit, [Some(6.0), None, Some(f64::NAN)]),
            ],
            ..Stacked::default()
        }
    }

    #[test]
    fn what_was_not_measured_is_not_zero() {
        let svg = chart().svg();
        assert_eq!(svg.matches("-gap)").count(), 1, "{svg}");
        let table = chart().table();
        assert!(table.contains(">10</td>"), "{table}");
        assert!(
            table.ends_with(
                "<td class=\"n\">0</td><td class=\"n\">–</td>\
            <td class=\"n\">0</td></tr></tbody></table>"
            ),
            "{table}"
        );
    }

    #[test]
    fn patterns_of_two_widths_do_not_meet() {
        let id = |width| {
            let svg = chart().draw(width);
            svg.split("id=\"")
                .nth(1)
                .and_then(|rest| rest.split('"').next())
                .unwrap()
                .to_owned()
        };
        assert_ne!(id(340.0), id(560.0));
    }
}
