//! What must never happen, whatever is read and wherever it is written.

use std::io::Write as _;
use std::os::unix::fs::{FileTypeExt as _, symlink};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::{NOW, fixture, kept, run_in};

/// Runs a shell in a directory, with the command as `$0`.
fn shell_in(dir: &Path, script: &str) -> Output {
    Command::new("bash")
        .args(["-c", script, env!("CARGO_BIN_EXE_dragline")])
        .current_dir(dir)
        .env("SOURCE_DATE_EPOCH", NOW)
        .env("XDG_CACHE_HOME", kept())
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn lines(count: usize) -> String {
    let line = |nth: usize| {
        format!(
            "{{\"level\":\"info\",\"time\":{},\"url\":\"https://a.test/{nth}\",\"status\":200,\"scraper\":\"shop\",\"site\":\"a.test\",\"run_id\":\"r{}\"}}\n",
            1_772_623_353 + nth,
            nth / 50
        )
    };
    (0..count).map(line).collect()
}

fn pack(path: &Path, pieces: impl Iterator<Item = Vec<u8>>) {
    let file = std::fs::File::create(path).unwrap();
    let mut packed = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    pieces.for_each(|piece| packed.write_all(&piece).unwrap());
    packed.finish().unwrap();
}

/// Every file below a directory, and what is in it.
fn contents(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_symlink() {
            let target = std::fs::read_link(&path).unwrap();
            found.push((
                path.display().to_string(),
                target.display().to_string().into_bytes(),
            ));
        } else if path.is_dir() {
            found.extend(contents(&path));
        } else {
            found.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
    found.sort();
    found
}

#[test]
fn a_cache_where_others_have_files_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::create_dir(dir.join("logs")).unwrap();
    for name in ["a", "b", "c"] {
        std::fs::write(dir.join(format!("logs/{name}.log")), lines(2000)).unwrap();
    }
    for place in ["logs", ".", "", "/"] {
        let config = format!("[cache]\ndir = '{place}'\nmax_mib = 1\n");
        std::fs::write(dir.join("dragline.toml"), config).unwrap();
        let before = contents(dir);
        let output = run_in(dir, &["report", "logs"]);
        assert_eq!(output.status.code(), Some(2), "{place}: {}", said(&output));
        let text = said(&output);
        assert!(
            text.contains("[cache] dir") && text.contains("using dragline.toml"),
            "{text}"
        );
        assert_eq!(contents(dir), before);
    }
    // One that is new is made, and known again.
    std::fs::write(dir.join("dragline.toml"), "[cache]\ndir = 'kept'\n").unwrap();
    for _ in 0..2 {
        assert_eq!(run_in(dir, &["report", "logs"]).status.code(), Some(0));
    }
}

#[test]
fn outputs_replace_nothing_but_files() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("a.log"), lines(100)).unwrap();
    std::fs::write(dir.join("theirs"), "mine").unwrap();
    symlink("theirs", dir.join("report.md.tmp")).unwrap();
    symlink("target.md", dir.join("link.md")).unwrap();
    std::fs::create_dir(dir.join("folder")).unwrap();
    let report = |to: &str| run_in(dir, &["report", "a.log", "--format", "markdown", "-o", to]);
    for to in ["report.md", "link.md", "/dev/null", "/dev/stdout"] {
        let output = report(to);
        assert_eq!(output.status.code(), Some(0), "{to}: {}", said(&output));
    }
    assert!(report("/dev/stdout").stdout.starts_with(b"# "));
    assert_eq!(report("folder").status.code(), Some(1));
    assert_eq!(std::fs::read_to_string(dir.join("theirs")).unwrap(), "mine");
    assert!(dir.join("link.md").is_symlink() && dir.join("target.md").is_file());
    let null = Path::new("/dev/null").metadata().unwrap();
    assert!(null.file_type().is_char_device());
    let output = shell_in(
        dir,
        "exec \"$0\" sql 'SELECT count(*) n FROM requests' a.log -o >(cat > through)",
    );
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let output = shell_in(
        dir,
        "\"$0\" runs a.log -o /dev/stdout >> appended; \"$0\" runs a.log -o /dev/stdout >> appended",
    );
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let appended = std::fs::read_to_string(dir.join("appended")).unwrap();
    assert_eq!(appended.matches("2 runs").count(), 2, "{appended}");
    let names: Vec<String> = contents(dir).into_iter().map(|(name, _)| name).collect();
    assert!(
        !names.iter().any(|name| name.contains(".dragline-")),
        "{names:?}"
    );
}

