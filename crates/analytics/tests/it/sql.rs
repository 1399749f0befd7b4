//! Questions in SQL against the report, and exports against what reads them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use dragline_analytics::sql::{
    self, Answer, COMMON, COUNTED, Cells, Kind, Question, SqlError, TABLES, has_counters,
};
use dragline_analytics::{COUNTERS, Logs};
use dragline_classifier::RuleSet;
use dragline_scan::{Filter, ScanOptions, scan};
use dragline_schema::{EventType, Timestamp};
use polars::prelude::{ParquetReader, ParquetWriter, SerReader as _};
use serde_json::{Value, json};

fn logs() -> Vec<String> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/logs");
    [
        "scrapy/debug.log",
        "pino/scrape.ndjson",
        "recipes/structlog.jsonl",
    ]
    .map(|log| dir.join(log).display().to_string())
    .to_vec()
}

fn now() -> Timestamp {
    Timestamp::parse("2040-01-01T00:00:00Z").unwrap()
}

fn with_question<T>(options: &ScanOptions, then: impl FnOnce(&Question<'_>) -> T) -> T {
    let (rules, spool) = (RuleSet::shipped(), tempfile::tempdir().unwrap());
    then(&Question {
        inputs: &logs(),
        rules: &rules,
        options,
        spool: spool.path(),
        now: now(),
    })
}

fn ask(query: &str) -> Answer {
    with_question(&ScanOptions::default(), |question| {
        sql::ask(question, query)
    })
    .unwrap()
    .answer
}

fn rows(query: &str) -> Vec<Vec<Value>> {
    let answer = ask(query);
    (0..answer.height()).map(|row| answer.row(row)).collect()
}

#[test]
fn tables_of_events_add_up_to_what_was_counted() {
    let rules = RuleSet::shipped();
    let finished = scan(&logs(), &rules, &ScanOptions::default())
        .unwrap()
        .rollup
        .finish(now());
    let lines = rows("SELECT count(*) AS n FROM events");
    let events: u64 = finished.dialects.values().sum();
    assert_eq!(lines, [[json!(events)]]);
    // Scrapy's own statistics count what its lines do not.
    let by_lines = rows(
        "SELECT count(*) n, sum(CASE WHEN failed THEN 1 ELSE 0 END) f FROM requests \
         WHERE run_id NOT LIKE '2026%-4%' AND scraper_id <> 'products'",
    );
    let runs = finished
        .runs
        .iter()
        .filter(|run| run.counted_by == "lines" && run.key.is_run());
    let (requests, failed) = runs.fold((0, 0), |(requests, failed), run| {
        (
            requests + run.counters.requests,
            failed + run.counters.requests_failed,
        )
    });
    assert_eq!(by_lines, [[json!(requests), json!(failed)]]);
    let errors: u64 = finished.runs.iter().map(|run| run.counters.errors).sum();
    assert_eq!(rows("SELECT count(*) n FROM errors"), [[json!(errors)]]);
    let categories =
        rows("SELECT category, count(*) n FROM errors GROUP BY category ORDER BY category");
    let mut expected: BTreeMap<&str, u64> = BTreeMap::new();
    for row in &finished.groups {
        let category = row.group.sample.as_ref().unwrap().1.category.as_str();
        *expected.entry(category).or_default() += row.group.count;
    }
    let expected: Vec<Vec<Value>> = expected
        .into_iter()
        .map(|(c, n)| vec![json!(c), json!(n)])
        .collect();
    assert_eq!(categories, expected);
    // Events and runs are named alike, so that they join.
    let unmatched = rows(
        "SELECT count(*) n FROM events e LEFT JOIN runs r ON e.run_id = r.run_id \
         WHERE e.run_id IS NOT NULL AND r.scraper_id IS NULL",
    );
    assert_eq!(unmatched, [[json!(0)]]);
}

#[test]
fn evidence_and_times_are_columns() {
    let errors = rows("SELECT file, line, at, error_type FROM errors ORDER BY file, line LIMIT 1");
    let [file, line, at, _] = &errors[0][..] else {
        panic!("{errors:?}")
    };
    let text = std::fs::read_to_string(file.as_str().unwrap()).unwrap();
    let line = line.as_u64().unwrap() as usize;
    assert!(
        text.lines()
            .nth(line - 1)
            .unwrap()
            .to_lowercase()
            .contains("error")
    );
    assert!(Timestamp::parse(at.as_str().unwrap()).is_ok(), "{at}");
}

#[test]
fn a_filter_holds_for_the_tables_of_events() {
    let options = ScanOptions {
        filter: Filter {
            scraper: Some("shop-pino".into()),
            ..Filter::default()
        },
        ..ScanOptions::default()
    };
    let answer = with_question(&options, |question| {
        sql::ask(question, "SELECT DISTINCT scraper_id FROM events")
    });
    assert_eq!(answer.unwrap().answer.row(0), [json!("shop-pino")]);
}

/// To the tables of counters, too, as far as they have scrapers and sites.
#[test]
fn a_filter_of_names_holds_for_every_table() {
    let options = |since| ScanOptions {
        filter: Filter {
            scraper: Some("shop-pino".into()),
            since,
            ..Filter::default()
        },
        ..ScanOptions::default()
    };
    let asked = |options: &ScanOptions, query: &str| {
        with_question(options, |question| sql::ask(question, query)).unwrap()
    };
    for table in ["runs", "daily", "hourly", "activity_by_bucket"] {
        let query = format!("SELECT DISTINCT scraper_id FROM {table}");
        let asked = asked(&options(None), &query);
        assert_eq!(asked.answer.height(), 1, "{table}");
        assert_eq!(asked.answer.row(0), [json!("shop-pino")], "{table}");
        assert_eq!(asked.notes, Vec::<String>::new());
    }
    let asked = asked(
        &options(Some(now())),
        "SELECT count(*) FROM runs UNION ALL SELECT count(*) FROM files",
    );
    assert_eq!(asked.notes.len(), 2, "{:?}", asked.notes);
    assert!(asked.notes[0].starts_with("--since does not apply to `runs`"));
    assert!(asked.notes[1].starts_with("--since and --scraper do not apply to `files`"));
}

/// Scrapy's statistics have numbers where its log has no lines.
#[test]
fn numbers_without_rows_are_named() {
    let log = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/logs/scrapy/info.log");
    let (rules, spool) = (RuleSet::shipped(), tempfile::tempdir().unwrap());
    let options = ScanOptions::default();
    let question = Question {
        inputs: &[log.display().to_string()],
        rules: &rules,
        options: &options,
        spool: spool.path(),
        now: now(),
    };
    let notes = |query: &str| sql::ask(&question, query).unwrap().notes;
    let note = notes("SELECT host FROM requests").concat();
    assert!(
        note.contains("`requests` has 2 rows, but the runs count 94 requests"),
        "{note}"
    );
    assert!(note.contains("`runs`"), "{note}");
    let note = notes("SELECT count(*) FROM items").concat();
    assert!(
        note.contains("`items` has 9 rows, but the runs count 51 items"),
        "{note}"
    );
    assert_eq!(notes("SELECT requests FROM runs"), Vec::<String>::new());
    assert_eq!(notes("SELECT message FROM events"), Vec::<String>::new());
    let dir = tempfile::tempdir().unwrap();
    let (exported, _) = sql::export(&question, dir.path()).unwrap();
    assert_eq!(exported.unwrap().notes.len(), 2);
}

#[test]
fn a_result_is_sorted_by_what_it_does_not_contain() {
    let both =
        rows("SELECT level, count(*) AS n FROM events GROUP BY level ORDER BY n DESC, level");
    let levels: Vec<Vec<Value>> = both.iter().map(|row| vec![row[0].clone()]).collect();
    let query = "SELECT level FROM events GROUP BY level ORDER BY count(*) DESC, level";
    assert!(levels.len() > 2);
    assert_eq!(rows(query), levels);
    assert_eq!(rows(&format!("{query} LIMIT 2")), levels[..2]);
    let query = "WITH e AS (SELECT level FROM events) SELECT level, min(level) FROM e GROUP BY level ORDER BY count(*) ASC, level DESC";
    let rows = rows(query);
    assert_eq!(rows.len(), levels.len());
    assert_eq!(rows[0].len(), 2);
    assert_eq!(
        rows.last().map(|row| &row[..1]),
        levels.first().map(|row| &row[..])
    );
    let error = with_question(&ScanOptions::default(), |question| {
        sql::ask(question, "SELECT level FROM events ORDER BY length(colour)")
    });
    assert!(error.unwrap_err().to_string().contains("colour"));
}

#[test]
fn a_query_is_checked_without_logs() {
    for table in Logs::tables() {
        assert!(
            sql::check(&format!("SELECT * FROM {table}")).unwrap().len() > 3,
            "{table}"
        );
    }
    let query = "SELECT host, avg(bytes) AS mean FROM requests GROUP BY host ORDER BY count(*)";
    assert_eq!(sql::check(query).unwrap(), ["host", "mean"]);
    for (query, part) in [
        ("SELECT 1 FROM request", "there is no table `request`"),
        ("SELECT hots FROM requests", "hots"),
        ("SELECT colour FROM runs", "duration_seconds"),
        ("SELECT FROM WHERE", "no table"),
        ("SELECT host FROM requests WHERE", "cannot run the query"),
    ] {
        let error = sql::check(query).unwrap_err().to_string();
        assert!(error.contains(part), "{query}: {error}");
    }
}

#[test]
fn every_format_holds_the_answer() {
    let answer =
        ask("SELECT 'a,\"b\"' AS \"text\", 1.5 AS \"half\", NULL AS \"none\" FROM files LIMIT 1");
    let written = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    };
    assert_eq!(
        written(&|out| answer.write_csv(out, Cells::Plain).unwrap()),
        "text,half,none\n\"a,\"\"b\"\"\",1.5,\n"
    );
    let formulas = ask("SELECT '=1+1' AS a, '@x' AS b, '-5' AS c, '- x' AS d FROM files LIMIT 1");
    assert_eq!(
        written(&|out| formulas.write_csv(out, Cells::Safe).unwrap()),
        "a,b,c,d\n'=1+1,'@x,-5,'- x\n"
    );
    assert_eq!(
        written(&|out| answer.write_json(out).unwrap()),
        "{\"text\":\"a,\\\"b\\\"\",\"half\":1.5,\"none\":null}\n"
    );
    assert!(written(&|out| answer.write_parquet(out).unwrap()).starts_with("PAR1"));
}

