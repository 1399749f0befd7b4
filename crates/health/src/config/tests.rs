use std::io;

use super::*;
use crate::field::Field;

fn read(text: &str) -> Result<Config, ConfigError> {
    let variable = |name: &str| match name {
        "DATABASE_URL" => Some("postgresql://bot:hunter2@db.example.com:6543/shop".to_owned()),
        "HOOK" => Some("https://hooks.example.com/services/T0/s3cr3t".to_owned()),
        "TOKEN" => Some("Bearer t0ken".to_owned()),
        _ => None,
    };
    let secret_file = |path: &Path| match path.to_str() {
        Some("/etc/dragline/db") => Ok("mysql://bot:hunter2@db/shop\n".to_owned()),
        _ => Err(io::Error::from(io::ErrorKind::NotFound)),
    };
    let environment = Environment {
        variable: &variable,
        secret_file: &secret_file,
        base: "/etc/dragline".into(),
    };
    Config::from_toml(text, &environment)
}

fn check(body: &str) -> Result<Check, ConfigError> {
    let config = read(&format!("[[health.checks]]\nname = \"x\"\n{body}"))?;
    Ok(config.checks.into_iter().next().unwrap())
}

#[test]
fn defaults_are_those_of_the_documents() {
    let config = read("").unwrap();
    assert!(config.checks.is_empty());
    assert_eq!(config.concurrency, 8);
    let site = check("type = 'site'\nurl = 'https://shop.example.com/'").unwrap();
    assert_eq!(site.interval, Duration::from_mins(5));
    assert_eq!(site.timeout, Duration::from_secs(10));
    assert_eq!(
        site.thresholds,
        Thresholds {
            failures: 3,
            successes: 2
        }
    );
    let database = check("type = 'database'\nurl_env = 'DATABASE_URL'").unwrap();
    assert_eq!(database.timeout, Duration::from_secs(5));
}

#[test]
fn the_default_conditions_of_every_kind_are_read_and_fit_it() {
    for kind in Kind::ALL {
        let (critical, degraded) = kind.default_conditions();
        for text in critical.iter().chain(degraded) {
            let condition: crate::Condition = text.parse().unwrap();
            assert!(condition.field().kinds().contains(kind), "{text}");
        }
    }
}