#[test]
fn a_gate_is_judged_whatever_became_of_the_pipe() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.log"), lines(300)).unwrap();
    let script = |command: &str| {
        let script = format!("set -o pipefail; \"$0\" {command} | true");
        shell_in(dir.path(), &script).status.code()
    };
    // A report that is longer than a pipe holds.
    assert_eq!(
        script("report a.log --format json --fail-on no_data,healthy"),
        Some(1)
    );
    assert_eq!(script("report a.log --format json"), Some(0));
    assert_eq!(
        script("diff previous last a.log --gate 'requests>100000'"),
        Some(1)
    );
}

#[test]
fn every_command_says_what_it_could_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let pick = |name: &str| dir.join(name);
    std::fs::write(pick("garbage.log"), "one\ntwo\nthree\n").unwrap();
    pack(&pick("whole.gz"), std::iter::once(lines(5000).into_bytes()));
    let whole = std::fs::read(pick("whole.gz")).unwrap();
    std::fs::write(pick("cut.log.gz"), &whole[..whole.len() / 2]).unwrap();
    std::fs::remove_file(pick("whole.gz")).unwrap();
    let query = "SELECT count(*) FROM requests";
    for arguments in [
        &["sql", query, "garbage.log"][..],
        &["export", "garbage.log", "-o", "out"],
        &["diff", "previous", "last", "garbage.log"],
        &["rules", "suggest", "garbage.log"],
        &["errors", "garbage.log"],
        &["tail", "garbage.log", "--no-follow"],
        &["tail", "nowhere.log", "--no-follow"],
        &["sql", query, "nowhere.log"],
    ] {
        let output = run_in(dir, arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let text = said(&output);
        assert!(
            text.contains("garbage.log") || text.contains("nowhere.log"),
            "{text}"
        );
    }
    for arguments in [
        &["sql", query, "cut.log.gz"][..],
        &["export", "cut.log.gz", "-o", "part"],
        &["errors", "cut.log.gz"],
        &["runs", "cut.log.gz"],
    ] {
        let output = run_in(dir, arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        let text = said(&output);
        assert!(
            text.contains("1 archive could not be read to the end"),
            "{text}"
        );
    }
}

#[test]
fn wrong_usage_is_two_and_only_that() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("a.log"), lines(100)).unwrap();
    std::fs::write(dir.join("wrong.toml"), "[severity]\nburst = 3\n").unwrap();
    std::fs::write(dir.join("rules.toml"), "[[rule]]\nid = 'x'\n").unwrap();
    let until = "[[mute]]\ngroup = '0123456789abcdef'\nreason = 'known'\nuntil = 2026-12-01\n";
    std::fs::write(dir.join("date.toml"), until).unwrap();
    // More terms than a stack of 8 MiB holds.
    let terms = format!("SELECT {}1 AS n FROM events", "1 + ".repeat(300));
    for (arguments, code) in [
        (&["sql", &terms, "a.log"][..], 0),
        (&["tail", "a.log", "--no-follow", "--grep", "("], 2),
        (&["tail", "[", "--no-follow"], 2),
        (&["report", "x[", "--no-cache"], 2),
        (&["report", "a.log", "--config", "wrong.toml"], 2),
        (&["report", "a.log", "--config", "none.toml"], 2),
        (&["report", "a.log", "--rules", "rules.toml"], 2),
        (&["report", "a.log", "--config", "date.toml"], 0),
        (&["report", "a.log", "--memory", "12"], 2),
        (&["sql", "SELECT nothing FROM requests", "a.log"], 2),
        (&["sql", "SELECT INTERVAL '1' FROM events", "a.log"], 2),
        (&["sql", "SELECT 1", "a.log"], 2),
        (&["sql", "SELECT * FROM runs", "a.log", "--safe-cells"], 2),
        (&["report", "a.log", "--history", "."], 2),
        (&["rules", "suggest", "a.log", "--format", "html"], 2),
        (&["report", "no.log"], 1),
        (&["report", "a.log/b"], 1),
        (&["diff", "none", "last", "a.log"], 1),
    ] {
        let output = run_in(dir, arguments);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}: {}",
            said(&output)
        );
        assert!(!said(&output).contains("panicked"), "{arguments:?}");
    }
}

