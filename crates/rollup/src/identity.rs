//! Determines the run that each source belongs to, which single lines may not name.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use dragline_schema::{Dialect, RunKey, Timestamp};

use crate::guessed::are_dismissed;
use crate::idle::{join_idle, join_supervised};
use crate::mixed::{Hosts, Mixed};
use crate::rollup::Source;
use crate::source::{SourceKey, SourceStats};
use crate::tasks::Tasks;

/// The run that each source belongs to.
pub(crate) fn final_keys(sources: &[Source]) -> Vec<RunKey> {
    let tasks = Tasks::of(sources);
    let mut dismissed = are_dismissed(sources);
    for ((key, _), is_dismissed) in sources.iter().zip(&mut dismissed) {
        *is_dismissed |= tasks.are_runs(&key.family);
    }
    let has_name = |key: &SourceKey| !tasks.are_names(&key.family);
    let mut named: BTreeMap<&str, Named<'_>> = BTreeMap::new();
    for ((key, _), is_dismissed) in sources.iter().zip(&dismissed) {
        if let (Some(run), false) = (&key.run_id, is_dismissed) {
            let named = named.entry(&key.family).or_default();
            let scrapers = named.runs.entry(run).or_default();
            let scraper = key.scraper_id.as_deref().filter(|_| has_name(key));
            scrapers.extend(scraper);
            named.scrapers.extend(scraper);
            named.services.extend(key.service.as_deref());
        }
    }
    let adopted: Vec<RunKey> = sources
        .iter()
        .zip(dismissed)
        .map(|((key, stats), is_dismissed)| {
            let is_foreign = !stats.dialects.contains(&Dialect::Dragline);
            let named = named.get(key.family.as_str()).filter(|_| is_foreign);
            adopt(key, named, is_dismissed, has_name(key))
        })
        .collect();
    let adopted = name_by_services(sources, adopted);
    let mut whole: BTreeMap<(&RunKey, &str), Whole<'_>> = BTreeMap::new();
    let without_site: Vec<RunKey> = adopted
        .iter()
        .map(|key| RunKey {
            site: None,
            ..key.clone()
        })
        .collect();
    // Lines outside of runs are grouped only within their family.
    let scope = |index: usize| {
        let key: &RunKey = &without_site[index];
        (
            key,
            if key.is_run() {
                ""
            } else {
                sources[index].0.family.as_str()
            },
        )
    };
    for (index, (key, stats)) in sources.iter().enumerate() {
        let whole = whole.entry(scope(index)).or_default();
        whole.sites.extend(key.site.as_deref());
        whole.renamed = whole
            .renamed
            .into_iter()
            .chain(stats.renamed.as_deref())
            .min();
        for (host, count) in stats.hosts.iter() {
            *whole.hosts.entry(host).or_default() += count;
        }
    }
    let mixed = mixed_sites(sources, &adopted, |index| &whole[&scope(index)]);
    let complete = |(index, key): (usize, &RunKey)| {
        let mixed = mixed.get(&*series_of(&sources[index].0, key));
        whole[&scope(index)].complete(key, mixed)
    };
    let mut keys: Vec<RunKey> = adopted.iter().enumerate().map(complete).collect();
    let is_foreign = |(_, stats): &Source| !stats.dialects.contains(&Dialect::Dragline);
    let foreign: Vec<bool> = sources.iter().map(is_foreign).collect();
    name_by_directories(sources, &mut keys);
    name_by_files(sources, &foreign, &mut keys);
    join_usual_site(sources, &foreign, &mut keys);
    join_supervised(sources, &mut keys);
    join_idle(sources, &foreign, &mut keys);
    keys
}

/// Names scrapers by their services where no line does and several services of one log make requests or items.
fn name_by_services(sources: &[Source], mut keys: Vec<RunKey>) -> Vec<RunKey> {
    let mut active: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    // Lines that a run names, but no envelope, belong to the service of the run.
    let mut of_runs: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for ((source, stats), key) in sources.iter().zip(&keys) {
        let Some(service) = source.service.as_deref() else {
            continue;
        };
        if key.scraper_id.is_none() && stats.active.is_some() {
            active.entry(&source.family).or_default().insert(service);
        }
        if let Some(run) = &source.run_id {
            let services = of_runs.entry((&source.family, run)).or_default();
            services.insert(service);
        }
    }
    active.retain(|_, services| services.len() > 1);
    if active.is_empty() {
        return keys;
    }
    for ((source, _), key) in sources.iter().zip(&mut keys) {
        if key.scraper_id.is_some() || !active.contains_key(source.family.as_str()) {
            continue;
        }
        let of_run = source.run_id.as_deref().and_then(|run| {
            let services = of_runs.get(&(source.family.as_str(), run))?;
            services.first().filter(|_| services.len() == 1).copied()
        });
        key.scraper_id = source.service.as_deref().or(of_run).map(str::to_owned);
    }
    keys
}

