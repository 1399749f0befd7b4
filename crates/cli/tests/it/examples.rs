//! Every example in the help texts and in the README is run, in a directory like a user's.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::serve::Served;
use crate::{NOW, demo, json, stdout};

/// The names of the subcommands that a help text lists.
fn subcommands(help: &str) -> Vec<String> {
    let Some((_, rest)) = help.split_once("Commands:\n") else {
        return Vec::new();
    };
    let lines = rest.lines().take_while(|line| line.starts_with("  "));
    // A long description continues on lines that are indented further.
    let own = lines.filter(|line| !line.starts_with("   "));
    let names = own.filter_map(|line| line.split_whitespace().next());
    let names = names.filter(|name| *name != "help");
    names.map(str::to_owned).collect()
}

/// The examples of a command and of its subcommands.
fn examples_of(command: &[&str]) -> Vec<String> {
    let help = stdout(&[command, &["--help"]].concat());
    let mut all = Vec::new();
    let names = subcommands(&help);
    for name in &names {
        all.extend(examples_of(&[command, &[name.as_str()]].concat()));
    }
    let examples = help.split_once("Examples:\n").map_or("", |(_, rest)| rest);
    let examples = examples.lines().take_while(|line| !line.is_empty());
    all.extend(examples.map(|line| line.trim().to_owned()));
    let has_examples = !all.is_empty();
    assert!(has_examples, "{command:?} has no example");
    all
}

/// The commands in the README that start Dragline.
fn examples_in_readme() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let page = fs::read_to_string(path).unwrap();
    let blocks = page.split("```sh\n").skip(1);
    let lines = blocks.flat_map(|block| block.split("```").next().unwrap_or_default().lines());
    // `cargo run -- demo` is the same as `dragline demo`.
    let own = lines.filter(|line| !line.starts_with("cargo ") && !line.is_empty());
    own.map(str::to_owned).collect()
}

/// Words of examples that stand for something else, and what they stand for here.
struct Place {
    dir: tempfile::TempDir,
    words: Vec<(&'static str, String)>,
}

impl Place {
    fn new(service: &str) -> Self {
        let (dir, made) = demo("7", "1");
        let at = |name: &str| dir.path().join(name);
        fs::rename(Path::new(&made).join("logs"), at("logs")).unwrap();
        let lines: String = (0..2000).map(line).collect();
        fs::write(at("scrapy.log"), &lines).unwrap();
        fs::write(at("app.jsonl"), lines).unwrap();
        fs::write(at("report.txt"), "a report\n").unwrap();
        fs::write(at("production.toml"), "[limits]\ncpu_high = 70\n").unwrap();
        let logs = at("logs").display().to_string();
        fs::write(at("mine.toml"), RULE).unwrap();
        fs::write(at("rules.toml"), ALERT_RULE).unwrap();
        fs::write(at("tests.toml"), ALERT_TEST).unwrap();
        let report = json(&["report", &logs, "--format", "json"]);
        let group = report["errors"]["groups"][0]["id"]
            .as_str()
            .unwrap()
            .to_owned();
        let runs = report["runs"].as_array().unwrap();
        let mut of_shop = runs.iter().filter(|run| run["scraper_id"] == "shop-prices");
        let run = of_shop.next_back().unwrap()["run_id"]
            .as_str()
            .unwrap()
            .to_owned();
        fs::write(at("token"), "dragline_none\n").unwrap();
        let words = vec![
            ("https://dragline.example.com", service.to_owned()),
            ("http://127.0.0.1:8080", service.to_owned()),
            ("/etc/dragline.token", "./token".to_owned()),
            ("/var/lib/ship.state", "other.state".to_owned()),
            ("ship /var/log/scrapers", "ship logs/".to_owned()),
            ("5d1e", group),
            ("shop-1772623353", run),
            // Two blanks, because the word is also the beginning of the other one.
            (
                "ack queue_backup-1f2e3d4c5b6a",
                "ack  queue_backup".to_owned(),
            ),
            ("--scraper shop", "--scraper shop-prices".to_owned()),
            (
                "'logs/shop.*.jsonl.gz'",
                "'logs/shop-prices.*.jsonl.gz'".to_owned(),
            ),
            (
                "logs/shop.20260304T112233Z.a1b2c3.0.jsonl.gz:345",
                "scrapy.log:345".to_owned(),
            ),
            ("FILE:LINE", "scrapy.log:345".to_owned()),
            (
                "incidents/layout_change-9b0a8acb.capsule",
                "$(ls incidents/*.capsule | head -n 1)".to_owned(),
            ),
            (
                "--end 7c0d1e9a5b34",
                "--end $(dragline alerts silence --state alerts.json --list | cut -d' ' -f1)"
                    .to_owned(),
            ),
            ("/product/17", "/product/10".to_owned()),
            ("/mnt/old", "old".to_owned()),
            ("/var/log/scrapers '/srv/*/logs'", "logs/ 'log*'".to_owned()),
            ("/etc/dragline.toml", "./dragline.toml".to_owned()),
            ("/var/lib/dragline", "./kept".to_owned()),
            ("/mnt/backup/2026-03-04", "./copied".to_owned()),
            ("/tmp/demo --days 30", "demo --days 2".to_owned()),
        ];
        Self { dir, words }
    }