/// Whether a character moves the cursor, changes a terminal or the direction of writing, or begins a line.
fn is_alive(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\t'))
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[test]
fn nothing_of_a_log_reaches_the_terminal_alive() {
    const EVIL: &str = "x\u{1b}]0;y\u{7}\u{1b}[2J\u{9b}31m\u{202e}\u{2066}\u{61c}\r\u{2028}z";
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let json = serde_json::to_string(EVIL).unwrap();
    let line = |nth: usize| {
        format!(
            "{{\"level\":\"error\",\"time\":{},\"msg\":{json},\"error_type\":{json},\"url\":\"https://a.test/{nth}\",\"status\":500,\"scraper\":{json},\"site\":{json},\"run_id\":\"r{}\"}}\n",
            1_772_623_353 + nth * 60,
            nth / 50
        )
    };
    let log: String = (0..200).map(line).collect();
    let name = format!("n{}.log", EVIL.replace('/', ""));
    std::fs::create_dir(dir.join("logs")).unwrap();
    std::fs::write(dir.join("logs").join(&name), log).unwrap();
    std::fs::write(dir.join("logs/garbage.log"), EVIL.repeat(3) + "\n").unwrap();
    std::fs::write(dir.join("logs").join(format!("b{name}")), [0, 1, 2, 0]).unwrap();
    std::fs::write(dir.join("logs/m.log"), format!("ERROR {EVIL}: {EVIL}\n")).unwrap();
    let only = format!("logs/b{name}");
    let query = format!("SELECT message AS \"{EVIL}\", error_type FROM errors LIMIT 3");
    for arguments in [
        &["report", "logs"][..],
        &["report", "logs", "--format", "markdown"],
        &["report", "logs", "--format", "json"],
        &["report", "logs", "--format", "html"],
        &["report", "logs", "--scraper", "nobody"],
        &[
            "report",
            "logs",
            "--fail-on",
            "down,blocked,degraded,healthy,no_data",
        ],
        &["report", &only],
        &["errors", "logs"],
        &["runs", "logs"],
        &["runs", "logs", "--format", "json"],
        &["diff", "previous", "last", "logs"],
        &["diff", "r0", "r3", "logs", "--gate", "errors<0"],
        &["diff", EVIL, EVIL, "logs"],
        &["sql", &query, "logs"],
        &["sql", "SELECT * FROM errors", "logs", "--format", "json"],
        &["sql", EVIL, "logs"],
        &["tail", "logs", "--no-follow", "--from-start"],
        &["tail", "logs", "--no-follow", "--format", "json"],
        &["rules", "suggest", "logs"],
        &["rules", "suggest", "logs", "--format", "json"],
        &["rules", "explain", EVIL],
        &["export", "logs", "-o", &name],
        &["report", &format!("none{EVIL}")],
    ] {
        let output = run_in(dir, arguments);
        for (stream, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
            let text = std::str::from_utf8(bytes).unwrap();
            let found = text.chars().find(|c| is_alive(*c));
            assert_eq!(found, None, "{arguments:?}, {stream}: {text}");
        }
    }
}

/// A process may address so much, in KiB: what it holds, its program, and the stacks of its threads.
const ADDRESSABLE: &str = "2000000";

#[test]
fn a_bomb_takes_no_more_than_a_log() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let around = |middle: &mut dyn Iterator<Item = Vec<u8>>| -> Vec<Vec<u8>> {
        let mut pieces = vec![lines(3000).into_bytes()];
        pieces.extend(middle);
        pieces.push(b"\n".to_vec());
        pieces.push(lines(10).into_bytes());
        pieces
    };
    let line = vec![b'x'; 4 << 20];
    pack(
        &dir.join("line.gz"),
        around(&mut std::iter::repeat_n(line, 64)).into_iter(),
    );
    std::fs::write(dir.join("hole.jsonl"), lines(20_000)).unwrap();
    let hole = std::fs::File::options()
        .append(true)
        .open(dir.join("hole.jsonl"))
        .unwrap();
    hole.set_len(256 << 20).unwrap();
    for name in ["line.gz", "hole.jsonl"] {
        let script =
            format!("ulimit -v {ADDRESSABLE}; exec \"$0\" report {name} --format json --no-cache");
        let output = shell_in(dir, &script);
        assert_eq!(output.status.code(), Some(0), "{name}: {}", said(&output));
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let expected = if name == "line.gz" { 3010 } else { 20_000 };
        assert_eq!(report["totals"]["requests"], expected, "{name}");
        assert_ne!(
            report["trust"]["problems"][0]["kind"],
            serde_json::Value::Null
        );
    }
    let script = format!(
        "ulimit -v {ADDRESSABLE}; (head -c 30000000 /dev/zero | tr '\\0' x; printf '\\nTimeoutError: y\\n') | \"$0\" classify"
    );
    let output = shell_in(dir, &script);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 2);
    assert!(said(&output).contains("line 1 has more than 8 MiB"));
}

#[test]
fn what_needs_more_memory_than_it_may_have_is_ended_with_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.log"), lines(12_000)).unwrap();
    let query = "SELECT a.url, b.run_id FROM requests a CROSS JOIN requests b ORDER BY a.url";
    let output = run_in(
        dir.path(),
        &["sql", query, "a.log", "--memory", "256MiB", "--no-cache"],
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said(&output).contains("more than 256.0 MiB of memory"),
        "{}",
        said(&output)
    );
}

