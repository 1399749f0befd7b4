use std::time::Duration;

use tracing::Level;

use super::*;
use crate::file_name::Format;
use crate::schedule::Rotation;

fn env(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
    Config::from_lookup(|name| {
        pairs
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| (*value).to_owned())
    })
}

/// A non-default value for each setting, in declaration order.
const OTHERS: &[(&str, &str)] = &[
    ("dir", "elsewhere"),
    ("name", "shop"),
    ("level", "debug"),
    ("files", "false"),
    ("format", "text"),
    ("location", "true"),
    ("rotation", "6 hours"),
    ("time_zone", "Europe/Berlin"),
    ("max_file_bytes", "4 KiB"),
    ("compression", "gzip:9"),
    ("keep_age", "1 week"),
    ("keep_files", "12"),
    ("keep_bytes", "1 GiB"),
    ("error_copy", "false"),
    ("error_keep_age", "unlimited"),
    ("error_keep_files", "3"),
    ("error_keep_bytes", "100 MB"),
    ("symlink", "false"),
    ("make_room", "true"),
    ("queue_bytes", "1000"),
    ("queue_patience", "forever"),
    ("flush_interval", "250ms"),
    ("flush_errors", "false"),
    ("fsync", "true"),
    ("max_value_bytes", "100"),
    ("redact", "pin, iban"),
    ("redact_urls", "false"),
    ("console", "json"),
    ("console_level", "error"),
    ("system_sample", "30s"),
    ("backtraces", "true"),
    ("panic_hook", "false"),
    ("flush_on_signal", "true"),
];

#[test]
fn every_setting_has_a_default_and_is_set_by_toml_and_by_the_environment() {
    let names: Vec<&str> = Config::OPTIONS.iter().map(|option| option.name).collect();
    let others: Vec<&str> = OTHERS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, others);
    for (option, reads) in Config::OPTIONS.iter().zip(options::READS) {
        assert!(reads(option.default), "{option:?}");
    }
    let before = format!("{:?}", Config::default());
    for (name, value) in OTHERS {
        let by_toml = Config::from_toml(&format!("[logging]\n{name} = {value:?}")).unwrap();
        let variable = format!("DRAGLINE_{}", name.to_uppercase());
        let by_env = env(&[(&variable, value)]).unwrap();
        assert_eq!(format!("{by_toml:?}"), format!("{by_env:?}"), "{name}");
        assert_ne!(format!("{by_toml:?}"), before, "{name} changes nothing");
    }
}

#[test]
fn values_are_what_they_say() {
    let config = env(&[
        ("DRAGLINE_ROTATION", "6 hours"),
        ("DRAGLINE_KEEP_BYTES", "10 GiB"),
        ("DRAGLINE_QUEUE_PATIENCE", "info=5ms, error=1s"),
        ("DRAGLINE_COMPRESSION", "none"),
        ("DRAGLINE_FORMAT", "text"),
    ])
    .unwrap();
    assert_eq!(config.rotation, Rotation::Every(Duration::from_hours(6)));
    assert_eq!(config.keep_bytes, Some(10 << 30));
    let waits = [Level::TRACE, Level::INFO, Level::WARN, Level::ERROR]
        .map(|level| config.queue_patience.of(level));
    let [five, second] = [Duration::from_millis(5), Duration::from_secs(1)];
    assert_eq!(waits, [five, five, second, second]);
    assert_eq!(config.compression, Compression::None);
    assert_eq!(config.format, Format::Text);
    assert_eq!(config.keep_age, Some(Duration::from_hours(30 * 24)));
}

#[test]
fn a_sample_interval_is_a_time_and_needs_its_feature() {
    let message = |config: Config| config.check().unwrap_err().to_string();
    let config = Config::default().system_sample("30s");
    assert_eq!(
        config.system_sample,
        SampleInterval::Every(Duration::from_secs(30))
    );
    config.check().unwrap();
    if cfg!(feature = "system") {
        config.check_features().unwrap();
    } else {
        let text = "system_sample needs the feature `system`, which this program is built without";
        let error = crate::Recorder::start(&config).unwrap_err().to_string();
        assert!(error.starts_with(text), "{error}");
    }
    let short = message(config.system_sample(Duration::from_millis(10)));
    assert_eq!(short, "system_sample must be 1 second to a day");
    assert_eq!(
        message(Config::default().system_sample("often")),
        "system_sample is \"often\": expected a time such as `30s`, or `off`"
    );
    Config::default().system_sample("off").check().unwrap();
}

#[test]
fn the_old_name_of_the_level_is_read_in_its_words() {
    let level = |pairs| env(pairs).unwrap().level;
    assert_eq!(level(&[("MONITORING_LOG_LEVEL", "WARNING")]), "warn");
    assert_eq!(level(&[("MONITORING_LOG_LEVEL", "CRITICAL")]), "error");
    assert_eq!(level(&[("MONITORING_LOG_LEVEL", "DEBUG")]), "DEBUG");
    assert_eq!(
        level(&[
            ("MONITORING_LOG_LEVEL", "WARNING"),
            ("DRAGLINE_LEVEL", "trace")
        ]),
        "trace"
    );
}

#[test]
fn toml_values_need_not_be_texts() {
    let config = Config::from_toml(
        "[logging]\nmax_file_bytes = 4096\nerror_copy = false\nredact = [\"pin\", \"iban\"]",
    )
    .unwrap();
    assert_eq!(config.max_file_bytes, 4096);
    assert!(!config.error_copy);
    assert_eq!(config.redact, ["pin", "iban"]);
}

#[test]
fn a_wrong_value_is_refused_with_its_name() {
    let message = |pairs| env(pairs).unwrap_err().to_string();
    assert_eq!(
        message(&[("DRAGLINE_MAX_FILE_BYTES", "lots")]),
        "DRAGLINE_MAX_FILE_BYTES is \"lots\": expected a number of bytes above 0, such as `64 MiB`",
    );
    assert!(message(&[("DRAGLINE_NAME", "a/b")]).contains("\"a/b\""));
    assert!(message(&[("DRAGLINE_LEVEL", "info,=x=y")]).contains("info,=x=y"));
    assert!(message(&[("DRAGLINE_LEVEL", "infoo,hyper=warn")]).contains("\"infoo\""));
    assert!(message(&[("DRAGLINE_FLUSH_INTERVAL", "0s")]).contains("1 ms to a day"));
    assert!(message(&[("DRAGLINE_KEEP_BYTES", "10")]).contains("4 KiB or more"));
    // Compose files pass unset variables as empty strings.
    assert_eq!(env(&[("DRAGLINE_LEVEL", "")]).unwrap().level, "info");
    assert!(message(&[("DRAGLINE_CONFIG", "/nowhere.toml")]).contains("/nowhere.toml"));
    for (toml, expected) in [
        (
            "[logging]\nkeep_day = 3",
            "[logging] has no key \"keep_day\"; is it \"keep_age\"?",
        ),
        (
            "[logging]\nrotation = \"monthly\"",
            "[logging] rotation is \"monthly\": expected `hourly`",
        ),
        ("logging = 3", "[logging] has no key \"logging\""),
        ("[logging", "the configuration is not valid TOML"),
    ] {
        let error = Config::from_toml(toml).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
