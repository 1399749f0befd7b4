//! The capsule of a finding, as the page offers it.

use std::sync::Arc;

use dragline_capsule::Capsule;
use dragline_web::{Backend, BackendError, FindingQuery};

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
    running.stop().unwrap();
}