#[test]
fn a_default_condition_gives_way_only_to_one_on_the_same_field() {
    let texts = |conditions: &[crate::Condition]| {
        conditions
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    let site = check(
        "type = 'site'\nurl = 'https://shop.example.com/'\nconditions = ['response_time < 2s']\n\
         degraded_unless = ['certificate_days > 30']",
    )
    .unwrap();
    // A fast error page must not pass because somebody asked for speed.
    assert_eq!(
        texts(&site.conditions.critical),
        [
            "response_time < 2s",
            "status in (200-399)",
            "failed_percent < 50"
        ]
    );
    assert_eq!(
        texts(&site.conditions.degraded),
        ["certificate_days > 30", "failed_percent < 10"]
    );
    assert!(site.conditions.mention(Field::Status));
}

#[test]
fn every_key_has_an_effect() {
    let config = read(
        "[health]\ninterval = '1m'\nconcurrency = 3\nfailure_threshold = 5\nsuccess_threshold = 4\n\
         witnesses = ['192.0.2.1:53', '[2001:db8::1]:53']\n\
         [[health.checks]]\nname = 'shop'\ntype = 'site'\nurl = 'https://shop.example.com/a?b=c'\n\
         site = 'shop'\nmethod = 'HEAD'\nheaders = { Accept = 'text/html', Authorization = { env = 'TOKEN' } }\n\
         max_redirects = 0\npassive = false\nnetwork = 'local'\ninterval = '2m'\ntimeout = '3s'\n\
         failure_threshold = 1\nsuccess_threshold = 6\n\
         [[health.checks]]\nname = 'db'\ntype = 'database'\nurl_file = 'db'\n\
         [[health.checks]]\nname = 'logs'\ntype = 'logs'\npath = 'logs'\nperiod = '1h'\ngrace = '10m'\n\
         [[health.checks]]\nname = 'run'\ntype = 'run'\nscraper = 'shop'\nperiod = '1d'\n\
         [[health.checks]]\nname = 'disk'\ntype = 'disk'\npath = '/var'\n\
         [[health.checks]]\nname = 'hook'\ntype = 'tcp'\nurl_env = 'HOOK'\n\
         [[health.checks]]\nname = 'tls'\ntype = 'tls'\nurl = 'cache:6380'\n",
    )
    .unwrap();
    insta::assert_debug_snapshot!("every_key_has_an_effect", config);
}

#[test]
fn no_secret_is_in_what_is_shown() {
    for body in [
        "type = 'database'\nurl_env = 'DATABASE_URL'",
        "type = 'database'\nurl_file = 'db'",
        "type = 'tcp'\nurl_env = 'HOOK'",
        "type = 'site'\nurl_env = 'HOOK'\nheaders = { Authorization = { env = 'TOKEN' } }",
    ] {
        let check = check(body).unwrap();
        let shown = format!("{check:?} {}", check.target);
        for secret in ["hunter2", "s3cr3t", "t0ken"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}

#[test]
fn mistakes_are_named_with_their_remedy() {
    let all = [
        "[health]\nintervall = '5m'",
        "[health]\ninterval = '5'",
        "[health]\ninterval = '10ms'",
        "[health]\nconcurrency = 0",
        "[health]\nfailure_threshold = 'three'",
        "[health]\nwitnesses = ['192.0.2.1']",
        "[health]\nchecks = 1",
        "health = 1",
        "[health",
        "[[health.checks]]\nname = 'x'",
        "[[health.checks]]\nname = 'x'\ntype = 'http'",
        "[[health.checks]]\nname = 'x'\ntype = 'sit'",
        "[[health.checks]]\ntype = 'disk'\npath = '/'",
        "[[health.checks]]\nname = 'x'\ntype = 'disk'\npth = '/'",
        "[[health.checks]]\nname = 'x'\ntype = 'disk'\npath = '/'\nurl = 'x'",
        "[[health.checks]]\nname = 'x'\ntype = 'disk'\npath = '/'\n\
         [[health.checks]]\nname = 'x'\ntype = 'disk'\npath = '/'",
        "[[health.checks]]\nname = 'x'\ntype = 'disk'\npath = '/'\nconditions = ['status == 200']",
        "[[health.checks]]\nname = 'x'\ntype = 'disk'\npath = '/'\nconditions = ['free_percent > 10 apples']",
        "[[health.checks]]\nname = 'x'\ntype = 'site'",
        "[[health.checks]]\nname = 'x'\ntype = 'site'\nurl = 'https://a.example/'\nurl_env = 'HOOK'",
        "[[health.checks]]\nname = 'x'\ntype = 'site'\nurl = 'shop.example.com'",
        "[[health.checks]]\nname = 'x'\ntype = 'site'\nurl = 'ftp://shop.example.com'",
        "[[health.checks]]\nname = 'x'\ntype = 'site'\nurl = 'https://u:hunter2@shop.example.com'",
        "[[health.checks]]\nname = 'x'\ntype = 'site'\nurl = 'https://a.example/'\nmethod = 'POST'",
        "[[health.checks]]\nname = 'x'\ntype = 'site'\nurl = 'https://a.example/'\ntimeout = '0s'",
        "[[health.checks]]\nname = 'x'\ntype = 'site'\nurl = 'https://a.example/'\npassive = 'no'",
        "[[health.checks]]\nname = 'x'\ntype = 'site'\nurl = 'https://a.example/'\nheaders = { 'a b' = 'c' }",
        "[[health.checks]]\nname = 'x'\ntype = 'site'\nurl = 'https://a.example/'\nnetwork = 'lan'",
        "[[health.checks]]\nname = 'x'\ntype = 'database'\nurl = 'oracle://h/d'",
        "[[health.checks]]\nname = 'x'\ntype = 'database'\nurl_env = 'NO_SUCH_URL'",
        "[[health.checks]]\nname = 'x'\ntype = 'database'\nurl_file = 'gone'",
        "[[health.checks]]\nname = 'x'\ntype = 'tcp'\nurl = 'cache'",
        "[[health.checks]]\nname = 'x'\ntype = 'tcp'\nurl = 'gopher://cache'",
        "[[health.checks]]\nname = 'x'\ntype = 'logs'\npath = 'a'\nscraper = 'b'",
        "[[health.checks]]\nname = 'x'\ntype = 'logs'\npath = 'a'",
        "[[health.checks]]\nname = 'x'\ntype = 'run'\nscraper = 'a'\ngrace = '1h'",
    ];
    let errors = all.map(|text| {
        let error = read(text).map(|_| ()).expect_err(text).to_string();
        assert!(!error.contains("hunter2"), "{error}");
        error
    });
    insta::assert_snapshot!("mistakes", errors.join("\n"));
}

#[test]
fn private_hosts_are_local() {
    let is_remote = |url: &str| {
        check(&format!("type = 'tcp'\nurl = '{url}'"))
            .unwrap()
            .is_remote
    };
    for url in [
        "127.0.0.1:1",
        "10.0.0.1:1",
        "192.168.1.1:1",
        "[::1]:1",
        "[fd00::1]:1",
        "db:1",
        "localhost:1",
        "printer.local:1",
        "db.internal:1",
    ] {
        assert!(!is_remote(url), "{url}");
    }
    for url in ["192.0.2.1:1", "shop.example.com:443", "[2001:db8::1]:1"] {
        assert!(is_remote(url), "{url}");
    }
}
