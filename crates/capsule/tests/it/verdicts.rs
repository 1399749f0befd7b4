//! Judged again, a capsule gives the verdict that it was made with, and not because it is written in it.

use dragline_capsule::{Capsule, LARGEST};
use dragline_schema::Timestamp;

use crate::{capsules, content, counted, judged_again};

/// The number of simulated fleets; `DRAGLINE_FLEETS` names another one.
const FLEETS: u64 = 1;

#[test]
fn every_finding_of_simulated_fleets_is_judged_again_to_the_same_verdict() {
    let fleets = std::env::var("DRAGLINE_FLEETS").ok();
    let fleets = fleets.map_or(FLEETS, |number| number.parse().unwrap());
    let (mut findings, mut largest) = (0, 0);
    for seed in 0..fleets {
        let dir = tempfile::tempdir().unwrap();
        dragline_fleets::make(dir.path(), 7_100 + seed, false, 1.0).unwrap();
        let now = Timestamp::parse("2027-01-01T00:00:00Z").unwrap();
        let finished = counted(dir.path(), now);
        let (report, made) = capsules(&finished, now);
        assert_eq!(made.len(), report.insights.len());
        // The logs are not there when the capsule is judged.
        drop(dir);
        for (made, insight) in made.iter().zip(&report.insights) {
            let (bytes, capsule, judged) = judged_again(made);
            assert_eq!(judged.differences, [""; 0], "{}", made.id);
            let own = judged.insight.unwrap();
            assert_eq!((&own.id, &own.title), (&insight.id, &insight.title));
            assert_eq!(
                (&own.detail, &own.evidence),
                (&insight.detail, &insight.evidence)
            );
            assert!(
                capsule.page().contains(&own.kind.replace('_', " ")),
                "{}",
                capsule.page()
            );
            assert!(capsule.lines().len() == own.evidence.len(), "{}", made.id);
            largest = largest.max(bytes.len());
            findings += 1;
        }
    }
    println!("{findings} findings of {fleets} fleets, the largest capsule has {largest} bytes");
    assert!(
        findings >= fleets as usize * 2 && largest <= LARGEST,
        "{findings} {largest}"
    );
}

#[test]
fn another_past_is_another_verdict() {
    let dir = tempfile::tempdir().unwrap();
    let line = |day: u32, second: u32, status: u32| {
        format!(
            "{{\"timestamp\":\"2026-03-{day:02}T06:00:{second:02}Z\",\"level\":\"info\",\"scraper_id\":\"mint\",\
             \"run_id\":\"r{day}\",\"event_type\":\"request\",\"url\":\"https://shop.example.org/\",\"status_code\":{status}}}\n"
        )
    };
    let day = |day: u32, refused: u32| -> String {
        let statuses = (0..50).map(|nth| (nth, if nth < refused { 403 } else { 200 }));
        statuses
            .map(|(nth, status)| line(day, nth, status))
            .collect()
    };
    let log: String = (1..12)
        .map(|n| day(n, 0))
        .chain((12..16).map(|n| day(n, 30)))
        .collect();
    std::fs::write(dir.path().join("mint.log"), log).unwrap();
    let now = Timestamp::parse("2026-03-16T00:00:00Z").unwrap();
    let (report, made) = capsules(&counted(dir.path(), now), now);
    assert_eq!(report.insights[0].kind, "block_wave");
    let bytes = made[0].capsule.as_ref().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(&content(bytes)).into_owned();
    assert!(text(bytes).contains("block_wave"));
    // The same file, in which the last runs were refused as rarely as the first: 60 % of 50 requests are 30 (0x1e).
    let content = content(bytes);
    let (mut calm, mut changed) = (content.clone(), 0);
    let name = b"requests_failed\x1e";
    while let Some(at) = calm.windows(name.len()).position(|part| part == name) {
        calm[at + name.len() - 1] = 0;
        changed += 1;
    }
    let (name, status) = (b"status_codes", [0xcd_u8, 0x01, 0x93, 0x1e]);
    while let Some(at) = calm.windows(4).position(|part| part == status) {
        calm[at + 3] = 0;
        changed += 1;
    }
    assert!(
        changed >= 8 && content.windows(name.len()).any(|part| part == name),
        "{changed}"
    );
    let mut file = b"dragline-capsule 1\n".to_vec();
    file.extend(zstd::encode_all(&calm[..], 1).unwrap());
    let judged = Capsule::read(&file).unwrap().judge().unwrap();
    assert_eq!(judged.insight, None);
    assert!(
        judged.differences[0].contains("no longer give this finding"),
        "{judged:?}"
    );
    assert!(
        judged.differences[1].contains("the verdict on the scraper was"),
        "{judged:?}"
    );
}
