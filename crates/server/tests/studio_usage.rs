//! What was spent, as the studio is told: the sums of the book, budgets, and to whom they are shown.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Answer, Running};
use jiff::{SignedDuration, Timestamp};
use parasol_core::{Money, Usage};
use parasol_runtime::{Ledger, Line};
use parasol_server::KeyTerms;
use serde_json::{Value, json};
use std::path::Path;

fn json_of(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|e| panic!("{e}: {answer:?}"))
}

/// Writes answers into the book as a process beside the server would: days ago, who asked, the model, and thousandths of a
/// dollar, if the price is known.
fn write(home: &Path, answers: &[(i64, &str, &str, Option<u64>)]) {
    let book = Ledger::new(home.join("usage"), Default::default());
    for (ago, client, model, cost) in answers {
        let usage = Usage {
            prompt_tokens: 10,
            cached_tokens: 4,
            generated_tokens: 2,
            cost: cost.map(|thousandths| Money(thousandths * 1_000_000)),
            ..Usage::default()
        };
        let at = Timestamp::now() - SignedDuration::from_hours(24 * ago);
        let (client, model) = ((*client).to_owned(), (*model).to_owned());
        let line = Line { at, client, model, provider: "p".into(), usage, reckoned: false };
        book.write(&line).unwrap();
    }
}

#[test]
fn the_sums_of_the_book_are_told_day_by_day() {
    let server = Running::start(|_| {});
    let empty = json_of(&server.get("/api/parasol/usage", &[]));
    assert_eq!(
        (&empty["rows"], &empty["total"]["answers"], &empty["by"]),
        (&json!([]), &json!(0), &json!("model"))
    );
    assert_eq!(empty["budget"], json!({ "day_usd": null, "today_usd": 0.0, "keys": [] }));
    let answers = [
        (0, "local", "a", Some(250)),
        (0, "local", "a", Some(500)),
        (0, "127.0.0.1", "b", None),
        (3, "local", "b", Some(1000)),
        (40, "local", "old", Some(9000)),
    ];
    write(server.home.path(), &answers);
    let report = json_of(&server.get("/api/parasol/usage?days=7", &[]));
    let rows: Vec<_> = report["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| (&r["name"], &r["answers"], &r["cost_usd"]))
        .collect();
    let wanted = [json!(["b", 1, 1.0]), json!(["a", 2, 0.75]), json!(["b", 1, 0.0])];
    assert_eq!(rows, wanted.iter().map(|w| (&w[0], &w[1], &w[2])).collect::<Vec<_>>(), "{report}");
    let total = json!({ "answers": 4, "prompt_tokens": 40, "cached_tokens": 16, "generated_tokens": 8, "cost_usd": 1.75, "unpriced_answers": 1 });
    assert_eq!((&report["total"], &report["budget"]["today_usd"]), (&total, &json!(0.75)));
    assert!(
        report["from"].as_str() < report["to"].as_str()
            && report["rows"][0]["day"].as_str() < report["to"].as_str()
    );
    let long = json_of(&server.get("/api/parasol/usage?days=366&by=day", &[]));
    assert_eq!((&long["total"]["cost_usd"], long["rows"].as_array().unwrap().len()), (&json!(10.75), 3));
    assert_eq!(long["rows"][2]["name"], report["to"]);
    for (query, says) in [
        ("days=0", "days is 0"),
        ("days=367", "366"),
        ("days=x", "the query cannot be read"),
        ("by=colour", "day, model, provider or key"),
        ("colour=red", "the query cannot be read"),
    ] {
        let answer = server.get(&format!("/api/parasol/usage?{query}"), &[]);
        assert!(answer.status == 400 && answer.body.contains(says), "{query}: {answer:?}");
    }
}

#[test]
fn who_administers_sees_all_and_everybody_else_their_own() {
    let settings = |home: std::path::PathBuf| {
        std::fs::write(
            home.join("remote.toml"),
            "[budget]\nday = 5\nkey_day = 1.5\nkeys = { local = 0.5 }\n",
        )
        .unwrap();
        parasol_hub::Settings::at(home)
    };
    let server = Running::start_over(|_| {}, settings, parasol_runtime::Policy::Refused);
    let key = |name: &str, admin| server.key(KeyTerms { name: name.into(), admin, ..KeyTerms::default() });
    let (mine, boss) = (key("phone", false), key("boss", true));
    let listed = json_of(&server.get("/api/parasol/keys", &[&format!("authorization: Bearer {boss}")]));
    let id = listed["keys"].as_array().unwrap().iter().find(|k| k["name"] == "phone").unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    write(
        server.home.path(),
        &[(0, &id, "a", Some(200)), (0, "local", "a", Some(300)), (1, &id, "b", Some(700))],
    );
    let ask = |secret: &str| {
        json_of(&server.get("/api/parasol/usage?by=key", &[&format!("authorization: Bearer {secret}")]))
    };
    let all = ask(&boss);
    assert_eq!(all["total"]["cost_usd"], 1.2);
    let titles: Vec<_> =
        all["rows"].as_array().unwrap().iter().map(|r| (r["name"].as_str().unwrap(), &r["title"])).collect();
    assert!(titles.contains(&(&id, &json!("phone"))) && titles.contains(&("local", &Value::Null)), "{all}");
    assert_eq!((&all["budget"]["day_usd"], &all["budget"]["today_usd"]), (&json!(5.0), &json!(0.5)));
    let budgets: Vec<_> = all["budget"]["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|k| (k["name"].as_str().unwrap(), &k["day_usd"], &k["today_usd"]))
        .collect();
    assert!(
        budgets.contains(&("local", &json!(0.5), &json!(0.3)))
            && budgets.contains(&(&id, &json!(1.5), &json!(0.2))),
        "{all}"
    );
    let own = ask(&mine);
    assert_eq!(
        (&own["total"]["cost_usd"], &own["budget"]["day_usd"], &own["budget"]["today_usd"]),
        (&json!(0.9), &Value::Null, &json!(0.2))
    );
    assert!(!own.to_string().contains("local"), "{own}");
    assert_eq!(server.get("/api/parasol/usage", &[]).status, 401);
}