/// Names the spider of Scrapy's runs that ended before a line named it, so that they only name the bot. Schedulers
/// write the log of a job to `PROJECT/SPIDER/JOB.log`: a directory counts that is called like another run's spider, or
/// is in one that is called like the bot.
fn name_by_directories(sources: &[Source], keys: &mut [RunKey]) {
    let is_scrapy = |stats: &SourceStats| stats.dialects.contains(&Dialect::Scrapy);
    let mut spiders: BTreeSet<String> = BTreeSet::new();
    for ((source, stats), key) in sources.iter().zip(&*keys) {
        if is_scrapy(stats) && key.scraper_id != source.scraper_id {
            spiders.extend(key.scraper_id.clone());
        }
    }
    for ((source, stats), key) in sources.iter().zip(keys) {
        let mut directories = source.family.rsplit('/').skip(1);
        if is_scrapy(stats)
            && key.scraper_id == source.scraper_id
            && let (Some(directory), above) = (directories.next(), directories.next())
            && (spiders.contains(directory)
                || (above.is_some() && above == key.scraper_id.as_deref()))
        {
            key.scraper_id = Some(directory.to_owned());
        }
    }
}

/// Names scrapers by their files where no line does: `isle-books-20260304-112233.log` and other files with the same
/// name but another time are logs of `isle-books`.
fn name_by_files(sources: &[Source], foreign: &[bool], keys: &mut [RunKey]) {
    let stems: Vec<Option<String>> = sources
        .iter()
        .zip(foreign)
        .zip(&*keys)
        .map(|(((key, _), is_foreign), named)| {
            let is_nameless = *is_foreign && named.scraper_id.is_none() && !key.is_rest;
            is_nameless.then(|| stem(&key.family)).flatten()
        })
        .collect();
    let mut families: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for ((key, _), stem) in sources.iter().zip(&stems) {
        if let Some(stem) = stem {
            families.entry(stem).or_default().insert(&key.family);
        }
    }
    // One file may be called anything; a name that comes again is a scheme.
    for (key, stem) in keys.iter_mut().zip(&stems) {
        if let Some(stem) = stem
            && (families[stem.as_str()].len() > 1 || families[stem.as_str()].iter().any(is_of_days))
        {
            key.scraper_id = Some(stem.clone());
        }
    }
}

/// Whether a family consists of files that are named after days.
fn is_of_days(family: &&str) -> bool {
    family.contains('*')
}

/// Words for logs of any program.
const ANY: [&str; 26] = [
    "access",
    "app",
    "application",
    "console",
    "container",
    "crawl",
    "crawler",
    "debug",
    "error",
    "errors",
    "file",
    "info",
    "job",
    "log",
    "logs",
    "main",
    "out",
    "output",
    "part",
    "run",
    "scrape",
    "scraper",
    "server",
    "stderr",
    "stdout",
    "worker",
];

/// A family's name without directory, endings, times and numbers; `None` if nothing that names a program is left, or
/// if there was nothing to leave out.
pub(crate) fn stem(family: &str) -> Option<String> {
    let name = family.rsplit('/').next().unwrap_or(family);
    let name = name.split('.').next().unwrap_or(name);
    // The star stands for the day of each file of the family.
    let is_time = |part: &str| {
        part.bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b'T' | b'Z' | b'*'))
    };
    let parts: Vec<&str> = name.split(['-', '_']).collect();
    let named = parts
        .iter()
        .take_while(|part| !is_time(part) || part.is_empty());
    let count = named.count();
    let has_time = parts[count..]
        .iter()
        .any(|part| part.len() >= 6 || (part.len() == 4 && part.starts_with("20")) || *part == "*");
    let length: usize = parts[..count].iter().map(|part| part.len() + 1).sum();
    let stem = name.get(..length.saturating_sub(1))?;
    let words = stem.split(['-', '_']);
    let is_any = words
        .clone()
        .all(|word| ANY.contains(&&*word.to_ascii_lowercase()));
    let has_letters = stem.bytes().filter(u8::is_ascii_alphabetic).count() >= 3;
    (has_time && has_letters && !is_any && parts[count..].iter().all(|part| is_time(part)))
        .then(|| stem.to_owned())
}

