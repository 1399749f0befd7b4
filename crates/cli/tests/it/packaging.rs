//! The files for operating the service: they agree with the program, the documents and each other, and the programs
//! that read them take them. A program that is not installed is skipped, with a word; `.ci/run` installs it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The names that the service and the scrapers export, as Prometheus has them. The table of the scrapers' metrics in
/// `docs/metrics.md` is generated from the code.
fn exported() -> BTreeSet<String> {
    let own = dragline_monitor::service::own_metrics();
    let mut names: BTreeSet<String> = own.into_iter().map(|(name, _, _)| name).collect();
    for row in read("docs/metrics.md").lines() {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, name, kind, ..] = cells.as_slice() else {
            continue;
        };
        let name = name.trim_matches('`');
        match *kind {
            "counter" | "gauge" => names.extend([name.to_owned()]),
            "histogram" => {
                names.extend(["bucket", "sum", "count"].map(|part| format!("{name}_{part}")));
            }
            _ => {}
        }
    }
    assert!(names.len() > 50, "{names:?}");
    names
}

/// The words of an expression that begin like our metrics.
fn metrics_in(expression: &str) -> Vec<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let words = expression.split(|c: char| !is_name(c));
    words
        .filter(|word| word.starts_with("dragline_"))
        .map(str::to_owned)
        .collect()
}

fn assert_known(names: &[String], place: &str) {
    let exported = exported();
    for name in names {
        assert!(exported.contains(name), "{place}: {name} is not exported");
    }
}

#[test]
fn the_dashboard_has_panels_for_metrics_that_are_exported() {
    let dashboard: Value = serde_json::from_str(&read("packaging/grafana/dragline.json")).unwrap();
    assert!(dashboard["schemaVersion"].as_u64().unwrap() >= 39);
    assert_eq!(dashboard["uid"], "dragline");
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let known: Vec<&str> = variables
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    let (mut ids, mut titles, mut used) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}");
        assert!(titles.insert(title), "{title}");
        let place = &panel["gridPos"];
        let at = |name: &str| place[name].as_u64().unwrap();
        assert!(
            at("x") + at("w") <= 24 && at("h") > 0 && place["y"].is_u64(),
            "{title}"
        );
        if panel["type"] == "row" {
            continue;
        }
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{title}");
        for target in targets {
            let expression = target["expr"].as_str().unwrap();
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
            let names = metrics_in(expression);
            assert!(!names.is_empty(), "{title}: {expression}");
            assert_known(&names, title);
            used.extend(names);
            for part in expression.split('$').skip(1) {
                let is_known = known.iter().any(|name| part.starts_with(name));
                assert!(
                    is_known || part.starts_with("__rate_interval"),
                    "{title}: ${part}"
                );
            }
        }
    }
    for variable in variables {
        let query = variable["query"]["query"].as_str().unwrap_or_default();
        assert_known(&metrics_in(query), "a variable");
    }
    // Every metric of the service itself is shown.
    for (name, _, _) in dragline_monitor::service::own_metrics() {
        assert!(used.contains(&name), "{name} is in no panel");
    }
}

#[test]
fn the_expressions_of_the_dashboard_are_promql() {
    let dashboard: Value = serde_json::from_str(&read("packaging/grafana/dragline.json")).unwrap();
    let mut rules = String::from("groups:\n  - name: panels\n    rules:\n");
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    for (number, target) in targets.enumerate() {
        let expression = target["expr"]
            .as_str()
            .unwrap()
            .replace("$__rate_interval", "5m");
        rules += &format!("      - record: panel:{number}\n        expr: {expression:?}\n");
    }
    promtool(&rules);
}

/// Lets Prometheus check rules, if it is there.
fn promtool(rules: &str) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rules.yml");
    fs::write(&path, rules).unwrap();
    let Ok(output) = Command::new("promtool")
        .args(["check", "rules"])
        .arg(&path)
        .output()
    else {
        crate::skip("promtool is not installed (apt-get install prometheus)");
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{error}");
}

