//! Incident capsules: made by a report, judged again without its logs.

use std::fs;
use std::process::Output;

use crate::run_in;

fn said(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let code = output.status.code().unwrap();
    (code, text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_capsule_is_judged_where_the_logs_are_not() {
    let here = tempfile::tempdir().unwrap();
    let (code, _, error) = said(&run_in(here.path(), &["demo", "demo"]));
    assert_eq!(code, 0, "{error}");
    let made = run_in(
        here.path(),
        &[
            "report",
            "demo/logs",
            "--since",
            "5d",
            "--capsules",
            "incidents",
        ],
    );
    let (code, report, error) = said(&made);
    assert_eq!(code, 0, "{error}");
    assert!(
        error.contains("capsules in incidents: read one with `dragline explain FILE`"),
        "{error}"
    );
    let incident = run_in(
        here.path(),
        &["report", "demo/logs", "--since", "5d", "--incident", "1"],
    );
    let (_, incident, _) = said(&incident);
    let title = incident.lines().next().unwrap().to_owned();
    assert!(
        report.contains(&title) && title.contains("shop-prices"),
        "{title}"
    );

    let there = tempfile::tempdir().unwrap();
    let mut open = None;
    for entry in fs::read_dir(here.path().join("incidents")).unwrap() {
        let entry = entry.unwrap();
        assert!(entry.metadata().unwrap().len() < 1 << 20);
        fs::copy(entry.path(), there.path().join(entry.file_name())).unwrap();
        let name = entry.file_name().into_string().unwrap();
        let (code, text, error) = said(&run_in(there.path(), &["explain", &name]));
        assert_eq!(code, 0, "{error}");
        assert!(
            text.contains("The same verdict as when the capsule was made"),
            "{text}"
        );
        if text.starts_with(&title) {
            // As the report prints it, with the lines behind it.
            assert!(text.starts_with(incident.trim_end()), "{text}\n{incident}");
            open = Some(name);
        }
    }
    let open = open.unwrap();
    let json = run_in(there.path(), &["explain", &open, "--format", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["is_same"], true);
    assert_eq!(json["verdict"], "layout_changed");
    assert_eq!(json["insight"]["title"], title);
    let (code, page, _) = said(&run_in(there.path(), &["explain", &open, "--page"]));
    assert_eq!(code, 0);
    assert!(
        page.contains("## Scrapers\n") && page.contains("layout changed"),
        "{page}"
    );

    let whole = fs::read(there.path().join(&open)).unwrap();
    let newer = [b"dragline-capsule 9\n", &whole[19..]].concat();
    let mut damaged = whole.clone();
    damaged[5_000] ^= 1;
    let large = vec![0; (1 << 20) + 1];
    for (name, bytes, expected) in [
        (
            "newer",
            &newer[..],
            "the capsule has format 9, and this version of Dragline reads up to 1",
        ),
        ("damaged", &damaged[..], "the capsule is damaged"),
        ("cut", &whole[..whole.len() / 2], "the capsule is damaged"),
        ("other", b"{}", "not an incident capsule"),
        ("large", &large[..], "larger than 1 MiB"),
    ] {
        fs::write(there.path().join(name), bytes).unwrap();
        let (code, text, error) = said(&run_in(there.path(), &["explain", name]));
        assert_eq!((code, text.as_str()), (1, ""), "{name}");
        assert!(
            error.contains(expected) && error.contains(name),
            "{name}: {error}"
        );
    }
    let (code, _, error) = said(&run_in(there.path(), &["explain", "none"]));
    assert!(code == 1 && error.contains("cannot read none"), "{error}");
}