/// A run whose lines name no host belongs to the site of its scraper's runs that start at the same time of day, or to
/// the one that nearly all of them have.
fn join_usual_site(sources: &[Source], foreign: &[bool], keys: &mut [RunKey]) {
    let mut sites: BTreeMap<&str, Sites> = BTreeMap::new();
    let each = || sources.iter().zip(foreign).zip(&*keys);
    for (((source, stats), is_foreign), key) in each() {
        if *is_foreign && let Some(site) = &key.site {
            let runs = sites.entry(scraper_of(source, key)).or_default();
            let run = (key.run_id.as_deref(), start_of(stats));
            runs.entry(site).or_default().insert(run);
        }
    }
    let apart = families_without_sites(sources, keys);
    let joined: Vec<Option<String>> = each()
        .map(|(((source, stats), is_foreign), key)| {
            let is_without = *is_foreign && key.site.is_none();
            if !is_without || apart.contains(source.family.as_str()) {
                return None;
            }
            let sites = sites.get(scraper_of(source, key))?;
            let at_this_time = start_of(stats).and_then(|start| site_at(sites, start));
            let usual = || {
                let usual = usual_site(sites.iter().map(|(site, runs)| (*site, ids(runs).len())));
                // A run at another time may be for a site that no run names.
                usual.filter(|site| sites.len() == 1 || !is_punctual(&sites[site]))
            };
            at_this_time.or_else(usual).map(str::to_owned)
        })
        .collect();
    for (key, site) in keys.iter_mut().zip(joined) {
        key.site = key.site.take().or(site);
    }
}

/// The scraper of a source; of one without a name, the family of its files.
fn scraper_of<'k>(source: &'k SourceKey, key: &'k RunKey) -> &'k str {
    key.scraper_id.as_deref().unwrap_or(&source.family)
}

/// The scraper of a source; of one without a name, its files' names without numbers: one file after the other is of the
/// same program.
fn series_of<'k>(source: &'k SourceKey, key: &'k RunKey) -> Cow<'k, str> {
    if let Some(name) = key.scraper_id.as_deref() {
        return Cow::Borrowed(name);
    }
    let parts = source.family.split(|c: char| c.is_ascii_digit());
    let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
    Cow::Owned(parts.join("0"))
}

/// The sites of a scraper, each with its runs and their starts.
type Sites<'k> = BTreeMap<&'k str, Runs<'k>>;
type Runs<'k> = BTreeSet<(Option<&'k str>, Option<i64>)>;

fn ids<'k>(runs: &Runs<'k>) -> BTreeSet<Option<&'k str>> {
    runs.iter().map(|(id, _)| *id).collect()
}

/// Whether nearly all runs start at times of day at which others start, too.
fn is_punctual(runs: &Runs<'_>) -> bool {
    let starts: Vec<i64> = runs.iter().filter_map(|(_, start)| *start).collect();
    let has_other = |start: &&i64| {
        let mut others = starts.iter().filter(|other| other != start);
        others.any(|other| is_near(**start, *other, APART[2]))
    };
    let punctual = starts.iter().filter(has_other).count();
    starts.len() >= 3 && punctual * 5 >= starts.len() * 4
}

/// Whether two times of day are at most this far apart.
fn is_near(a: i64, b: i64, most: i64) -> bool {
    let apart = (a - b).rem_euclid(DAY);
    apart.min(DAY - apart) <= most
}

/// When a source's run started, in microseconds.
fn start_of(stats: &SourceStats) -> Option<i64> {
    let start = stats.started.or(stats.first);
    start.map(Timestamp::as_micros)
}

/// The site that nearly all runs have: one site among several is not the usual one.
fn usual_site<'k>(sites: impl Iterator<Item = (&'k str, usize)>) -> Option<&'k str> {
    let (mut all, mut most) = (0, ("", 0));
    for (site, runs) in sites {
        all += runs;
        if runs > most.1 {
            most = (site, runs);
        }
    }
    (most.1 > 0 && most.1 * 5 >= all * 4).then_some(most.0)
}

const MINUTE: i64 = 60_000_000;
const DAY: i64 = 1440 * MINUTE;
/// Runs whose times of day are at most this far apart belong to one schedule, in microseconds: the closer, the surer.
const APART: [i64; 3] = [2 * MINUTE, 5 * MINUTE, 15 * MINUTE];

