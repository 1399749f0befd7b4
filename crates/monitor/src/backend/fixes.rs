//! Findings that were marked as mended.

use dragline_insights::FixVerdict;
use dragline_web::model::{Fix as Shown, FixState};
use dragline_web::{Answer, BackendError, ScraperKey, Topic};

use crate::fixes::Fix;
use crate::service::Monitor;

impl Monitor {
    pub(super) fn mark_finding(&self, id: &str, by: &str) -> Answer<Shown> {
        let judged = self.analysis()?;
        let insight = judged
            .report
            .insights
            .iter()
            .find(|insight| insight.id == id);
        let insight = insight.ok_or_else(|| {
            BackendError::NotFound(format!("there is no finding {id:?} in the last analysis"))
        })?;
        let now = self.time();
        let marked = self.change_fixes(|fixes| {
            fixes.mark(insight, by, now);
            true
        });
        marked.map_err(BackendError::Unavailable)?;
        tracing::info!(finding = id, by, "marked as mended");
        self.analyse_soon();
        self.feed.publish(&[Topic::Findings]);
        let fix = self.shown_fix(id);
        fix.ok_or_else(|| BackendError::NotFound(format!("the mark of {id:?} was replaced")))
    }

    pub(super) fn list_fixes(&self) -> Vec<Shown> {
        self.fixes().all().map(shown).collect()
    }

    pub(super) fn shown_fix(&self, id: &str) -> Option<Shown> {
        self.fixes().of(id).map(shown)
    }
}

fn shown(fix: &Fix) -> Shown {
    let state = match (fix.verdict, &fix.test, &fix.problem) {
        (Some(FixVerdict::Mended), ..) => FixState::Mended,
        (Some(FixVerdict::NotMended), ..) => FixState::NotMended,
        (Some(FixVerdict::Worse), ..) => FixState::Worse,
        (None, None, Some(_)) => FixState::NotWatched,
        (None, ..) => FixState::Watched,
    };
    let is_of_one = fix.scraper.is_some() || fix.site.is_some();
    Shown {
        finding: fix.id.clone(),
        title: fix.title.clone(),
        scraper: is_of_one.then(|| ScraperKey {
            scraper_id: fix.scraper.clone(),
            site: fix.site.clone(),
        }),
        marked_at: fix.at,
        marked_by: fix.by.clone(),
        state,
        sentence: fix.sentence(),
        counted: fix.test.map(|_| fix.counted().to_owned()),
        seen: fix.test.map(|_| fix.seen.1 as u64),
        decides: fix.test.map(|test| test.decides()),
        usual: fix.test.map(|test| test.usual),
        broken: fix.test.map(|test| test.broken),
        observed: fix
            .test
            .and_then(|_| (fix.seen.1 > 0.0).then(|| fix.seen.0 / fix.seen.1)),
        decided_at: fix.decided_at,
    }
}
