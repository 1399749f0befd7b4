use super::*;
use dragline_schema::{Record, SourceFile};
use jiff::tz::TimeZone;
use proptest::prelude::*;

#[derive(Default)]
struct Told(Vec<String>);

impl Sink for Told {
    fn file(&mut self, _: &SourceFile) {}
    fn record(&mut self, record: &Record<'_>, at: Position) {
        let mut fields = Vec::new();
        record.event.each_field(&mut |name, value| {
            if name != "traceback" {
                fields.push(format!("{name}={value:?}"));
            }
        });
        let event = record
            .event
            .event_type()
            .map_or("log", |event| event.as_str());
        let level = record.level.map_or("?", |level| level.as_str());
        let message = record.message.as_deref().unwrap_or_default();
        self.0.push(format!(
            "{} {level} {event} {message:?} {}",
            at.line,
            fields.join(" ")
        ));
    }
    fn problem(&mut self, _: &Problem<'_>) {}
}

fn read(text: &str) -> Vec<String> {
    let (mut decoder, mut told) = (Text::new("shop"), Told::default());
    for (line, content) in (1..).zip(text.lines()) {
        let content = crate::parsing::without_colours(content);
        let at = Position {
            line,
            ..Position::default()
        };
        let local = Local::new(&TimeZone::UTC);
        let head = decoder.head(&content);
        match decoder.begin(&content, head, at) {
            Some(begun) => {
                decoder.flush(&local, &Map::new(), &mut told);
                decoder.open(begun, None, None);
            }
            None => drop(decoder.go_on(&content)),
        }
    }
    decoder.flush(&Local::new(&TimeZone::UTC), &Map::new(), &mut told);
    told.0
}

#[test]
fn a_message_says_what_happened_in_pairs() {
    let told = read(
        "2026-11-22 06:13:32,572 INFO news.fetch: url=http://127.0.0.1:8601/ status=200 bytes=401 elapsed=0.052s\n\
         2026-11-22 06:13:33,489 ERROR news: story failed: /article/27\n\
         Traceback (most recent call last):\n  File \"/srv/news.py\", line 61, in story\n    raise ParseError(path)\n\
         ParseError: no author in /article/27\n",
    );
    assert_eq!(told.len(), 2, "{told:?}");
    let items = read(
        "2026-11-22 06:13:32,854 INFO news: item title='Story 0' url=http://127.0.0.1:8601/article/0\n\
         [ParselCrawler] INFO  Scraped 'Blue mug' from http://127.0.0.1:8600/product/8\n",
    );
    for item in &items {
        assert!(
            item.contains("product_processed") && item.contains("url=Str"),
            "{items:?}"
        );
    }
    assert_eq!(
        told[0],
        "1 INFO request \"url=http://127.0.0.1:8601/ status=200 bytes=401 elapsed=0.052s\" \
         url=Str(\"http://127.0.0.1:8601/\") status_code=U64(200) response_time_ms=F64(52.0) bytes=U64(401)"
    );
    assert!(
        told[1].contains(
            "error_type=Str(\"ParseError\") error_message=Str(\"no author in /article/27\")"
        ),
        "{told:?}"
    );
}

proptest! {
    #[test]
    fn any_text_is_read(text in "(2026-11-22 06:13:32,572 INFO a: |\\[x\\] WARN  |\u{1b}\\[3|ERROR X: |\\PC{0,9}|\n){0,12}") {
        read(&text);
    }
}