/// The site of the runs that start at the same time of day; `None` if there are none, or they have several.
fn site_at<'k>(sites: &Sites<'k>, start: i64) -> Option<&'k str> {
    let mut near = APART.iter().map(|apart| days_near(sites, start, *apart));
    let near = near.find(|sites| sites.iter().any(|(_, days)| *days > 0))?;
    usual_site(near.into_iter())
}

/// For each site, the number of days with a run that starts within `most` of a time of day.
fn days_near<'k>(sites: &Sites<'k>, start: i64, most: i64) -> Vec<(&'k str, usize)> {
    let days = sites.iter().map(|(site, runs)| {
        let starts = runs.iter().filter_map(|(_, start)| *start);
        let days: BTreeSet<i64> = starts
            .filter(|other| is_near(start, *other, most))
            .map(|start| start.div_euclid(DAY))
            .collect();
        (*site, days.len())
    });
    days.collect()
}

/// A family of files with this many runs, none of which names a site, is the log of another site's scraper.
const MANY_RUNS: usize = 5;

/// The families of files whose runs never name a site.
fn families_without_sites<'s>(sources: &'s [Source], keys: &[RunKey]) -> BTreeSet<&'s str> {
    let mut runs: BTreeMap<&str, (BTreeSet<&str>, bool)> = BTreeMap::new();
    for ((source, _), key) in sources.iter().zip(keys) {
        let (ids, has_site) = runs.entry(&source.family).or_default();
        ids.extend(key.run_id.as_deref());
        *has_site |= key.site.is_some();
    }
    let apart = runs
        .into_iter()
        .filter(|(_, (ids, has_site))| ids.len() >= MANY_RUNS && !has_site);
    apart.map(|(family, _)| family).collect()
}

/// The combined information from all lines of a run.
#[derive(Default)]
struct Whole<'s> {
    sites: BTreeSet<&'s str>,
    renamed: Option<&'s str>,
    hosts: Hosts<'s>,
}

impl Whole<'_> {
    /// Completes the key with its later scraper name and its site: the one named in its lines,
    /// otherwise that of the most requested host.
    fn complete(&self, key: &RunKey, mixed: Option<&Mixed<'_>>) -> RunKey {
        let mut key = key.clone();
        if let Some(name) = self.renamed {
            key.scraper_id = Some(name.to_owned());
        }
        if key.site.is_none() {
            let site = |host| mixed.map_or(Some(host), |mixed| mixed.site(host));
            key.site = match self.sites.len() {
                0 => self.first_host().and_then(site),
                1 => self.sites.first().copied(),
                _ => None,
            }
            .map(str::to_owned);
        }
        key
    }

    /// The most requested host, if possible one that is not in the program's own network.
    fn first_host(&self) -> Option<&str> {
        let first = self
            .hosts
            .iter()
            .max_by_key(|(host, count)| (is_public(host), **count, std::cmp::Reverse(**host)));
        first.map(|(host, _)| *host)
    }
}

/// The sites of scrapers whose runs request several hosts.
fn mixed_sites<'s>(
    sources: &'s [Source],
    adopted: &'s [RunKey],
    whole: impl Fn(usize) -> &'s Whole<'s>,
) -> BTreeMap<Cow<'s, str>, Mixed<'s>> {
    /// A run's id, or the family of lines without one.
    type Part<'s> = (Option<&'s str>, &'s str);
    let mut scrapers: BTreeMap<Cow<'_, str>, (bool, BTreeMap<Part<'_>, &Whole<'_>>)> =
        BTreeMap::new();
    for (index, key) in adopted.iter().enumerate() {
        let run = whole(index);
        if run.sites.is_empty() {
            let source = &sources[index].0;
            let scraper = scrapers.entry(series_of(source, key)).or_default();
            scraper.0 |= key.scraper_id.is_some();
            let part = match key.run_id.as_deref() {
                Some(run) => (Some(run), ""),
                None => (None, source.family.as_str()),
            };
            scraper.1.insert(part, run);
        }
    }
    let mixed = scrapers.into_iter().map(|(scraper, (is_named, runs))| {
        let hosts = |run: &&'s Whole<'s>| Some((run.first_host()?, &run.hosts));
        let runs: Vec<(&str, &Hosts<'_>)> = runs.values().filter_map(hosts).collect();
        (scraper, Mixed::of(&runs, is_named))
    });
    mixed.collect()
}

/// Whether a host may be a site: what is in the program's own network is a helper, as a proxy, a browser or the storage
/// of a platform.
fn is_public(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    match name.parse::<std::net::Ipv4Addr>() {
        Ok(ip) => !(ip.is_private() || ip.is_loopback() || ip.is_link_local()),
        Err(_) => name.contains('.') || host.starts_with('['),
    }
}

/// The runs named in the lines of a family, each with its scrapers.
#[derive(Default)]
struct Named<'s> {
    runs: BTreeMap<&'s str, BTreeSet<&'s str>>,
    scrapers: BTreeSet<&'s str>,
    /// The services of their lines.
    services: BTreeSet<&'s str>,
}