#[test]
fn who_is_told_to_end_ends() {
    let dir = tempfile::tempdir().unwrap();
    let feeds = std::iter::repeat_n(vec![b'\n'; 4 << 20], 512);
    pack(&dir.path().join("feeds.gz"), feeds);
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_dragline"))
            .args(["report", "feeds.gz", "--no-cache"])
            .current_dir(dir.path())
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // Until it reads, it is ended as any process is.
        let file = std::fs::canonicalize(dir.path().join("feeds.gz")).unwrap();
        let has_opened = || {
            let open = std::fs::read_dir(format!("/proc/{}/fd", child.id()));
            open.into_iter()
                .flatten()
                .flatten()
                .any(|fd| std::fs::read_link(fd.path()).is_ok_and(|path| path == file))
        };
        while !has_opened() {
            std::thread::yield_now();
        }
        let kill = Command::new("kill")
            .args([format!("-{signal}"), child.id().to_string()])
            .status();
        assert!(kill.unwrap().success());
        let code = child.wait().unwrap().code();
        assert!(matches!(code, Some(130) | None), "{code:?}");
    }
}

#[test]
fn patterns_end_whatever_leads_where() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::create_dir_all(dir.join("a/b")).unwrap();
    std::fs::write(dir.join("a/b/x.log"), lines(10)).unwrap();
    for link in ["a/up", "a/b/up", "a/b/top"] {
        symlink("..", dir.join(link)).unwrap();
    }
    for pattern in ["**/*.log", "**", "*/*/*/*/*/*/*/*"] {
        let output = run_in(dir, &["report", pattern, "--format", "json"]);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{pattern}: {}",
            said(&output)
        );
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["totals"]["requests"], 10, "{pattern}");
    }
}

#[test]
fn a_query_needs_no_cache_to_be_written() {
    let output = Command::new(env!("CARGO_BIN_EXE_dragline"))
        .args([
            "sql",
            "SELECT count(*) n FROM requests",
            &fixture("recipes/pino.jsonl"),
        ])
        .env("SOURCE_DATE_EPOCH", NOW)
        .env("XDG_CACHE_HOME", "/dev/null")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

#[test]
fn a_demo_leaves_what_others_put_among_its_logs() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    assert_eq!(
        run_in(dir, &["demo", "d", "--days", "1"]).status.code(),
        Some(0)
    );
    assert_eq!(
        run_in(dir, &["demo", "d", "--days", "1"]).status.code(),
        Some(0)
    );
    std::fs::write(dir.join("d/logs/thesis.txt"), "mine").unwrap();
    let before = contents(dir);
    let output = run_in(dir, &["demo", "d", "--days", "1"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("thesis.txt"), "{}", said(&output));
    assert_eq!(contents(dir), before);
}

#[test]
fn an_output_that_is_somebody_elses_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::create_dir(dir.join("logs")).unwrap();
    std::fs::write(dir.join("logs/a.log"), lines(10)).unwrap();
    std::fs::write(dir.join("kept.md"), "mine").unwrap();
    let protected = std::fs::Permissions::from_mode(0o444);
    std::fs::set_permissions(dir.join("kept.md"), protected).unwrap();
    let before = contents(dir);
    for (arguments, code, word) in [
        (
            &["report", "logs", "-o", "logs/a.log"][..],
            2,
            "would replace the log",
        ),
        (
            &["runs", "logs", "-o", "logs/../logs/a.log"],
            2,
            "would replace the log",
        ),
        (
            &["sql", "SELECT * FROM runs", "logs", "-o", "logs/a.log"],
            2,
            "would replace the log",
        ),
        (&["report", "logs", "-o", "kept.md"], 1, "write-protected"),
    ] {
        let output = run_in(dir, arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        assert!(said(&output).contains(word), "{}", said(&output));
    }
    assert_eq!(contents(dir), before);
}

#[test]
fn what_could_not_be_exported_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("garbage.log"), "one\ntwo\n").unwrap();
    std::fs::write(dir.join("a.log"), lines(10)).unwrap();
    std::fs::create_dir(dir.join("out")).unwrap();
    let output = run_in(dir, &["export", "garbage.log", "-o", "out"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(!said(&output).contains("files in"), "{}", said(&output));
    let output = run_in(dir, &["export", "a.log", "-o", "out"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

#[test]
fn a_configuration_that_cannot_be_read_is_no_default() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("a.log"), lines(10)).unwrap();
    symlink("nowhere/dragline.toml", dir.join("dragline.toml")).unwrap();
    let output = run_in(dir, &["report", "a.log"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    std::fs::remove_file(dir.join("dragline.toml")).unwrap();
    let wrong =
        "[[dialects]]\nname = 'x'\npattern = '(?P<time>.*) (?P<message>.*)'\ntime_format = '%!'\n";
    std::fs::write(dir.join("dragline.toml"), wrong).unwrap();
    let output = run_in(dir, &["report", "a.log"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("time_format"), "{}", said(&output));
}
