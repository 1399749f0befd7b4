//! Text and JSON of other writers, against what they counted.

use std::collections::BTreeMap;

use dragline_rollup::RunRow;
use dragline_schema::Dialect;

use crate::{fixture, truth};

/// Every other dialect, written by the program itself: what its log tells equals what it counted.
#[test]
fn other_dialects_agree_with_the_programs_that_wrote_them() {
    // Crawlee does not say which attempts got no answer, or a bad one.
    for (log, dialect, tells_failures) in [
        ("crawlee-js/text.log", Dialect::Crawlee, false),
        ("crawlee-js/colour.log", Dialect::Crawlee, false),
        ("crawlee-js/json.log", Dialect::Crawlee, false),
        ("crawlee-py/inline.log", Dialect::CrawleePython, false),
        ("crawlee-py/logging.log", Dialect::CrawleePython, false),
        ("crawlee-py/table.log", Dialect::CrawleePython, false),
        ("go/logrus.jsonl", Dialect::Json, true),
        ("go/logrus.log", Dialect::Logfmt, true),
        ("go/zap.jsonl", Dialect::Json, true),
        ("go/zap-console.log", Dialect::Text, true),
        ("go/zerolog.jsonl", Dialect::Json, true),
        ("go/zerolog-console.log", Dialect::Text, true),
        ("java/log4j2.jsonl", Dialect::Json, true),
        ("java/log4j2.log", Dialect::Java, true),
        ("java/logback.log", Dialect::Java, true),
        ("java/logstash.jsonl", Dialect::Json, true),
        ("logging/basic.log", Dialect::Text, true),
        ("logging/dash.log", Dialect::Text, true),
        ("logging/ecs.jsonl", Dialect::Json, true),
        ("logging/module.log", Dialect::Text, true),
        ("logging/space.log", Dialect::Text, true),
        ("loguru-text/text.log", Dialect::Loguru, true),
        ("loguru-text/colour.log", Dialect::Loguru, true),
        ("otlp/batch.jsonl", Dialect::Otlp, true),
        ("otlp/simple.jsonl", Dialect::Otlp, true),
        ("prefixed/compose.log", Dialect::Text, true),
        ("prefixed/cri.log", Dialect::Text, true),
        ("prefixed/docker.log", Dialect::Text, true),
        ("pretty/scrape.log", Dialect::Json, true),
        ("recipes/crawlee-js.jsonl", Dialect::Dragline, true),
        ("recipes/crawlee-python.jsonl", Dialect::Dragline, true),
        ("recipes/logging.jsonl", Dialect::Dragline, true),
        ("recipes/loguru.jsonl", Dialect::Dragline, true),
        ("recipes/pino.jsonl", Dialect::Dragline, true),
        ("recipes/scrapy.jsonl", Dialect::Dragline, true),
        ("recipes/structlog.jsonl", Dialect::Dragline, true),
        ("recipes/winston.jsonl", Dialect::Dragline, true),
        ("scrapy-formats/logparser.json", Dialect::Scrapy, true),
        ("scrapy-formats/own-format.log", Dialect::Scrapy, true),
        (
            "scrapy-formats/own-format-no-dump.log",
            Dialect::Scrapy,
            true,
        ),
        ("scrapy-formats/periodic.log", Dialect::Scrapy, true),
        ("scrapy-formats/short-names.log", Dialect::Scrapy, true),
        ("scrapy-formats/spidermon.log", Dialect::Scrapy, true),
    ] {
        let finished = fixture(log);
        let truth = truth(&format!("{log}.truth.json"));
        let sum = |count: fn(&RunRow) -> u64| finished.runs.iter().map(count).sum::<u64>();
        let mut codes = dragline_rollup::Tally::<u16>::default();
        for run in &finished.runs {
            run.counters
                .status_codes
                .iter()
                .for_each(|(code, count)| codes.count(code, count));
        }
        let told: BTreeMap<String, u64> = codes
            .iter()
            .map(|(code, count)| (code.to_string(), count))
            .collect();
        assert_eq!(sum(|run| run.counters.requests), truth["requests"], "{log}");
        assert_eq!(sum(|run| run.counters.items()), truth["items"], "{log}");
        assert_eq!(sum(|run| run.counters.errors), truth["errors"], "{log}");
        assert_eq!(sum(|run| run.counters.warnings), truth["warnings"], "{log}");
        if tells_failures {
            let failed = sum(|run| run.counters.requests_failed);
            assert_eq!(failed, truth["requests_failed"], "{log}");
            assert_eq!(serde_json::json!(told), truth["status_codes"], "{log}");
        } else {
            let unjudged = sum(|run| run.counters.requests_unjudged);
            assert_eq!(unjudged, truth["requests"], "{log}");
        }
        assert_eq!(
            finished.dialects.keys().collect::<Vec<_>>(),
            [&dialect],
            "{log}"
        );
        let lost = finished
            .problems
            .keys()
            .find(|(_, kind)| kind.is_lost_line());
        assert_eq!(lost, None, "{log}");
    }
}

/// How long answers took has its unit by the writer, and every one of these sites is as fast.
#[test]
fn durations_are_milliseconds_whoever_wrote_them() {
    for log in [
        "go/logrus.jsonl",
        "go/zap.jsonl",
        "go/zerolog.jsonl",
        "go/zap-console.log",
        "java/logback.log",
        "logging/basic.log",
        "logging/ecs.jsonl",
        "logging/module.log",
        "loguru-text/text.log",
        "otlp/simple.jsonl",
    ] {
        let finished = fixture(log);
        let mut all = dragline_rollup::Latency::default();
        finished
            .latency
            .values()
            .for_each(|latency| all.merge(latency));
        let median = all
            .quantile(0.5)
            .unwrap_or_else(|| panic!("no times in {log}"));
        assert!((0.5..200.0).contains(&median), "{median} ms in {log}");
    }
}
