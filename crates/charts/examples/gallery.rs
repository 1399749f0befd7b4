//! Writes a page with every chart: `cargo run -p dragline-charts --example gallery gallery.html`.

use std::io::Write as _;

use dragline_charts::{
    Bar, BarRow, Category, Chart, ForecastPoint, Format, HeatMap, Layer, Mark, Percentiles, Series,
    Sparkline, Stacked, TimeSeries, css, escape, script,
};

const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;
/// Tuesday, 2026-03-03 00:00 UTC.
const START: i64 = 1_772_496_000_000_000;

fn main() -> std::io::Result<()> {
    let page = page();
    match std::env::args().nth(1) {
        Some(path) => std::fs::write(path, page),
        None => std::io::stdout().write_all(page.as_bytes()),
    }
}

fn page() -> String {
    let mut body = String::new();
    body.push_str(&items().wide_figure());
    let columns: [&dyn Chart; 8] = [
        &latency(),
        &errors(),
        &sites(),
        &forecast(),
        &week(),
        &groups(),
        &one_day(),
        &TimeSeries {
            title: "Nothing ran on Sunday".into(),
            ..TimeSeries::default()
        },
    ];
    let columns: String = columns.iter().map(|chart| chart.figure()).collect();
    body.push_str(&format!("<div class=\"columns\">{columns}</div>"));
    body.push_str(&spiders());
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Gallery</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><link rel=\"icon\" href=\"data:,\">\
         <style>{}body{{margin:0 auto;max-width:1200px;padding:24px 16px;background:var(--bg);\
         color:var(--text);font:14px/1.5 var(--font)}}.columns{{display:grid;gap:0 32px;\
         grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr))}}</style></head>\
         <body>{body}<script>{}</script></body></html>",
        css(),
        script()
    )
}

/// A number from 0 to 1 that looks random and is always the same.
fn noise(seed: u64) -> f64 {
    let mut x = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (x >> 40) as f64 / (1_u64 << 24) as f64
}

/// More by day than by night.
fn daily(hour: i64) -> f64 {
    1.0 - 0.35 * ((hour as f64 / 24.0) * std::f64::consts::TAU).cos()
}

fn hours(count: i64) -> Vec<i64> {
    (0..count).map(|hour| START + hour * HOUR).collect()
}

fn items() -> TimeSeries {
    let value = |hour: i64| {
        let fallen = if hour >= 86 { 0.37 } else { 1.0 };
        let value = 760.0 * daily(hour) * (0.94 + 0.12 * noise(hour as u64)) * fallen;
        (!(40..46).contains(&hour)).then_some(value.round())
    };
    TimeSeries {
        title: "Items of shop.example.com fell 63 % on Fri 14:00; pages still answer 200".into(),
        desc: "Items per hour over five days, against the range of the four weeks before.".into(),
        unit: "items per hour".into(),
        from_zero: true,
        times: hours(120),
        series: vec![Series {
            label: "items".into(),
            values: (0..120).map(value).collect(),
        }],
        expected: (0..120)
            .map(|hour| Some(((690.0 * daily(hour)).round(), (830.0 * daily(hour)).round())))
            .collect(),
        marks: vec![
            Mark {
                time: START + 46 * HOUR,
                label: "recorder restarted".into(),
            },
            Mark {
                time: START + 84 * HOUR,
                label: "release 4.2".into(),
            },
            Mark {
                time: START + 86 * HOUR,
                label: "layout changed".into(),
            },
        ],
        ..TimeSeries::default()
    }
}

fn latency() -> Percentiles {
    let line = |scale: f64, seed: u64| {
        let value = |hour: i64| {
            let slow = if (30..38).contains(&hour) { 2.4 } else { 1.0 };
            scale * daily(hour) * (0.9 + 0.25 * noise(seed + hour as u64)) * slow
        };
        (0..72).map(|hour| Some(value(hour))).collect()
    };
    Percentiles {
        title: "Responses took 2.4 times as long on Wednesday morning".into(),
        desc: "Median, 95th and 99th percentile of response time per hour over three days.".into(),
        unit: "response time".into(),
        format: Format::Milliseconds,
        times: hours(72),
        p50: line(240.0, 0),
        p95: line(700.0, 1000),
        p99: line(1100.0, 2000),
        marks: vec![Mark {
            time: START + 30 * HOUR,
            label: "slower".into(),
        }],
    }
}

fn errors() -> Stacked {
    let layer = |(index, category): (usize, Category)| {
        let value = |hour: i64| {
            let burst = if category == Category::RateLimit && hour > 30 {
                5.0
            } else {
                1.0
            };
            let size = 14.0 / (index as f64 + 1.0) * burst;
            let value = (size * noise(index as u64 * 997 + hour as u64)).round();
            (!(14..19).contains(&hour)).then_some(value)
        };
        Layer {
            category,
            values: (0..48).map(value).collect(),
        }
    };
    Stacked {
        title: "429 answers are most of the errors since Wed 07:00".into(),
        desc: "Errors per hour by category over two days; five hours were not measured.".into(),
        unit: "errors per hour".into(),
        times: hours(48),
        step: HOUR,
        layers: Category::ALL.into_iter().enumerate().map(layer).collect(),
        marks: vec![Mark {
            time: START + 31 * HOUR,
            label: "rate limit".into(),
        }],
        ..Stacked::default()
    }
}

