//! The pages in a real browser. Without Chromium the tests say that they are skipped.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dragline_web::{Server, Topic, WebConfig};

use crate::chromium::Browser;
use crate::fleet::Fleet;
use crate::pages::PAGES;
use crate::start;

fn base(server: &Server) -> String {
    format!("http://{}", server.address())
}

#[test]
fn every_page_is_quiet_readable_and_fits() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let (server, _fleet) = start(Fleet::new(14));
    let checks = include_str!("checks.js");
    for (width, theme) in [(360, "light"), (800, "dark"), (1280, "light")] {
        browser.show(width, theme);
        for page in PAGES {
            browser.open(&format!("{}{page}", base(&server)));
            browser.wait_for("'script' in document.documentElement.dataset");
            let wrong = browser.eval(checks);
            assert_eq!(wrong, serde_json::json!([]), "{page} at {width} {theme}");
            assert_eq!(
                browser.complaints,
                Vec::<String>::new(),
                "{page} at {width} {theme}"
            );
        }
    }
}

#[test]
fn hostile_text_does_nothing_in_a_browser() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let (server, fleet) = start(Fleet::hostile());
    let key = &fleet.scrapers[0].key;
    let encode = |text: &Option<String>| crate::security::url_encode(text.as_deref().unwrap());
    let scraper = format!(
        "/scraper?scraper_id={}&site={}",
        encode(&key.scraper_id),
        encode(&key.site)
    );
    browser.show(360, "light");
    for page in [
        "/",
        "/scrapers",
        &scraper,
        "/runs",
        "/errors",
        "/errors/c8a491736c67364b",
        "/events",
        "/alerts",
        "/explore/dragline_items_total",
    ] {
        browser.open(&format!("{}{page}", base(&server)));
        browser.wait_for("'script' in document.documentElement.dataset");
        // A refresh puts the same text into the page once more.
        fleet.feed.publish(&Topic::ALL);
        browser.wait_for("document.querySelector('#live').textContent.startsWith('Live') || !document.body.dataset.topics");
        assert_ne!(browser.eval("document.title"), "taken", "{page}");
        assert_eq!(
            browser.eval("document.querySelectorAll('main script, main img, main iframe').length"),
            0
        );
        let over = browser
            .eval("document.documentElement.scrollWidth - document.documentElement.clientWidth");
        assert_eq!(over, 0, "{page} is wider than the window");
        assert_eq!(browser.complaints, Vec::<String>::new(), "{page}");
    }
}

#[test]
fn a_page_is_whole_without_script() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let (server, _fleet) = start(Fleet::new(14));
    browser.send(
        "Emulation.setScriptExecutionDisabled",
        serde_json::json!({"value": true}),
    );
    browser.open(&format!("{}/", base(&server)));
    let html = browser.eval("document.documentElement.outerHTML");
    let text = html.as_str().unwrap();
    assert!(!text.contains("data-script"), "a script ran");
    for part in [
        "2 of 14 scrapers need attention",
        "<svg",
        "expected 61",
        "All runs",
    ] {
        assert!(text.contains(part), "{part}");
    }
}

#[test]
fn a_change_replaces_what_changed_and_nothing_else() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let (server, fleet) = start(Fleet::new(14));
    browser.open(&format!("{}/alerts", base(&server)));
    browser.wait_for("document.querySelector('#live').textContent.startsWith('Live')");
    browser.eval("document.querySelectorAll('[data-live]').forEach(it => { it.mine = true; })");
    let id = fleet.alerts.lock().unwrap()[0].alert.id.short();
    let began = Instant::now();
    dragline_web::Backend::acknowledge(&*fleet, &id, "alex").unwrap();
    browser.wait_for("document.body.textContent.includes('taken up by alex')");
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(
        browser.eval("document.querySelector('#firing').mine === true"),
        false
    );
    assert_eq!(browser.eval("document.querySelector('#rules').mine"), true);
    // What somebody is typing is not taken away.
    browser.eval("document.querySelector('[name=comment]').focus()");
    for letter in ["w", "h", "y"] {
        browser.key(letter);
    }
    fleet.feed.publish(&[Topic::Alerts]);
    std::thread::sleep(Duration::from_millis(800));
    assert_eq!(
        browser.eval("document.querySelector('[name=comment]').value"),
        "why"
    );
    // The page was asked for again, and the browser had it already.
    let asked = browser
        .responses
        .iter()
        .filter(|(_, url)| url.ends_with("/alerts"))
        .count();
    assert!(asked >= 3, "{:?}", browser.responses);
    assert_eq!(browser.complaints, Vec::<String>::new());
}

