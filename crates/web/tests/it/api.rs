//! The API: its description, parts of lists, tags, problems, aliases, changes.

use std::collections::BTreeSet;

use dragline_web::openapi;
use serde_json::{Value, json};

use crate::client::{get, send};
use crate::fleet::Fleet;
use crate::start;

/// A request for every operation that reads, as its description says, with the values of the fleet.
fn requests() -> Vec<(String, String)> {
    let values = [
        ("{id}", "", ""),
        (
            "/api/v1/scraper",
            "",
            "?scraper_id=shop-0&site=shop-0.example.com",
        ),
        ("/api/v1/site", "", "?site=shop-0.example.com"),
        (
            "/api/v1/run",
            "",
            "?scraper_id=shop-0&site=shop-0.example.com&run_id=2026-12-01-0000",
        ),
        (
            "/api/v1/lines",
            "",
            "?file=logs/shop.20261201T000000Z.jsonl&line=1841",
        ),
        ("/api/v1/ingest", "", "?host=crawler-1"),
        ("/api/v1/findings/{id}", "shop-0-open", ""),
        ("/api/v1/findings/{id}/capsule", "shop-0-open", ""),
        ("/api/v1/errors/groups/{id}", "c8a491736c67364b", ""),
        ("/api/v1/errors/groups/{id}/samples", "c8a491736c67364b", ""),
        ("/api/v1/alerts/{id}", "ALERT", ""),
        ("/api/v1/health/{name}", "shop", ""),
        ("/api/v1/metrics/{name}", "dragline_items_total", ""),
        ("/api/metrics/{name}", "dragline_items_total", ""),
        ("/api/v1/export/{table}", "runs", ""),
    ];
    let described = serde_json::to_value(openapi()).unwrap();
    let reading = described["paths"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(path, item)| item.get("get").is_some() && !path.ends_with("/stream"));
    reading
        .map(|(path, _)| {
            let (_, part, query) = values
                .iter()
                .find(|(other, ..)| other == path)
                .unwrap_or(&("", "", ""));
            let filled = path
                .replace("{id}", part)
                .replace("{name}", part)
                .replace("{table}", part);
            (path.clone(), format!("{filled}{query}"))
        })
        .collect()
}

#[test]
fn every_answer_is_as_described() {
    let described = serde_json::to_value(openapi()).unwrap();
    for count in [14, 1] {
        let (server, fleet) = start(Fleet::new(count));
        let alert = fleet.alerts.lock().unwrap()[0].alert.id.short();
        for (path, request) in requests() {
            let response = get(server.address(), &request.replace("ALERT", &alert));
            assert_eq!(response.status, 200, "{request}: {}", response.text());
            let operation = &described["paths"][&path]["get"];
            let content = operation["responses"]["200"]["content"]
                .as_object()
                .unwrap();
            let Some(schema) = content
                .get("application/json")
                .and_then(|content| content.get("schema"))
            else {
                continue;
            };
            // References lead into the components.
            let whole = json!({ "$ref": schema["$ref"], "components": described["components"] });
            let validator = jsonschema::validator_for(&whole).unwrap();
            let errors: Vec<String> = validator
                .iter_errors(&response.json())
                .take(3)
                .map(|error| format!("{}: {error}", error.instance_path()))
                .collect();
            assert!(errors.is_empty(), "{request}: {errors:?}");
        }
    }
}

#[test]
fn the_description_is_served_and_complete() {
    let (server, _fleet) = start(Fleet::new(1));
    let served = get(server.address(), "/api/v1/openapi.json").json();
    assert_eq!(served, serde_json::to_value(openapi()).unwrap());
    assert_eq!(served["openapi"], "3.1.0");
    let mut ids = BTreeSet::new();
    for (path, item) in served["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            assert!(
                operation["summary"]
                    .as_str()
                    .is_some_and(|summary| summary.len() > 10),
                "{method} {path}"
            );
            assert!(
                ids.insert(operation["operationId"].to_string()),
                "{method} {path}: its id is there twice"
            );
            assert!(operation["responses"]["200"].is_object(), "{method} {path}");
        }
    }
    // Every reference leads somewhere.
    let text = served.to_string();
    for part in text.split("#/components/schemas/").skip(1) {
        let name = part.split('"').next().unwrap();
        assert!(served["components"]["schemas"][name].is_object(), "{name}");
    }
}

#[test]
fn every_described_parameter_is_taken_and_no_other() {
    let (server, fleet) = start(Fleet::new(14));
    let alert = fleet.alerts.lock().unwrap()[0].alert.id.short();
    let described = serde_json::to_value(openapi()).unwrap();
    for (path, request) in requests()
        .into_iter()
        .filter(|(path, _)| path.starts_with("/api/"))
    {
        let request = request.replace("ALERT", &alert);
        let separator = if request.contains('?') { '&' } else { '?' };
        let unknown = get(server.address(), &format!("{request}{separator}sinse=6h"));
        assert_eq!(unknown.status, 400, "{request}");
        assert!(unknown.text().contains("sinse"), "{}", unknown.text());
        let Some(params) = described["paths"][&path]["get"]["parameters"].as_array() else {
            continue;
        };
        for param in params.iter().filter(|param| param["in"] == "query") {
            let name = param["name"].as_str().unwrap();
            let response = get(server.address(), &format!("{request}{separator}{name}="));
            assert!(
                !response.text().contains("unknown parameter"),
                "{request} {name}: {}",
                response.text()
            );
        }
    }
}

