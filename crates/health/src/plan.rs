//! What to do in a round: judge a site by the requests that scrapers make anyway, or probe it.

use std::collections::BTreeMap;
use std::time::Duration;

use dragline_schema::Timestamp;

use crate::duration::as_micros;

/// Requests of scrapers to one site.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SiteTraffic {
    /// Number of requests in the last interval.
    pub requests: u64,
    /// Number of those that failed: no answer, or an error of the server.
    pub failed: u64,
    /// Mean time of those that tell it.
    pub mean_response_time: Option<Duration>,
    /// Time of the last request.
    pub last_request: Timestamp,
}

/// Requests of scrapers by site.
pub type Traffic = BTreeMap<String, SiteTraffic>;

/// A check as planning sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Active<'a> {
    /// Site whose requests of scrapers stand in for a probe, if there is one.
    pub site: Option<&'a str>,
    /// Time between two checks.
    pub interval: Duration,
    /// Time by which it is checked before its interval is over, so that not all checks run at once.
    pub jitter: Duration,
    /// When it was last checked.
    pub last: Option<Timestamp>,
    /// Whether a certificate must be watched.
    pub has_certificate: bool,
    /// When the certificate was last seen.
    pub certificate_seen: Option<Timestamp>,
}

/// What to do with one check now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Judge it by the scrapers' requests.
    Judge,
    /// The same, and read the certificate by a handshake without a request, once a day.
    JudgeAndReadCertificate,
    /// Probe it.
    Probe,
    /// It is not due before this time.
    Wait(Timestamp),
}

/// Requests in an interval that stand in for a probe.
pub const LEAST_REQUESTS: u64 = 5;
/// Time between two looks at the certificate of a site that is never probed.
const CERTIFICATE_INTERVAL: Duration = Duration::from_hours(24);
/// Share of the interval by which cron may call early, without the check being put off to the next call.
const EARLY: i64 = 100;

/// Plans one round: one step for each check.
pub fn plan(now: Timestamp, passive: &Traffic, active: &[Active<'_>]) -> Vec<Step> {
    active
        .iter()
        .map(|check| plan_check(now, passive, check))
        .collect()
}

fn plan_check(now: Timestamp, passive: &Traffic, check: &Active<'_>) -> Step {
    if let Some(due) = find_due(now, check) {
        return Step::Wait(due);
    }
    let traffic = check.site.and_then(|site| passive.get(site));
    let asked = traffic.filter(|traffic| is_asked(now, traffic, check.interval));
    // When every request fails, only a probe can tell the site from its scrapers.
    if asked.is_none_or(|traffic| traffic.failed >= traffic.requests) {
        return Step::Probe;
    }
    let is_seen = check.certificate_seen.is_some_and(|seen| {
        let age = now.since(seen);
        (0..as_micros(CERTIFICATE_INTERVAL)).contains(&age)
    });
    if check.has_certificate && !is_seen {
        Step::JudgeAndReadCertificate
    } else {
        Step::Judge
    }
}

/// When a check is due, if that is later than now.
fn find_due(now: Timestamp, check: &Active<'_>) -> Option<Timestamp> {
    let last = check.last?;
    let due = last.plus_micros(as_micros(check.interval.saturating_sub(check.jitter)));
    let early = as_micros(check.interval) / EARLY;
    // A clock that was set back must not stop the checks until it has caught up.
    let is_waiting = last <= now && due.since(now) > early;
    is_waiting.then_some(due)
}

/// Whether scrapers ask the site anyway.
pub(crate) fn is_asked(now: Timestamp, traffic: &SiteTraffic, interval: Duration) -> bool {
    let is_recent = now.since(traffic.last_request) <= as_micros(interval);
    traffic.requests >= LEAST_REQUESTS && is_recent
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_mins(5);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn traffic(requests: u64, last: i64) -> Traffic {
        let traffic = SiteTraffic {
            requests,
            failed: 0,
            mean_response_time: None,
            last_request: at(last),
        };
        Traffic::from([("shop.example.com".to_owned(), traffic)])
    }

    fn check(last: Option<i64>) -> Active<'static> {
        Active {
            site: Some("shop.example.com"),
            interval: INTERVAL,
            jitter: Duration::ZERO,
            last: last.map(at),
            has_certificate: false,
            certificate_seen: None,
        }
    }

    fn step(now: i64, passive: &Traffic, check: &Active<'_>) -> Step {
        plan(at(now), passive, std::slice::from_ref(check))[0]
    }

    #[test]
    fn a_site_that_scrapers_ask_is_not_probed() {
        assert_eq!(step(1000, &traffic(40, 990), &check(None)), Step::Judge);
    }

    #[test]
    fn a_silent_site_is_probed() {
        assert_eq!(step(1000, &Traffic::new(), &check(None)), Step::Probe);
        // Too few requests, or too long ago.
        assert_eq!(step(1000, &traffic(4, 990), &check(None)), Step::Probe);
        assert_eq!(step(1000, &traffic(40, 699), &check(None)), Step::Probe);
        let mut other = check(None);
        other.site = Some("other.example.com");
        assert_eq!(step(1000, &traffic(40, 990), &other), Step::Probe);
    }

    #[test]
    fn a_site_whose_requests_all_fail_is_probed() {
        let mut failing = traffic(40, 990);
        failing.get_mut("shop.example.com").unwrap().failed = 39;
        assert_eq!(step(1000, &failing, &check(None)), Step::Judge);
        failing.get_mut("shop.example.com").unwrap().failed = 40;
        assert_eq!(step(1000, &failing, &check(None)), Step::Probe);
    }

    #[test]
    fn nothing_is_checked_before_it_is_due() {
        let mut check = check(Some(1000));
        assert_eq!(step(1100, &Traffic::new(), &check), Step::Wait(at(1300)));
        assert_eq!(step(1300, &Traffic::new(), &check), Step::Probe);
        // From cron, a little early.
        assert_eq!(step(1299, &Traffic::new(), &check), Step::Probe);
        check.jitter = Duration::from_mins(1);
        assert_eq!(step(1200, &Traffic::new(), &check), Step::Wait(at(1240)));
        assert_eq!(step(1240, &Traffic::new(), &check), Step::Probe);
    }

    #[test]
    fn a_clock_that_was_set_back_stops_no_check() {
        assert_eq!(
            step(1000, &Traffic::new(), &check(Some(99_999))),
            Step::Probe
        );
    }

    #[test]
    fn the_certificate_of_a_busy_site_is_read_once_a_day() {
        let mut check = check(None);
        check.has_certificate = true;
        let busy = traffic(40, 100_000);
        assert_eq!(step(100_000, &busy, &check), Step::JudgeAndReadCertificate);
        check.certificate_seen = Some(at(99_000));
        assert_eq!(step(100_000, &busy, &check), Step::Judge);
        check.certificate_seen = Some(at(13_600));
        assert_eq!(step(100_000, &busy, &check), Step::JudgeAndReadCertificate);
    }
}