#[test]
fn from_the_overview_to_the_raw_lines_and_back_to_an_acknowledgement() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let (server, fleet) = start(Fleet::new(14));
    browser.show(1280, "light");
    browser.open(&format!("{}/", base(&server)));
    browser
        .wait_for("document.querySelector('h1').textContent === '2 of 14 scrapers need attention'");
    browser.click(".things .sample a");
    browser.wait_for(
        "location.pathname === '/lines' && document.querySelector('.lines .target') !== null",
    );
    assert_eq!(
        browser.eval("document.querySelector('.lines .target .number').textContent"),
        "1841"
    );
    // The line asked for is in view.
    let y = browser
        .eval("document.querySelector('.lines .target').getBoundingClientRect().y")
        .as_f64()
        .unwrap();
    assert!((0.0..900.0).contains(&y), "{y}");
    // A number leads to the lines behind it.
    browser.open(&format!("{}/", base(&server)));
    browser.click(".figures dd a");
    browser.wait_for("location.pathname === '/events' && document.querySelectorAll('#lines tbody tr').length === 100");
    // Acknowledge and silence, by forms.
    browser.open(&format!("{}/alerts", base(&server)));
    browser.click("#firing form button");
    browser.wait_for("document.body.textContent.includes('taken up by local')");
    assert!(fleet.alerts.lock().unwrap()[0].acknowledged.is_some());
    browser.eval("document.querySelector('[name=site]').value = 'shop-0.example.com'; document.querySelector('[name=comment]').value = 'rebuilt';");
    browser.click("#silence button");
    browser
        .wait_for("document.querySelector('#silences').textContent.includes('shop-0.example.com')");
    browser.click("#silences form button");
    browser.wait_for(
        "document.querySelector('#silences').textContent.includes('No notices are muted')",
    );
    assert!(fleet.silences.lock().unwrap().is_empty());
    assert_eq!(browser.complaints, Vec::<String>::new());
}

#[test]
fn a_drag_over_a_chart_zooms_and_keys_show_values() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let (server, _fleet) = start(Fleet::new(14));
    browser.show(1280, "light");
    browser.open(&format!("{}/errors", base(&server)));
    let chart = ".chart .at-l svg, .chart .at-m svg";
    browser.wait_for(&format!("document.querySelector('{chart}') !== null"));
    // Values under the keyboard's focus.
    browser.eval("Array.from(document.querySelectorAll('.chart svg[data-x]')).find(it => it.checkVisibility()).focus()");
    browser.key("ArrowRight");
    browser.wait_for(
        "document.querySelector('.tip') !== null && !document.querySelector('.tip').hidden",
    );
    // A drag over the chart.
    let (x, y) = browser.middle_of(".chart");
    browser.mouse("mouseMoved", x - 200.0, y, 0);
    browser.mouse("mousePressed", x - 200.0, y, 1);
    browser.mouse("mouseMoved", x, y, 1);
    browser.wait_for("document.querySelector('.brush') !== null");
    browser.mouse("mouseReleased", x, y, 0);
    browser.wait_for("location.search.includes('from=') && location.search.includes('to=') && document.readyState === 'complete'");
    let zoomed = browser.eval("(() => { const p = new URLSearchParams(location.search); return (Date.parse(p.get('to')) - Date.parse(p.get('from'))) / 3600000; })()");
    let hours = zoomed.as_f64().unwrap();
    assert!((1.0..12.0).contains(&hours), "{hours} hours");
    // Keys lead to pages.
    browser.key("g");
    browser.key("s");
    browser.wait_for(
        "location.pathname === '/scrapers' && 'script' in document.documentElement.dataset",
    );
    browser.key("/");
    assert_eq!(browser.eval("document.activeElement.name"), "search");
    assert_eq!(browser.complaints, Vec::<String>::new());
}

#[test]
fn a_page_goes_on_after_a_restart() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let (server, _old) = start(Fleet::new(14));
    let address = server.address();
    browser.open(&format!("{}/alerts", base(&server)));
    browser.wait_for("document.querySelector('#live').textContent.startsWith('Live')");
    server.stop();
    browser.wait_for("document.querySelector('#live').textContent.includes('does not answer')");
    let fleet = Arc::new(Fleet {
        feed: dragline_web::Feed::new(1),
        ..Fleet::new(14)
    });
    let id = fleet.alerts.lock().unwrap()[0].alert.id.short();
    dragline_web::Backend::acknowledge(&*fleet, &id, "somebody").unwrap();
    let config = WebConfig {
        listen: address,
        ..WebConfig::default()
    };
    let _server = Server::start(&config, fleet, None).unwrap();
    browser.wait_for("document.body.textContent.includes('taken up by somebody')");
    browser.wait_for("document.querySelector('#live').textContent.startsWith('Live')");
}

#[test]
fn the_checks_find_what_is_wrong() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let (server, _fleet) = start(Fleet::new(1));
    browser.open(&format!("{}/", base(&server)));
    browser.eval(
        "(() => {
            const add = (name, change) => { const it = document.createElement(name); change(it); document.querySelector('main').append(it); };
            add('p', it => { it.textContent = 'pale'; it.style.color = '#bbb'; });
            add('input', () => {});
            add('a', it => { it.href = '/'; });
            add('h4', it => { it.textContent = 'deep'; });
            add('i', it => { it.id = 'main'; });
            add('div', it => { it.style.width = '5000px'; it.textContent = 'wide'; });
        })()",
    );
    let wrong = browser.eval(include_str!("checks.js")).to_string();
    for fault in [
        "contrast",
        "without a label",
        "without a name",
        "skips a level",
        "is there twice",
        "wider than the window",
    ] {
        assert!(wrong.contains(fault), "{fault}: {wrong}");
    }
}
