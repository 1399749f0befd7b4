//! Charts as SVG, drawn once for the report, the mail and the dashboard.
//!
//! Every chart is a plain data struct that implements [`Chart`]: [`TimeSeries`], [`Percentiles`],
//! [`Stacked`], [`HeatMap`] and [`BarRow`]. [`svg`](Chart::svg) renders it as SVG,
//! [`table`](Chart::table) as a table of the same values, and [`figure`](Chart::figure) as both with
//! the title. A [`Sparkline`] is a small chart for a table cell.
//!
//! ```
//! use dragline_charts::{Chart, Series, TimeSeries};
//!
//! let hour = 3_600_000_000;
//! let chart = TimeSeries {
//!     title: "Items of shop.example.com fell 63 % at 02:00".into(),
//!     desc: "Items per hour over four hours, with one gap.".into(),
//!     unit: "items per hour".into(),
//!     from_zero: true,
//!     times: (0..4).map(|i| i * hour).collect(),
//!     series: vec![Series {
//!         label: "items".into(),
//!         values: vec![Some(940.0), None, Some(348.0), Some(351.0)],
//!     }],
//!     expected: vec![Some((900.0, 1010.0)); 4],
//!     ..TimeSeries::default()
//! };
//! let page = format!("<style>{}</style>{}", dragline_charts::css(), chart.figure());
//! assert!(page.contains("<title>Items of shop.example.com fell 63 % at 02:00</title>"));
//! ```
//!
//! **Colour and theme.** An SVG contains classes, not colours. [`css`] defines the colours of both themes
//! as custom properties, so that one SVG works for light, dark and print; `data-theme` on the root
//! element overrides the system preference. Colour is never the only cue: lines are labelled at their
//! ends, stacks have patterns, cells without a value have a dash.
//!
//! **Width.** Text in an SVG shrinks with its view box. Each chart is therefore drawn for a specific
//! width ([`draw`](Chart::draw)). A figure contains two or three drawings ([`PHONE`], [`COLUMN`],
//! [`PAGE`]), and a container query shows the one that fits.
//!
//! **Script.** A page is complete without [`script`]. With it, a chart shows its values under the
//! pointer or by arrow keys, and tables can be sorted and filtered. The values come from the figure's
//! table; the SVG only contains the positions of its points, in `data-x` and `data-y`.
//!
//! **Bad data.** Times may be unordered or equal; values that are missing, NaN or infinite are gaps.
//! All text from the caller is escaped, and characters that would reorder text are made visible
//! ([`escape`]). The output is deterministic.

mod bar_row;
mod category;
mod format;
mod frame;
mod heat_map;
mod labels;
mod marks;
mod page;
mod percentiles;
mod scale;
mod sparkline;
mod stacked;
mod svg;
mod table;
mod text;
mod time;
mod time_series;

pub use bar_row::{Bar, BarRow};
pub use category::Category;
pub use format::Format;
pub use heat_map::HeatMap;
pub use marks::Mark;
pub use page::{css, script};
pub use percentiles::Percentiles;
pub use sparkline::Sparkline;
pub use stacked::{Layer, Stacked};
pub use text::{escape, is_hidden};
pub use time_series::{ForecastPoint, Series, TimeSeries};

/// The width of a drawing for a phone, in units of the view box.
pub const PHONE: f64 = 340.0;
/// The width of a drawing for a column or a tablet.
pub const COLUMN: f64 = 560.0;
/// The width of a drawing for a whole page.
pub const PAGE: f64 = 1000.0;

/// The output formats of every chart.
pub trait Chart {
    /// The title (the finding in words), not escaped.
    fn title(&self) -> &str;

    /// The chart as an `<svg>` whose text is readable at a display width of about `width` pixels.
    fn draw(&self, width: f64) -> String;

    /// An HTML `<table>` of the chart's values, times in UTC.
    fn table(&self) -> String;

    /// The chart as an `<svg>` for a [`COLUMN`].
    fn svg(&self) -> String {
        self.draw(COLUMN)
    }

    /// A `<figure>` for a column of a page: title, drawings for phone and column, and the table
    /// behind a toggle.
    fn figure(&self) -> String {
        figure(self, "chart", &[("at-s", PHONE), ("at-m", COLUMN)])
    }

    /// A `<figure>` that may fill the width of a page.
    fn wide_figure(&self) -> String {
        figure(
            self,
            "chart wide",
            &[("at-s", PHONE), ("at-m", COLUMN), ("at-l", PAGE)],
        )
    }
}

fn figure<C: Chart + ?Sized>(chart: &C, class: &str, widths: &[(&str, f64)]) -> String {
    let drawing = |(class, width): &(&str, f64)| {
        format!("<div class=\"{class}\">{}</div>", chart.draw(*width))
    };
    let table = chart.table();
    let values = if table.contains("<tbody></tbody>") {
        String::new()
    } else {
        format!("<details><summary>Values</summary><div class=\"scroll\">{table}</div></details>")
    };
    format!(
        "<figure class=\"{class}\"><figcaption>{}</figcaption>{}{values}</figure>",
        escape(chart.title()),
        widths.iter().map(drawing).collect::<String>(),
    )
}
