//! Whatever the data, charts are drawn, the same each time, and as well-formed markup.

use dragline_charts::{
    Bar, BarRow, COLUMN, Category, Chart, ForecastPoint, Format, HeatMap, Layer, Mark, Percentiles,
    Series, Sparkline, Stacked, TimeSeries,
};
use proptest::collection::vec;
use proptest::prelude::*;

fn value() -> impl Strategy<Value = Option<f64>> {
    let special = [
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::MAX,
        f64::MIN,
        f64::MIN_POSITIVE,
        5e-324,
        -0.0,
        0.0,
        1e15,
    ];
    prop_oneof![
        Just(None),
        any::<f64>().prop_map(Some),
        (-1e4..1e6).prop_map(Some),
        proptest::sample::select(special.to_vec()).prop_map(Some),
    ]
}

fn time() -> impl Strategy<Value = i64> {
    prop_oneof![
        any::<i64>(),
        Just(i64::MIN),
        Just(i64::MAX),
        1_772_496_000_000_000..1_772_600_000_000_000_i64,
        Just(1_772_496_000_000_000),
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        Just("<b>&\"'\u{202e}\0".to_owned()),
        "[a-z ]{0,300}"
    ]
}

fn format() -> impl Strategy<Value = Format> {
    proptest::sample::select(vec![
        Format::Number,
        Format::Percent,
        Format::Milliseconds,
        Format::Bytes,
    ])
}

prop_compose! {
    fn time_series()(
        (title, desc, unit) in (text(), text(), text()),
        format in format(),
        (from_zero, is_log) in any::<(bool, bool)>(),
        times in vec(time(), 0..12),
        series in vec((text(), vec(value(), 0..14)), 0..10),
        expected in vec(proptest::option::of((any::<f64>(), any::<f64>())), 0..14),
        marks in vec((time(), text()), 0..8),
        forecast in vec((time(), any::<f64>(), any::<f64>(), any::<f64>()), 0..4),
    ) -> TimeSeries {
        TimeSeries {
            title, desc, unit, format, from_zero, is_log, times, expected,
            series: series.into_iter().map(|(label, values)| Series { label, values }).collect(),
            marks: marks.into_iter().map(|(time, label)| Mark { time, label }).collect(),
            forecast: forecast
                .into_iter()
                .map(|(time, mean, lower, upper)| ForecastPoint { time, mean, lower, upper })
                .collect(),
            ..TimeSeries::default()
        }
    }
}

/// Tags are closed in order, attributes are quoted, and coordinates are those of a canvas.
fn check(markup: &str) {
    let mut open = Vec::new();
    for piece in markup.split('<').skip(1) {
        let (tag, text) = piece.split_once('>').expect("a tag that ends");
        assert!(!text.contains(['>', '"']), "{text}");
        let name = tag
            .split([' ', '/'])
            .find(|name| !name.is_empty())
            .expect("a name");
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "{markup}");
        } else if !tag.ends_with('/') {
            open.push(name);
        }
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        for attribute in [" x=", " y=", " d=", " data-x=", " data-y="] {
            let value = tag
                .split(attribute)
                .nth(1)
                .and_then(|rest| rest.split('"').nth(1));
            let numbers = value
                .unwrap_or("")
                .split(|c: char| " -+*".contains(c) || c.is_alphabetic());
            for number in numbers {
                assert!(number.len() <= 7, "{attribute}{number} in {tag}");
            }
        }
    }
    assert!(open.is_empty(), "{markup}");
    let hidden = |c: char| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c);
    assert!(!markup.contains(hidden), "{markup:?}");
}

fn check_chart(chart: &dyn Chart, width: f64) {
    let svg = chart.draw(width);
    check(&svg);
    check(&chart.table());
    assert_eq!(svg, chart.draw(width));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_lines_are_drawn(chart in time_series(), width in any::<f64>()) {
        check_chart(&chart, width);
        check_chart(&chart, COLUMN);
        let values = |i: usize| chart.series.get(i).map(|s| s.values.clone()).unwrap_or_default();
        check_chart(&Percentiles {
            title: chart.title.clone(),
            times: chart.times.clone(),
            p50: values(0),
            p95: values(1),
            p99: values(2),
            ..Percentiles::default()
        }, COLUMN);
        let layers = Category::ALL.into_iter().zip(&chart.series);
        check_chart(&Stacked {
            title: chart.title.clone(),
            format: chart.format,
            times: chart.times.clone(),
            step: chart.times.first().copied().unwrap_or(0),
            layers: layers.map(|(category, s)| Layer { category, values: s.values.clone() }).collect(),
            marks: chart.marks.clone(),
            ..Stacked::default()
        }, width);
    }

    #[test]
    fn any_cells_are_drawn(cells in vec(value(), 168), format in format(), title in text()) {
        let mut map = HeatMap { title, format, ..HeatMap::default() };
        map.cells.iter_mut().flatten().zip(cells).for_each(|(cell, value)| *cell = value);
        check_chart(&map, COLUMN);
    }

    #[test]
    fn any_bars_and_words_are_drawn(
        bars in vec((text(), value()), 0..8),
        (min, max) in (any::<f64>(), any::<f64>()),
        width in 200.0..1200.0,
    ) {
        check(&Sparkline {
            label: bars.first().map(|(label, _)| label.clone()).unwrap_or_default(),
            values: bars.iter().map(|(_, value)| *value).collect(),
            min,
            max,
            ..Sparkline::default()
        }.svg());
        let bars = bars.into_iter().map(|(label, value)| Bar { label, value }).collect();
        check_chart(&BarRow { bars, ..BarRow::default() }, width);
    }
}