#[test]
fn lists_are_answered_in_parts() {
    let (server, _fleet) = start(Fleet::new(1_000));
    let mut seen = BTreeSet::new();
    let mut path = "/api/v1/scrapers?limit=300".to_owned();
    for _ in 0..10 {
        let part = get(server.address(), &path).json();
        assert_eq!(part["total"], 1_000);
        for item in part["items"].as_array().unwrap() {
            assert!(seen.insert(item["key"].to_string()));
        }
        let Some(next) = part["next"].as_str() else {
            break;
        };
        path = format!("/api/v1/scrapers?limit=300&cursor={next}");
    }
    assert_eq!(seen.len(), 1_000);
    for wrong in [
        "limit=0",
        "limit=1001",
        "limit=x",
        "cursor=x",
        "sort=up",
        "verdict=ill",
    ] {
        let response = get(server.address(), &format!("/api/v1/scrapers?{wrong}"));
        assert_eq!(response.status, 400, "{wrong}");
        assert_eq!(
            response.header("content-type"),
            Some("application/problem+json")
        );
        let problem = response.json();
        assert_eq!(
            (problem["status"].as_u64(), problem["title"].as_str()),
            (Some(400), Some("Bad Request"))
        );
        assert!(problem["detail"].as_str().unwrap().len() > 20, "{problem}");
    }
}

#[test]
fn what_did_not_change_is_not_sent_again() {
    let (server, fleet) = start(Fleet::new(14));
    let to = server.address();
    for path in ["/", "/api/v1/alerts", "/api/v1/openapi.json"] {
        let first = get(to, path);
        let etag = first.header("etag").unwrap().to_owned();
        let again = send(to, "GET", path, &[("If-None-Match", &etag)], b"");
        assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
    }
    let etag = get(to, "/api/v1/alerts").header("etag").unwrap().to_owned();
    let id = fleet.alerts.lock().unwrap()[0].alert.id.short();
    assert_eq!(
        send(
            to,
            "POST",
            &format!("/api/v1/alerts/{id}/acknowledge"),
            &[],
            b""
        )
        .status,
        200
    );
    let changed = send(
        to,
        "GET",
        "/api/v1/alerts",
        &[("If-None-Match", &etag)],
        b"",
    );
    assert_eq!(changed.status, 200);
    assert_eq!(changed.json()["items"][0]["acknowledged_by"], "local");
}

#[test]
fn a_finding_that_is_mended_is_watched() {
    let (server, _fleet) = start(Fleet::new(14));
    let to = server.address();
    let page = || get(to, "/findings/shop-0-open").text();
    assert!(page().contains("Mark as mended") && !page().contains("Marked as mended"));
    let path = "/api/v1/findings/shop-0-open/mended";
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let origin = format!("http://{to}");
    let form = [form[0], ("Origin", origin.as_str())];
    let sent = send(
        to,
        "POST",
        path,
        &form,
        b"return_to=%2Ffindings%2Fshop-0-open",
    );
    assert_eq!(
        (sent.status, sent.header("location")),
        (303, Some("/findings/shop-0-open"))
    );
    assert!(page().contains("about 40 decide") && page().contains("Marked as mended by local"));
    // While it is watched, nothing has to be marked.
    assert!(!page().contains("Mark as mended</button>"), "{}", page());
    assert!(get(to, "/findings").text().contains("about 40 decide"));
    let fixes = get(to, "/api/v1/fixes").json();
    assert_eq!(fixes["items"][0]["finding"], "shop-0-open");
    assert_eq!(fixes["items"][0]["state"], "watched");
    assert_eq!(
        get(to, "/api/v1/findings/shop-0-open").json()["fix"]["decides"],
        40
    );
    assert_eq!(
        send(to, "POST", "/api/v1/findings/none/mended", &[], b"").status,
        404
    );
}

#[test]
fn a_part_of_a_file_can_be_fetched() {
    let (server, _fleet) = start(Fleet::new(14));
    let whole = get(server.address(), "/api/v1/export/scrapers?format=csv");
    assert_eq!(
        whole.header("content-disposition"),
        Some("attachment; filename=\"scrapers.csv\"")
    );
    assert_eq!(whole.header("accept-ranges"), Some("bytes"));
    let part = send(
        server.address(),
        "GET",
        "/api/v1/export/scrapers?format=csv",
        &[("Range", "bytes=5-9")],
        b"",
    );
    assert_eq!(
        (part.status, part.body.as_slice()),
        (206, &whole.body[5..10])
    );
}