#[test]
fn what_is_wrong_with_a_query_is_said() {
    let error = |query: &str| {
        let answer = with_question(&ScanOptions::default(), |question| {
            sql::ask(question, query)
        });
        answer.unwrap_err().to_string()
    };
    assert!(error("SELECT 1").contains("events, requests, items, errors, searches"));
    assert!(error("SELECT colour FROM requests").contains("colour"));
    assert!(error("SELECT colour FROM requests").contains("response_time_ms"));
    assert!(error("SELEC * FROM requests").contains("SELEC"));
    assert!(error("DROP TABLE runs").contains("begin with SELECT"));
}

fn parquet_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(parquet_files(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

#[test]
fn an_export_is_partitioned_by_day_and_scraper() {
    let dir = tempfile::tempdir().unwrap();
    let options = ScanOptions::default();
    let (exported, _) =
        with_question(&options, |question| sql::export(question, dir.path())).unwrap();
    let exported = exported.unwrap();
    let files = parquet_files(dir.path());
    assert_eq!(files.len(), exported.files);
    let names: Vec<String> = files
        .iter()
        .map(|path| path.strip_prefix(dir.path()).unwrap().display().to_string())
        .collect();
    let has = |part: &str| names.iter().any(|name| name.contains(part));
    assert!(
        has("requests/date=2026-11-22/scraper_id=shop-pino/"),
        "{names:?}"
    );
    assert!(has("runs.parquet") && has("files.parquet") && has("errors/date="));
    let events = rows("SELECT count(*) n FROM events")[0][0].as_u64();
    assert_eq!(
        exported
            .rows
            .iter()
            .find(|(table, _)| *table == "events")
            .map(|(_, n)| *n),
        events
    );
    assert!(!exported.is_extended);
    // These logs are in it.
    let again = with_question(&options, |question| sql::export(question, dir.path()));
    assert!(matches!(again, Err(SqlError::Exported { files: 3, .. })));
    assert_eq!(parquet_files(dir.path()), files);
}

/// The number of rows of a table in an export.
fn exported_rows(dir: &Path, table: &str) -> usize {
    let of = |path: &PathBuf| {
        let relative = path.strip_prefix(dir).unwrap();
        relative.starts_with(table) || relative == Path::new(&format!("{table}.parquet"))
    };
    let height = |path: &PathBuf| {
        let file = std::fs::File::open(path).unwrap();
        ParquetReader::new(file).finish().unwrap().height()
    };
    let files = parquet_files(dir);
    files.iter().filter(|path| of(path)).map(height).sum()
}

fn export_of(
    inputs: &[String],
    options: &ScanOptions,
    dir: &Path,
) -> Result<sql::Exported, SqlError> {
    let (rules, spool) = (RuleSet::shipped(), tempfile::tempdir().unwrap());
    let question = Question {
        inputs,
        rules: &rules,
        options,
        spool: spool.path(),
        now: now(),
    };
    sql::export(&question, dir).map(|(exported, _)| exported.unwrap())
}

#[test]
fn an_export_is_extended() {
    let dir = tempfile::tempdir().unwrap();
    let (together, parts) = (dir.path().join("together"), dir.path().join("parts"));
    let (logs, options) = (logs(), ScanOptions::default());
    export_of(&logs, &options, &together).unwrap();
    let first = export_of(&logs[..1], &options, &parts).unwrap();
    let second = export_of(&logs[1..], &options, &parts).unwrap();
    assert!(!first.is_extended && second.is_extended);
    for (table, rows) in &second.rows {
        let sum = exported_rows(&parts, table);
        assert_eq!(sum, exported_rows(&together, table), "{table}");
        let before = first.rows.iter().find(|(name, _)| name == table).unwrap().1;
        assert_eq!(sum as u64, before + rows, "{table}");
    }
    // More rows of the same logs are possible with a filter.
    let scraper = Some("shop-pino".to_owned());
    let filter = Filter {
        scraper,
        ..Filter::default()
    };
    let filtered = ScanOptions {
        filter,
        ..options.clone()
    };
    assert!(export_of(&logs, &filtered, &parts).is_ok());
    // A file with other columns, and a file that is not a table.
    let path = parquet_files(&parts.join("requests"))[0].clone();
    let mut frame = ParquetReader::new(std::fs::File::open(&path).unwrap())
        .finish()
        .unwrap();
    let _ = frame.drop_in_place("bytes").unwrap();
    ParquetWriter::new(std::fs::File::create(&path).unwrap())
        .finish(&mut frame)
        .unwrap();
    let before = contents(&parts);
    let error = export_of(&logs, &filtered, &parts).unwrap_err().to_string();
    assert!(
        error.contains("has no column `bytes`") && error.contains("new directory"),
        "{error}"
    );
    std::fs::write(together.join("notes.md"), "mine").unwrap();
    let error = export_of(&logs, &filtered, &together)
        .unwrap_err()
        .to_string();
    assert!(error.contains("it contains notes.md"), "{error}");
    assert_eq!(contents(&parts), before);
}

#[test]
fn what_the_engine_cannot_do_is_said_and_not_waited_for() {
    let stopped = |query: &str| {
        let options = ScanOptions::default();
        let asked = with_question(&options, |question| sql::ask(question, query));
        let error = asked.unwrap_err();
        assert!(error.is_about_the_query(), "{error}");
        error.to_string()
    };
    for query in [
        "SELECT INTERVAL '1' FROM events",
        "SELECT COLUMNS('(') FROM events",
        "WITH runs AS (SELECT * FROM events) SELECT 1 FROM runs",
    ] {
        assert!(!stopped(query).is_empty());
    }
}

/// A query that names no column of those that it uses gives what it gives when all are built.
#[test]
fn columns_that_are_used_without_a_name_are_there() {
    for query in [
        "SELECT COLUMNS('^st') FROM requests ORDER BY at, url",
        "SELECT \"^st.*$\" FROM requests ORDER BY at, url",
        "SELECT count(*) FROM requests NATURAL JOIN errors",
        "SELECT count(*) FROM (FROM requests) AS r",
    ] {
        let options = ScanOptions::default();
        let answer = |query: &str| {
            let asked = with_question(&options, |question| sql::ask(question, query));
            asked.map(|asked| {
                let answer = asked.answer;
                let rows: Vec<_> = (0..answer.height()).map(|row| answer.row(row)).collect();
                (answer.columns(), rows)
            })
        };
        let all = format!("{query} -- *");
        let (own, all) = (answer(query), answer(&all));
        assert_eq!(
            own.map_err(|e| e.to_string()),
            all.map_err(|e| e.to_string()),
            "{query}"
        );
    }
}

/// All files below a directory, with their contents.
fn contents(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let files = parquet_files(dir).into_iter();
    files
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect()
}

#[test]
fn an_export_that_fails_takes_back_what_it_made_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let options = ScanOptions::default();
    let (rules, spool) = (RuleSet::shipped(), tempfile::tempdir().unwrap());
    let fails = |target: &Path| {
        let question = Question {
            inputs: &["no-such-log".to_owned()],
            rules: &rules,
            options: &options,
            spool: spool.path(),
            now: now(),
        };
        sql::export(&question, target).unwrap_err()
    };
    // A directory that is new, and two above it; one that was there; a link to one; one with a file in it.
    fails(&at("new/and/deep"));
    assert!(!at("new").exists());
    std::fs::create_dir(at("empty")).unwrap();
    fails(&at("empty"));
    assert!(at("empty").is_dir());
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("empty", at("link")).unwrap();
        fails(&at("link"));
        assert!(at("link").is_symlink() && at("empty").is_dir());
    }
    std::fs::create_dir(at("theirs")).unwrap();
    std::fs::write(at("theirs/notes.md"), "mine").unwrap();
    let before = contents(&at("theirs"));
    assert!(matches!(fails(&at("theirs")), SqlError::NoExport { .. }));
    assert_eq!(contents(&at("theirs")), before);
}

