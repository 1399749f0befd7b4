//! Crafted inputs, judged from outside: a small number of what `just attack` does.

#[test]
fn nothing_is_deleted_nothing_hangs_nothing_is_hidden() {
    let runs = std::env::var("DRAGLINE_ATTACKS").map_or(40, |runs| runs.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let options = dragline_attack::Options {
        runs,
        dir: Some(dir.path().to_owned()),
        ..dragline_attack::Options::of(env!("CARGO_BIN_EXE_dragline"))
    };
    let outcome = dragline_attack::attack(&options, &|_| {}).unwrap();
    let failures: Vec<String> = outcome.failures.iter().map(ToString::to_string).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