impl Named<'_> {
    /// Whether the lines of a source may be of its only run: what another service of the log says is not.
    fn may_adopt(&self, key: &SourceKey) -> bool {
        let service = key.service.as_deref();
        self.services.is_empty() || service.is_none_or(|service| self.services.contains(service))
    }
}

/// Assigns lines without a run to the run of their family, if it has exactly one. A dismissed run is none, and so is the
/// name of a task.
fn adopt(key: &SourceKey, named: Option<&Named<'_>>, is_dismissed: bool, has_name: bool) -> RunKey {
    let mut run = RunKey {
        scraper_id: key.scraper_id.clone().filter(|_| has_name),
        site: key.site.clone(),
        run_id: key.run_id.clone().filter(|_| !is_dismissed),
    };
    let Some(named) = named else { return run };
    let only = |set: &BTreeSet<&str>| {
        set.first()
            .filter(|_| set.len() == 1)
            .map(|one| (*one).to_owned())
    };
    let is_only = named.runs.len() == 1 && named.scrapers.len() <= 1;
    if run.run_id.is_none() && is_only && named.may_adopt(key) {
        let scraper = only(&named.scrapers);
        if run.scraper_id.is_none() || scraper.is_none() || scraper == run.scraper_id {
            run.run_id = named.runs.keys().next().map(|id| (*id).to_owned());
        }
    }
    if let (Some(id), None) = (&run.run_id, &run.scraper_id) {
        run.scraper_id = named.runs.get(id.as_str()).and_then(only);
    }
    run
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_tells_the_site() {
        let hour = DAY / 24;
        let mut sites = Sites::default();
        let days = |hours: i64, count: i64| {
            (0..count).map(move |day| (None, Some(day * DAY + hours * hour + day % 3)))
        };
        sites.entry("shop.test").or_default().extend(days(6, 9));
        sites.entry("used.test").or_default().extend(days(23, 2));
        assert_eq!(
            site_at(&sites, 30 * DAY + 6 * hour + 60_000_000),
            Some("shop.test")
        );
        assert_eq!(site_at(&sites, 30 * DAY - hour), Some("used.test"));
        // At another time, or if two sites start at the same time, it tells nothing.
        assert_eq!(site_at(&sites, 30 * DAY + 12 * hour), None);
        sites.entry("used.test").or_default().extend(days(6, 9));
        assert_eq!(site_at(&sites, 30 * DAY + 6 * hour), None);
        // The closer time counts.
        let later = (0..3).map(|day| (None, Some(day * DAY + 6 * hour + 8 * MINUTE)));
        sites.entry("new.test").or_default().extend(later);
        assert_eq!(
            site_at(&sites, 30 * DAY + 6 * hour + 7 * MINUTE),
            Some("new.test")
        );
    }

    #[test]
    fn helpers_are_no_sites() {
        for (host, expected) in [
            ("shop.test", true),
            ("shop.test:8080", true),
            ("203.0.113.9", true),
            ("10.0.91.212:8010", false),
            ("127.0.0.1", false),
            ("localhost:8191", false),
            ("flaresolverr:8191", false),
        ] {
            assert_eq!(is_public(host), expected, "{host}");
        }
    }

    #[test]
    fn a_stem_is_what_is_left_without_times() {
        for (family, expected) in [
            ("logs/isle-books-20260304-112233", Some("isle-books")),
            ("logs/isle_books-2026-03-04.log", Some("isle_books")),
            (
                "isle_books_2026-03-04_11-22-33_878635.log",
                Some("isle_books"),
            ),
            ("logs/isle-books-*.log", Some("isle-books")),
            ("logs/*.log", None),
            // Nothing but words for any log, no time, or another number.
            ("logs/run-20260304", None),
            ("crawler_out_20260304.log", None),
            ("logs/isle-books.log", None),
            ("logs/20260304.log", None),
            ("scraper-7c9f8d5b-x2x1z", None),
            ("shard-2", None),
        ] {
            assert_eq!(stem(family).as_deref(), expected, "{family}");
        }
    }
}