#[test]
fn exports_into_one_directory_do_not_mix() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("export");
    let options = ScanOptions::default();
    let export = || with_question(&options, |question| sql::export(question, &target));
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(export)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let written: Vec<_> = results
        .iter()
        .filter_map(|result| result.as_ref().ok())
        .collect();
    let [(exported, _)] = written[..] else {
        panic!("{} exports were written", written.len());
    };
    assert_eq!(
        parquet_files(&target).len(),
        exported.as_ref().unwrap().files
    );
}

/// Every question in the documents has an answer.
#[test]
fn the_questions_in_the_docs_are_answered() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/sql.md");
    let page = std::fs::read_to_string(page).unwrap();
    let blocks = page.split("```sql\n").skip(1);
    let blocks = blocks.map(|rest| rest.split("```").next().unwrap_or_default());
    let typed = page.split("dragline sql \"").skip(1);
    let typed = typed.map(|rest| rest.split("\" logs/").next().unwrap_or_default());
    let asked: Vec<&str> = blocks
        .chain(typed)
        .flat_map(|text| text.split(';'))
        .map(str::trim)
        // Those are for other engines.
        .filter(|query| !query.is_empty() && !query.contains("read_parquet"))
        .collect();
    assert!(asked.len() >= 6, "{asked:?}");
    for query in asked {
        ask(query);
    }
}

