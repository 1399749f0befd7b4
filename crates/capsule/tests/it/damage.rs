//! What is not the capsule that was made is said, and never a panic.

use dragline_capsule::{BadCapsule, Capsule};
use dragline_schema::Timestamp;

use crate::{capsules, content, counted};

/// A capsule of a killed run.
fn capsule() -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let line = |run: u32, seq: u32, event: &str| {
        format!(
            "{{\"timestamp\":\"2026-03-{run:02}T06:{seq:02}:00Z\",\"level\":\"INFO\",\"scraper_id\":\"mint\",\"site\":\"a.test\",\
             \"run_id\":\"r{run}\",\"writer_id\":\"w{run}\",\"seq\":{seq},\"event_type\":{event}}}\n"
        )
    };
    let run = |run: u32, is_ended: bool| {
        let end = is_ended.then(|| line(run, 2, "\"scraper_end\",\"status\":\"success\""));
        let request = "\"request\",\"url\":\"https://a.test/\",\"status_code\":200";
        line(run, 0, "\"scraper_start\"") + &line(run, 1, request) + &end.unwrap_or_default()
    };
    let log: String = (1..9).map(|n| run(n, n != 7)).collect();
    std::fs::write(dir.path().join("mint.jsonl"), log).unwrap();
    let now = Timestamp::parse("2026-03-16T00:00:00Z").unwrap();
    let (report, made) = capsules(&counted(dir.path(), now), now);
    assert_eq!(report.insights[0].kind, "run_killed");
    made[0].capsule.clone().unwrap()
}

#[test]
fn every_flipped_byte_and_every_cut_is_noticed() {
    let whole = capsule();
    let read = Capsule::read(&whole).unwrap();
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        // A few bits of the frame say only how much memory to use.
        let other = Capsule::read(&flipped);
        assert!(
            other.is_err() || other.as_ref() == Ok(&read),
            "byte {at} of {}",
            whole.len()
        );
        assert!(
            Capsule::read(&whole[..at]).is_err(),
            "{at} bytes of {}",
            whole.len()
        );
    }
}

#[test]
fn what_it_is_not_is_said() {
    let whole = capsule();
    assert_eq!(Capsule::read(b"{}"), Err(BadCapsule::Other));
    assert_eq!(Capsule::read(b""), Err(BadCapsule::Other));
    let newer = [b"dragline-capsule 2\n", &whole[19..]].concat();
    assert_eq!(Capsule::read(&newer), Err(BadCapsule::Newer(2)));
    assert!(BadCapsule::Newer(2).to_string().contains("reads up to 1"));
    for odd in [
        "dragline-capsule 0\n",
        "dragline-capsule x\n",
        "dragline-capsule 1",
        "dragline-capsule \n",
    ] {
        let read = Capsule::read(odd.as_bytes());
        assert!(
            matches!(read, Err(BadCapsule::Damaged(_))),
            "{odd:?} {read:?}"
        );
    }
}

/// A checksum protects from accidents only: what somebody made up is read as well.
#[test]
fn made_up_content_is_no_panic() {
    let content = content(&capsule());
    let mut random = fastrand::Rng::with_seed(18);
    let (mut read, mut judged) = (0, 0);
    for _ in 0..600 {
        let mut changed = content.clone();
        for _ in 0..random.usize(1..4) {
            let at = random.usize(..changed.len());
            changed[at] = random.u8(..);
        }
        let mut file = b"dragline-capsule 1\n".to_vec();
        file.extend(zstd::encode_all(&changed[..], 1).unwrap());
        if let Ok(capsule) = Capsule::read(&file) {
            read += 1;
            if random.u8(..) < 64 {
                judged += usize::from(capsule.judge().is_ok());
            }
        }
    }
    println!("{read} of 600 could be read, {judged} of them were judged");
    assert!(read > 100 && judged > 10, "{read} {judged}");
}
