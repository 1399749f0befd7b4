use super::place::{Mark, mark_of};
use super::*;

const FILE: &str = "var/log/shop.jsonl.20260304T112233000000Z";

fn batch(offset: u64, body: &[u8]) -> IngestBatch {
    IngestBatch {
        host: "crawler-1".to_owned(),
        file: Some(FILE.to_owned()),
        offset,
        every: None,
        encoding: None,
        body: body.to_vec(),
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

#[test]
fn a_link_that_repeats_reorders_and_tears_gives_the_same_file() {
    let text: Vec<u8> = (0..5_000_u32)
        .flat_map(|n| format!("line {n}\n").into_bytes())
        .collect();
    for seed in 0..20 {
        let dir = tempfile::tempdir().unwrap();
        let mut random = fastrand::Rng::with_seed(seed);
        let mut next = 0;
        let mut kept = Vec::new();
        while next < text.len() as u64 {
            // Sometimes a new process receives, sometimes the batch is old, sometimes too early.
            let receiver = Receiver::new(dir.path());
            if random.u8(..10) == 0 {
                let path = dir.path().join(DIRECTORY).join("crawler-1").join(FILE);
                kept.extend(fs::read(path).unwrap_or_default());
                receiver.remove_old(at(1 << 40)).unwrap();
            }
            let offset = random
                .u64(next.saturating_sub(900)..=next + 300)
                .min(text.len() as u64);
            let end = (offset as usize + random.usize(1..2_000)).min(text.len());
            let mut one = batch(offset, &text[offset as usize..end]);
            if random.bool() {
                one.body = zstd::bulk::compress(&one.body, 1).unwrap();
                one.encoding = Some("zstd".to_owned());
            }
            match receiver.take(&one, at(1)) {
                Ok(taken) => {
                    assert_eq!(taken.next_offset, next.max(end as u64));
                    next = taken.next_offset;
                }
                Err(ReceiveError::Gap { next: missing, .. }) => assert_eq!(missing, next),
                Err(error) => panic!("{error}"),
            }
        }
        let path = dir.path().join(DIRECTORY).join("crawler-1").join(FILE);
        kept.extend(fs::read(path).unwrap_or_default());
        assert!(kept == text, "seed {seed}");
    }
}

#[test]
fn a_removed_file_does_not_begin_again_and_goes_on_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::new(dir.path());
    receiver.take(&batch(0, b"one\n"), at(1)).unwrap();
    let held = receiver.held("crawler-1").unwrap();
    assert_eq!(receiver.remove_old(at(1 << 40)).unwrap(), 1);
    assert_eq!(receiver.held("crawler-1").unwrap(), held);
    let again = receiver.take(&batch(0, b"one\n"), at(1)).unwrap();
    assert_eq!((again.next_offset, again.new_bytes), (4, 0));
    for (offset, line, end) in [(4, b"two\n", 8), (8, b"six\n", 12), (4, b"two\n", 12)] {
        let taken = receiver.take(&batch(offset, line), at(1)).unwrap();
        assert_eq!(taken.next_offset, end);
    }
    assert_eq!(receiver.held("crawler-1").unwrap()[0].length, 12);
    // The process ended after it had noted a removal and before it had removed the file.
    let path = dir.path().join(DIRECTORY).join("crawler-1").join(FILE);
    let mark = Mark {
        until: 12,
        is_leaving: true,
        ..Mark::default()
    };
    write_json(&mark_of(&path), &mark).unwrap();
    let after = receiver.take(&batch(12, b"ten\n"), at(1)).unwrap();
    assert_eq!(after.next_offset, 16);
    assert_eq!(fs::read(path).unwrap(), b"ten\n");
}

#[test]
fn other_content_under_a_known_name_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::new(dir.path());
    receiver.take(&batch(0, b"one\ntwo\n"), at(1)).unwrap();
    let refused = receiver.take(&batch(4, b"six\nten\n"), at(1));
    assert!(
        matches!(refused, Err(ReceiveError::Differs { end: 8, .. })),
        "{refused:?}"
    );
    let file = IngestBatch {
        file: Some(format!("{FILE}/below")),
        ..batch(0, b"x")
    };
    let refused = receiver.take(&file, at(1));
    assert!(
        matches!(refused, Err(ReceiveError::Invalid(_))),
        "{refused:?}"
    );
}

#[test]
fn silence_is_measured_by_what_a_machine_announced_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::new(dir.path());
    let sign = |host: &str, every| IngestBatch {
        host: host.to_owned(),
        file: None,
        every,
        ..batch(0, b"")
    };
    receiver.take(&sign("follows", None), at(0)).unwrap();
    receiver.take(&sign("by-cron", Some(3_600)), at(0)).unwrap();
    let silent = |receiver: &Receiver, seconds| {
        let senders = receiver.senders(at(seconds)).into_iter();
        let silent = senders.filter(|sender| sender.is_silent);
        silent.map(|sender| sender.host).collect::<Vec<_>>()
    };
    for receiver in [&receiver, &Receiver::new(dir.path())] {
        assert!(silent(receiver, 390).is_empty());
        assert_eq!(silent(receiver, 391), ["follows"]);
        assert_eq!(silent(receiver, 5_701), ["by-cron", "follows"]);
    }
    // A machine without new lines is not silent.
    receiver.take(&sign("follows", None), at(400)).unwrap();
    assert!(silent(&receiver, 500).is_empty());
    fs::remove_dir_all(dir.path().join(DIRECTORY).join("by-cron")).unwrap();
    assert_eq!(receiver.signs(at(500)).len(), 2);
    assert_eq!(silent(&receiver, 1 << 30), ["follows"]);
}

#[test]
fn names_cannot_lead_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::new(dir.path());
    for (host, file) in [
        ("..", "a.log"),
        ("a/b", "a.log"),
        ("", "a.log"),
        ("a", ""),
        ("a", ".."),
        ("a", "../b"),
        ("a", "b//c"),
        ("a", "/etc/passwd"),
        ("a", "b\\c"),
        ("a", "b\nc"),
        ("a", SEEN),
    ] {
        let one = IngestBatch {
            host: host.to_owned(),
            file: Some(file.to_owned()),
            ..batch(0, b"x")
        };
        let refused = receiver.take(&one, at(1));
        assert!(
            matches!(refused, Err(ReceiveError::Invalid(_))),
            "{host} {file}"
        );
    }
}