fn sites() -> TimeSeries {
    let names = [
        "shop.example.com",
        "news.example.org",
        "jobs.example.net",
        "a.example",
        "b.example",
    ];
    let line = |(index, name): (usize, &&str)| Series {
        label: (*name).into(),
        values: (0..60_u64)
            .map(|day| {
                let slope = 1.0 - 0.002 * (index as f64) * day as f64;
                Some((0.985 - 0.02 * index as f64) * slope - 0.03 * noise(day + 100 * index as u64))
            })
            .collect(),
    };
    TimeSeries {
        title: "The success rate of four sites has sunk since February".into(),
        desc: "Share of requests that succeeded, per day and site, over sixty days.".into(),
        unit: "share of requests that succeeded, per day".into(),
        format: Format::Percent,
        times: (0..60).map(|day| START + (day - 59) * DAY).collect(),
        series: names.iter().enumerate().map(line).collect(),
        ..TimeSeries::default()
    }
}

fn forecast() -> TimeSeries {
    let size = |day: i64| 2.1e10 + 4.0e8 * day as f64 + 3e8 * noise(day as u64);
    let point = |day: i64| {
        let (mean, spread) = (
            2.12e10 + 4.0e8 * day as f64,
            2.5e8 * (1.0 + (day - 27) as f64).sqrt(),
        );
        ForecastPoint {
            time: START + day * DAY,
            mean,
            lower: mean - spread,
            upper: mean + spread,
        }
    };
    TimeSeries {
        title: "The disk is full around 24 April if logs grow as they do".into(),
        desc: "Size of the logs per day over four weeks, and a forecast for two more.".into(),
        unit: "size of all logs".into(),
        format: Format::Bytes,
        times: (0..28).map(|day| START + day * DAY).collect(),
        series: vec![Series {
            label: "logs".into(),
            values: (0..28).map(|d| Some(size(d))).collect(),
        }],
        forecast: (28..42).map(point).collect(),
        ..TimeSeries::default()
    }
}

fn week() -> HeatMap {
    let mut map = HeatMap {
        title: "Most errors come between 02:00 and 05:00 on weekdays".into(),
        desc: "Errors per hour by weekday and hour, mean of four weeks.".into(),
        unit: "errors per hour, mean of four weeks".into(),
        ..HeatMap::default()
    };
    for (day, cells) in map.cells.iter_mut().enumerate() {
        for (hour, cell) in cells.iter_mut().enumerate() {
            let night = if (2..5).contains(&hour) && day < 5 {
                40.0
            } else {
                9.0
            };
            let value = (night * noise((day * 24 + hour) as u64)).floor();
            *cell = (day != 6 || hour < 15).then_some(value);
        }
    }
    map
}

fn groups() -> BarRow {
    let bars = [
        ("HTTP 429 from shop.example.com", 12_480.0),
        (
            "Timeout after 30 s while reading https://news.example.org/archive/2026/page",
            3120.0,
        ),
        (
            "AttributeError: 'NoneType' object has no attribute 'text' in parse_price",
            940.0,
        ),
        (
            "duplicate key value violates unique constraint \"items_url_key\"",
            310.0,
        ),
        ("DNS lookup failed", 12.0),
    ];
    BarRow {
        title: "One group is three quarters of all errors".into(),
        desc: "Errors in 24 hours by group.".into(),
        unit: "errors in 24 hours".into(),
        bars: bars
            .map(|(label, value)| Bar {
                label: label.into(),
                value: Some(value),
            })
            .into(),
        ..BarRow::default()
    }
}

fn one_day() -> TimeSeries {
    let times: Vec<i64> = (0..97).map(|quarter| START + quarter * HOUR / 4).collect();
    let line = |label: &str, level: f64, seed: u64| Series {
        label: label.into(),
        values: (0..97)
            .map(|i| Some((level * (1.0 + noise(seed + i))).round()))
            .collect(),
    };
    TimeSeries {
        title: "Retries kept up with failures all day".into(),
        desc: "Failed and retried requests per quarter of an hour.".into(),
        unit: "requests per 15 min".into(),
        from_zero: true,
        times,
        series: vec![
            line("failed", 31.0, 0),
            line("retried", 30.0, 500),
            line("given up", 2.0, 900),
        ],
        ..TimeSeries::default()
    }
}

/// A table with a sparkline in each row, all on one scale.
fn spiders() -> String {
    let row = |(index, name): (u64, &str)| {
        let values: Vec<Option<f64>> = (0..14)
            .map(|day| {
                (day != index + 3)
                    .then(|| 400.0 * (index + 1) as f64 * (0.2 + 0.8 * noise(day + index * 31)))
            })
            .collect();
        let last = values.last().copied().flatten().unwrap_or(0.0);
        let line = Sparkline {
            label: "items per day, 14 days".into(),
            values,
            max: 1500.0,
            ..Sparkline::default()
        };
        format!(
            "<tr><th scope=\"row\">{}</th><td class=\"n\" data-v=\"{last}\">{}</td><td>{}</td>\
             <td><button data-copy=\"dragline errors --spider {0}\">Copy command</button></td></tr>",
            escape(name),
            Format::Number.value(last.round()),
            line.svg()
        )
    };
    let rows: String = (0..)
        .zip(["shop", "news", "jobs", "<evil>\u{202e}"])
        .map(row)
        .collect();
    format!(
        "<div class=\"scroll\"><table class=\"sortable\"><caption>Four spiders; one scale from 0 to \
         1 500</caption><thead><tr><th>Spider</th><th class=\"n\">Items</th><th>14 days</th><th>Errors\
         </th></tr></thead><tbody>{rows}</tbody></table></div>"
    )
}