/// The tables as docs/sql.md shows them.
fn documented() -> String {
    let mut text = String::new();
    let row = |name: &str, kind: &str, about: &str| format!("| `{name}` | {kind} | {about} |\n");
    let head = "\n| column | type | what |\n|---|---|---|\n";
    for table in TABLES.iter() {
        text += &format!("\n### {}\n\n{}\n{head}", table.name, table.about);
        for column in COMMON.iter().chain(&table.own) {
            let about = column.about.trim().trim_end_matches('.');
            text += &row(column.name, column.kind.as_sql(), about);
        }
    }
    for (name, about, columns) in COUNTED {
        text += &format!("\n### {name}\n\n{about}\n{head}");
        for (name, kind, about) in *columns {
            text += &row(name, kind, about);
        }
        if has_counters(name) {
            for counter in COUNTERS {
                text += &row(counter.name, Kind::Count.as_sql(), counter.about);
            }
        }
    }
    text
}

#[test]
fn the_tables_in_the_docs_are_those_there_are() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/sql.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (begin, rest) = page.split_once("<!-- tables -->\n").unwrap();
    let (tables, end) = rest.split_once("<!-- end of tables -->").unwrap();
    if std::env::var_os("DRAGLINE_BLESS").is_some() {
        let page = format!(
            "{begin}<!-- tables -->\n{}{}",
            documented(),
            format_args!("<!-- end of tables -->{end}")
        );
        return std::fs::write(&path, page).unwrap();
    }
    assert_eq!(tables, documented(), "run just schema");
}

