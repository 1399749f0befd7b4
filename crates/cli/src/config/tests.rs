//! What is read from a configuration, and what is reported.

use super::*;

fn now() -> Timestamp {
    Timestamp::parse("2026-03-04T11:22:33Z").unwrap()
}

fn read(text: &str) -> (Config, Vec<String>) {
    let (config, mistakes) = Config::parse(Path::new("conf/dragline.toml"), text, now());
    (config, mistakes.iter().map(ToString::to_string).collect())
}

fn parse(text: &str) -> Config {
    let (config, mistakes) = read(text);
    assert_eq!(mistakes, Vec::<String>::new());
    config
}

#[test]
fn every_setting_has_an_effect() {
    let directory = tempfile::tempdir().unwrap();
    let rules = directory.path().join("mine.toml");
    std::fs::write(&rules, "").unwrap();
    let (config, mistakes) = Config::parse(
        &directory.path().join("dragline.toml"),
        "[rules]\nfiles = ['mine.toml']\n[severity]\nconsecutive_failures = 3\nburst_per_minute = 50\n\
         [sites.'shop.example.com']\npriority = 'critical'\n[sites.b]\npriority = 'normal'\n",
        now(),
    );
    assert_eq!(mistakes, []);
    assert_eq!(config.rules.files, [rules]);
    let context = config.context();
    assert_eq!(
        (context.consecutive_failures, context.burst_per_minute),
        (3, 50)
    );
    assert_eq!(Vec::from_iter(context.critical_sites), ["shop.example.com"]);
    assert_eq!(Config::default().context(), Context::default());
}

#[test]
fn what_other_writers_mean_is_said_here() {
    let config = parse(
        "[[dialects]]\nname = 'shop'\npattern = '^<(?P<level>\\w+)> (?P<message>.*)$'\n\
         [map.fields]\nstatus = 'code'\nurl = ['page', 'address']\n\
         [[map.events]]\nmessage = '^row'\nis = 'item'\n[cache]\ndir = 'kept'\n",
    );
    assert_eq!(config.dialects().len(), 1);
    assert!(config.cache().unwrap().is_some());
    assert!(parse("[cache]\nmax_mib = 0").cache().unwrap().is_none());
}

#[test]
fn a_syntax_error_has_its_line() {
    let (_, mistakes) = read("[limits]\ncpu_high = 3\n[report\ntitle = 'x'\n");
    assert!(
        mistakes[0].starts_with("conf/dragline.toml:3: invalid TOML: "),
        "{mistakes:?}"
    );
}
