//! What can be done with a finding: its capsule, and marking it as mended.

use std::sync::Arc;

use dragline_capsule::Capsule;
use dragline_monitor::service::Monitor;
use dragline_web::model::FixState;
use dragline_web::{Backend, BackendError, FindingQuery, Page};

use crate::world::{World, until};

#[test]
fn a_finding_of_the_service_is_judged_again_elsewhere() {
    let mut world = World::new();
    let running = world.start();
    let monitor = Arc::clone(running.monitor());
    world.write(3_000);
    // Whatever was active becomes late enough to have ended.
    world.tick(6 * 3_600);
    let findings = || {
        monitor
            .findings(&FindingQuery::default())
            .map(|list| list.items)
    };
    until("a finding", || {
        world.tick(1);
        findings().is_ok_and(|all| !all.is_empty())
    });
    for finding in findings().unwrap() {
        let bytes = monitor.capsule(&finding.id).unwrap();
        let capsule = Capsule::read(&bytes).unwrap();
        let judged = capsule.judge().unwrap();
        assert_eq!(judged.differences, [""; 0], "{}", finding.title);
        assert_eq!(judged.insight.unwrap().title, finding.title);
        assert_eq!(capsule.lines().len(), finding.evidence.len());
    }
    let unknown = monitor.capsule("run_killed-00000000");
    assert!(
        matches!(unknown, Err(BackendError::NotFound(_))),
        "{unknown:?}"
    );
    // Who said that it is mended, and when, survives a restart; with one run nobody knows what is usual.
    let finding = findings().unwrap().remove(0);
    let now = monitor.now();
    let fix = monitor.mark_mended(&finding.id, "alex").unwrap();
    assert_eq!((fix.marked_by.as_str(), fix.marked_at), ("alex", now));
    let state = |monitor: &Monitor| {
        let fixes = monitor.fixes(&Page::first(10)).unwrap().items;
        assert_eq!((fixes.len(), fixes[0].marked_at), (1, now));
        (fixes[0].state, fixes[0].sentence.clone())
    };
    until("the next analysis", || {
        state(&monitor).0 == FixState::NotWatched
    });
    assert!(
        state(&monitor)
            .1
            .contains("runs before it show what is usual"),
        "{:?}",
        state(&monitor)
    );
    assert!(monitor.mark_mended("none", "alex").is_err());
    let said = state(&monitor);
    running.stop().unwrap();
    drop(monitor);
    let running = world.start();
    assert_eq!(state(running.monitor()), said);
    running.stop().unwrap();
}