#[test]
fn silences_are_set_and_ended() {
    let (server, fleet) = start(Fleet::new(14));
    let to = server.address();
    let json_body = ("Content-Type", "application/json");
    let post = |body: &Value| {
        send(
            to,
            "POST",
            "/api/v1/silences",
            &[json_body],
            body.to_string().as_bytes(),
        )
    };
    for (body, hint) in [
        (
            json!({"for": "2h", "comment": "x"}),
            "would mute everything",
        ),
        (json!({"site": "a", "comment": "x"}), "how long"),
        (json!({"site": "a", "for": "2h"}), "why"),
        (json!({"site": "a", "for": "soon", "comment": "x"}), "soon"),
        (
            json!({"site": "a", "until": "2020-01-01", "comment": "x"}),
            "in the future",
        ),
        (
            json!({"site": ["a"], "for": "2h", "comment": "x"}),
            "has to be a text",
        ),
        (
            json!({"sites": "a", "for": "2h", "comment": "x"}),
            "did you mean",
        ),
    ] {
        let response = post(&body);
        assert_eq!(response.status, 400, "{body}");
        assert!(
            response.text().contains(hint),
            "{body}: {}",
            response.text()
        );
    }
    let made = post(&json!({"site": "shop*", "for": "2h", "comment": "the shop is rebuilt"}));
    assert_eq!(made.status, 200, "{}", made.text());
    let silence = made.json();
    assert_eq!(
        (
            silence["by"].as_str(),
            silence["matches"]["site"][0].as_str()
        ),
        (Some("local"), Some("shop*"))
    );
    let stored = fleet.silences.lock().unwrap()[0].silence.clone();
    assert_eq!(
        stored.ends.unwrap().since(stored.starts.unwrap()),
        2 * 3_600 * 1_000_000
    );
    let path = format!("/api/v1/silences/{}", silence["id"].as_str().unwrap());
    assert_eq!(send(to, "DELETE", &path, &[], b"").status, 200);
    assert_eq!(send(to, "DELETE", &path, &[], b"").status, 404);
}

#[test]
fn batches_are_taken_and_gaps_refused() {
    let (server, fleet) = start(Fleet::new(1));
    let to = server.address();
    let path = |offset: u64| {
        format!("/api/v1/ingest?host=crawler-1&file=var%2Flog%2Fa.jsonl&every=60&offset={offset}")
    };
    let zstd = ("Content-Encoding", "zstd");
    assert_eq!(
        send(to, "POST", &path(0), &[zstd], b"12345").json()["next_offset"],
        5
    );
    assert_eq!(
        send(to, "POST", &path(0), &[zstd], b"12345").json()["new_bytes"],
        0
    );
    let gap = send(to, "POST", &path(9), &[zstd], b"x");
    assert_eq!(gap.status, 409);
    assert_eq!(gap.json()["next_offset"], 5);
    assert!(
        gap.json()["detail"]
            .as_str()
            .unwrap()
            .contains("bytes 5 to 9")
    );
    assert_eq!(
        send(to, "POST", &path(5), &[("Content-Encoding", "br")], b"x").status,
        415
    );
    assert_eq!(
        send(to, "POST", &path(5).replace("&offset=5", ""), &[], b"x").status,
        400
    );
    // A sign of life.
    assert_eq!(
        send(to, "POST", "/api/v1/ingest?host=crawler-1", &[], b"").json()["new_bytes"],
        0
    );
    let held = get(to, "/api/v1/ingest?host=crawler-1").json();
    assert_eq!(held["files"][0]["file"], "var/log/a.jsonl");
    assert_eq!(
        fleet.batches.lock().unwrap()[0].encoding.as_deref(),
        Some("zstd")
    );
}

#[test]
fn the_aliases_answer_as_the_original_did() {
    let (server, fleet) = start(Fleet::new(14));
    let to = server.address();
    let metrics = get(to, "/api/metrics").json();
    assert!(metrics["metrics"]["dragline_items_total"].is_object());
    let metric = get(to, "/api/metrics/dragline_items_total").json();
    for key in [
        "count",
        "min",
        "max",
        "mean",
        "median",
        "p95",
        "p99",
        "last",
        "last_updated",
    ] {
        assert!(!metric[key].is_null(), "{key}");
    }
    assert_eq!(get(to, "/api/metrics/nothing").status, 404);
    let alerts = get(to, "/api/alerts").json();
    assert_eq!(
        alerts["active_alerts"].as_array().unwrap().len() as u64,
        alerts["summary"]["active"].as_u64().unwrap()
    );
    let health = get(to, "/api/health");
    assert_eq!(
        (health.status, health.json()["status"].as_str()),
        (200, Some("healthy"))
    );
    assert_eq!(health.json()["tasks"]["judge runs"], 30.0);
    *fleet.readiness.lock().unwrap() = dragline_web::model::Readiness {
        is_ready: false,
        reasons: vec!["the store is locked".to_owned()],
    };
    let health = get(to, "/api/health");
    assert_eq!(
        (health.status, health.json()["reasons"][0].as_str()),
        (503, Some("the store is locked"))
    );
    assert_eq!(get(to, "/readyz").status, 503);
    assert!(
        get(to, "/metrics")
            .text()
            .contains("dragline_monitor_lines_total 184100")
    );
}