#[test]
fn the_rules_about_the_service_are_about_metrics_that_it_exports() {
    let rules = read("packaging/prometheus/dragline.rules.yml");
    let expressions = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("expr: "));
    let expressions: Vec<&str> = expressions.collect();
    assert!(expressions.len() >= 8, "{expressions:?}");
    for expression in expressions {
        assert_known(&metrics_in(expression), expression);
    }
    promtool(&rules);
}

/// The value of a key in a unit.
fn key<'u>(unit: &'u str, name: &str) -> Vec<&'u str> {
    let lines = unit
        .lines()
        .filter_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    lines.collect()
}

#[test]
fn systemd_takes_the_units() {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("dragline");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_dragline"), &program).unwrap();
    let mut units = Vec::new();
    for name in [
        "dragline.service",
        "dragline-backup.service",
        "dragline-backup.timer",
        "dragline-ship.service",
    ] {
        // systemd wants programs that are there.
        let unit = read(&format!("packaging/systemd/{name}"));
        let unit = unit.replace("/usr/local/bin/dragline", &program.display().to_string());
        let path = dir.path().join(name);
        fs::write(&path, unit).unwrap();
        units.push(path);
    }
    let Ok(output) = Command::new("systemd-analyze")
        .arg("verify")
        .args(&units)
        .output()
    else {
        crate::skip("systemd-analyze is not installed (apt-get install systemd)");
        return;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    let about_ours: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("dragline"))
        .collect();
    assert!(output.status.success() && about_ours.is_empty(), "{said}");
}

/// The program takes the command lines of the units and of the container, and the places in them are those of the
/// documents.
#[test]
fn units_container_and_documents_agree() {
    let service = read("packaging/systemd/dragline.service");
    let container = read("packaging/container/Containerfile");
    let operations = read("docs/operations.md");
    let start = key(&service, "ExecStart")[0];
    let path = start.split_whitespace().next().unwrap();
    assert_eq!(path, "/usr/local/bin/dragline");
    assert!(container.contains(&format!("COPY --from=build {path} {path}\n")));
    assert!(
        operations.contains("/var/lib/dragline") && start.contains("--state /var/lib/dragline")
    );
    assert_eq!(key(&service, "StateDirectory"), ["dragline"]);
    assert_eq!(key(&service, "Type"), ["notify"]);
    let line = |word: &str| {
        let found = container.lines().find_map(|line| line.strip_prefix(word));
        found
            .unwrap_or_else(|| panic!("the Containerfile has no {word}"))
            .trim()
            .to_owned()
    };
    let list = |text: &str| -> Vec<String> { serde_json::from_str(text).unwrap() };
    // It runs as a user without rights, that the file creates.
    let user = line("USER ");
    assert!(
        user != "root"
            && container.contains("useradd --system")
            && container.contains(&format!(" {user}\n"))
    );
    let command = list(&line("CMD "));
    let port = line("EXPOSE ");
    let listen = &command[command.iter().position(|word| word == "--listen").unwrap() + 1];
    assert_eq!(*listen, format!("0.0.0.0:{port}"));
    let alive = read("packaging/container/alive.toml");
    assert!(alive.contains(&format!("http://127.0.0.1:{port}/livez")));
    let (_, check) = container.split_once("  CMD ").unwrap();
    let check = list(check.lines().next().unwrap());
    let config = check.last().unwrap();
    assert!(container.contains(&format!("COPY packaging/container/alive.toml {config}\n")));
    for part in [
        "packaging/container/Containerfile",
        "packaging/systemd",
        "packaging/grafana/dragline.json",
        "packaging/prometheus/dragline.rules.yml",
    ] {
        assert!(
            operations.contains(part),
            "docs/operations.md does not name {part}"
        );
    }
    for (name, _, _) in dragline_monitor::service::own_metrics() {
        assert!(
            operations.contains(&format!("`{name}`")),
            "docs/operations.md lacks {name}"
        );
    }
    // Every option of the command lines exists.
    for (program, words) in [("serve", &command[1..]), ("health", &check[2..])] {
        let help = crate::stdout(&[program, "--help"]);
        for option in words.iter().filter(|word| word.starts_with("--")) {
            assert!(help.contains(option.as_str()), "{program} {option}");
        }
    }
}