/// A new field of an event is a column of a table, or is listed here.
#[test]
fn every_field_of_every_event_is_a_column() {
    // The first are in `runs`, the last is what the recorder says of itself.
    let elsewhere = [
        EventType::ScraperStart,
        EventType::ScraperEnd,
        EventType::LogDropped,
    ];
    // Called otherwise: ids of items, the classifier's word on an error, a word of SQL's.
    let renamed = [
        "product_id",
        "article_id",
        "error_category",
        "error_severity",
        "table",
        "action",
        "confidence",
    ];
    let columns: Vec<&str> = TABLES
        .iter()
        .flat_map(dragline_analytics::sql::Table::columns)
        .map(|column| column.name)
        .collect();
    for event in EventType::ALL
        .iter()
        .filter(|event| !elsewhere.contains(event))
    {
        for field in event.columns() {
            let is_there = columns.contains(&field.name) || renamed.contains(&field.name);
            assert!(is_there, "{}.{} is in no table", event.as_str(), field.name);
        }
    }
}

#[test]
fn logs_are_frames() {
    let logs = Logs::open(logs()).unwrap().at(now());
    for table in Logs::tables() {
        let frame = logs.frame(table).unwrap().collect().unwrap();
        assert!(frame.width() > 3, "{table}");
    }
    let requests = logs
        .columns("requests", &["host", "failed"])
        .unwrap()
        .collect()
        .unwrap();
    assert_eq!(requests.width(), 2);
    let daily = logs.frame("daily").unwrap().collect().unwrap();
    let runs = logs.frame("runs").unwrap().collect().unwrap();
    let sum = |frame: &polars::prelude::DataFrame| {
        frame
            .column("requests")
            .unwrap()
            .i64()
            .unwrap()
            .iter()
            .flatten()
            .sum::<i64>()
    };
    assert_eq!(sum(&daily), sum(&runs));
    for wrong in [logs.frame("request"), logs.columns("requests", &["hots"])] {
        let error = wrong.err().unwrap().to_string();
        assert!(
            error.contains("requests") || error.contains("host"),
            "{error}"
        );
    }
}