    /// The example with the words of this place.
    fn command(&self, example: &str) -> String {
        let mut text = example.to_owned();
        for (word, own) in &self.words {
            // `--scraper shop` is also the beginning of `--scraper shop-prices`.
            if !text.contains(own.as_str()) {
                text = text.replace(word, own);
            }
        }
        if text.starts_with("dragline tail") && !text.contains("--no-follow") {
            // It would follow the logs forever.
            text = text.replace("dragline tail", "dragline tail --no-follow");
        }
        if text.contains("dragline serve") || text.contains("demo --live") {
            // It would serve forever, and on a port that others may use.
            text = text.replace("dragline ", "timeout -s TERM 8 dragline ");
            if !text.contains("--listen") {
                // Few days: the logs are written before the service starts, also on a busy machine.
                text = text.replace("demo --live", "demo --days 1 --live");
                let listen = ["dragline serve", "demo --days 1 --live"];
                for command in listen {
                    text = text.replace(command, &format!("{command} --listen 127.0.0.1:0"));
                }
            }
        }
        if text.contains("dragline ship") && !text.contains("--once") {
            // It would follow the logs forever.
            text = text.replace("dragline ship", "timeout -s TERM 4 dragline ship");
        }
        if text == "dragline demo" {
            text += " --days 2";
        }
        text
    }

    /// Removes what an example would not replace.
    fn tidy(&self, command: &str) {
        let at = |name: &str| self.dir.path().join(name);
        if command.contains("config init") {
            let is_env = command.contains("--env");
            let made = if is_env {
                "dragline.env"
            } else {
                "dragline.toml"
            };
            let _ = fs::remove_file(at(made));
        }
        if command.contains("dragline backup") {
            let _ = fs::remove_dir_all(at("copied"));
        }
        if command.contains("dragline restore") {
            let _ = fs::remove_dir_all(at("kept"));
        }
        let needs_config = ["dragline alerts", "--send", "./dragline.toml"];
        if needs_config.iter().any(|part| command.contains(part)) {
            fs::write(at("dragline.toml"), ALERTS).unwrap();
        }
        if command.contains("dragline export") {
            let _ = fs::remove_dir_all(at("events"));
        }
        let _ = fs::remove_file(at("codes"));
    }

    /// Commands of other programs, which need not be installed, and one that notes the exit codes of Dragline.
    fn programs(&self) -> String {
        let bin = self.dir.path().join("bin");
        fs::create_dir(&bin).unwrap();
        let program = |name: &str, text: String| {
            let path = bin.join(name);
            fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        };
        let real = env!("CARGO_BIN_EXE_dragline");
        program(
            "dragline",
            // A signal to the group reaches the program; its exit code is still noted.
            format!("trap : TERM\n'{real}' \"$@\"; code=$?; echo $code >> codes; exit $code"),
        );
        // With a file, its lines; else what comes in.
        program(
            "jq",
            "for last; do :; done; if [ -f \"$last\" ]; then cat \"$last\"; else cat; fi".into(),
        );
        program("duckdb", "[ -d events/requests ]".into());
        program("mail", "cat > /dev/null".into());
        format!("{}:{}", bin.display(), std::env::var("PATH").unwrap())
    }
}

const RULE: &str = "\
[[rule]]
id = 'mine.basket'
category = 'system'
sub_category = 'other'
severity = 'low'
priority = 999
patterns = ['the basket is full']
[rule.tests]
match = ['the basket is full', 'BasketError: the basket is full']
no_match = ['the moon is full']
";

/// An alert that fires, and a channel to write to.
const ALERTS: &str = "\
[[rule]]
alert = 'queue_backup'
expr = 'max(dragline_queue_size[30d]) >= 0'
[notify]
channels = ['mail']
budget = '3 a week'
[channels.mail]
type = 'file'
path = 'notices.jsonl'
";

const ALERT_RULE: &str = "\
[[rule]]
alert = 'many_items_lost'
expr = 'increase(dragline_products_total{action=\"failed\"}[1h]) > 100'
";

const ALERT_TEST: &str = "\
[[test]]
name = 'a queue'
series = [{ metric = 'dragline_queue_size{scraper_id=\"a\"}', values = '_x1 10x5' }]
expect = [{ at = '0m', alert = 'queue_backup', firing = [] }, { at = '3m', alert = 'queue_backup', firing = [{ scraper_id = 'a' }] }]
";

fn line(number: u32) -> String {
    format!(
        "{{\"level\":\"error\",\"time\":1772623353,\"msg\":\"connection refused by host {number}\"}}\n"
    )
}

#[test]
fn every_example_runs() {
    let receives = tempfile::tempdir().unwrap();
    fs::create_dir(receives.path().join("logs")).unwrap();
    let served = Served::start(receives.path());
    let place = Place::new(&served.url());
    let path = place.programs();
    let mut examples = examples_of(&[]);
    let of_help = examples.len();
    examples.extend(examples_in_readme());
    assert!(
        of_help > 45 && examples.len() > of_help + 15,
        "{examples:#?}"
    );
    for example in examples {
        let command = place.command(&example);
        place.tidy(&command);
        let output = Command::new("sh")
            .args(["-c", &command])
            .current_dir(place.dir.path())
            .env("PATH", &path)
            .env("SOURCE_DATE_EPOCH", NOW)
            .env("XDG_CACHE_HOME", crate::kept())
            .env_remove("DRAGLINE_BLESS")
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        if command.starts_with("duckdb") {
            assert!(output.status.success(), "{command}: {told}");
            continue;
        }
        let codes = fs::read_to_string(place.dir.path().join("codes"))
            .unwrap_or_else(|_| panic!("{command} runs no dragline: {told}"));
        // A gate, or `--fail-on`, may fail: that is what it is for.
        let may_fail = command.contains("--gate") || command.contains("--fail-on");
        let is_well = |code: &str| code == "0" || (code == "1" && may_fail);
        assert!(codes.lines().all(is_well), "{command}: {codes} {told}");
    }
}
