//! Rebuilding the index: whatever is broken in it is found, mended and told of, while agents change.

use std::collections::BTreeSet;

use harness::{App, an_agent};
use local::mapping::Turn;
use local::table::TABLE_NAME;
use serde_json::{Value, json};

use super::{stream, the_job};

/// Calls the engine past the service.
fn call(app: &App, operation: &str, members: Value) -> Value {
    let mut request = members;
    request["TableName"] = json!(TABLE_NAME);
    let (status, answer) = app.host.engine.call(operation, &request.to_string());
    assert_eq!(status, 200, "{answer}");
    serde_json::from_str(&answer).expect("JSON")
}

fn delete(app: &App, pk: &str, sk: &str) {
    call(app, "DeleteItem", json!({"Key": {"PK": {"S": pk}, "SK": {"S": sk}}}));
}

async fn rebuild(app: &App) -> Value {
    let id = app.client().post("/v1/jobs", &json!({"kind": "rebuild_index"})).send().await.expect(202);
    app.settle().await;
    let job = the_job(app, &id.text("/id")).await;
    assert_eq!(job["state"], "succeeded", "{job}");
    job
}

async fn found(app: &App, filter: Value) -> BTreeSet<String> {
    let search = json!({"filter": filter, "limit": 100});
    let page = app.client().post("/v1/agents/search", &search).send().await.expect(200).json();
    let names = page["items"].as_array().expect("rows").iter();
    names.map(|row| row["name"].as_str().expect("a name").to_owned()).collect()
}

/// An app with agents called `word one` and so on, all with the tag `red`.
async fn indexed(names: &[&str]) -> (App, Vec<String>) {
    let app = App::start().await;
    app.set_tier("acme", "enterprise", [].into()).await;
    let mut ids = Vec::new();
    for name in names {
        let agent = an_agent().named(&format!("word {name}")).with("tags", json!(["red"])).build();
        ids.push(app.client().post("/v1/agents", &agent).send().await.expect(201).text("/id"));
    }
    app.settle().await;
    (app, ids)
}

#[tokio::test]
async fn what_is_broken_is_mended_and_told_of() {
    let (app, ids) = indexed(&["one", "two", "three", "four"]).await;
    assert_eq!(rebuild(&app).await["result"], Value::Null, "nothing is wrong");
    let partition = |id: &str| format!("T#acme#A#{id}");
    // A card is gone, a row is, another card says something else, and a row is left over.
    delete(&app, &partition(&ids[0]), "#X");
    let rows = app.sort_keys("T#acme#X#tag#red", "");
    let row = rows.iter().find(|row| row.ends_with(&ids[1])).expect("a row");
    delete(&app, "T#acme#X#tag#red", row);
    let mut card = app.item(&partition(&ids[2]), "#X").expect("a card");
    card["name"] = json!({"S": "stale"});
    call(&app, "PutItem", json!({"Item": card}));
    let place = rows.iter().find(|row| row.ends_with(&ids[3])).expect("a row");
    let left = json!({
        "PK": {"S": "T#acme#X#word#wo"}, "SK": {"S": format!("work#{place}")},
        "entity": {"S": "row"}, "rev": {"N": "1"},
    });
    call(&app, "PutItem", json!({"Item": left}));
    // And the card of an agent that is no more.
    let gone = "agt_00000000000000000000000000";
    let mut card = app.item(&partition(&ids[3]), "#X").expect("a card");
    card["PK"] = json!({"S": partition(gone)});
    for key in ["GSI1SK", "GSI2SK"] {
        let place = card[key]["S"].as_str().expect("a place").replace(&ids[3], gone);
        card[key] = json!({"S": place});
    }
    call(&app, "PutItem", json!({"Item": card}));
    assert_ne!(found(&app, json!({"tag": "red"})).await.len(), 4);

    let job = rebuild(&app).await;
    let told = json!({
        "cards_missing": 1, "cards_orphaned": 1, "cards_stale": 1, "rows_missing": 1, "rows_orphaned": 1,
    });
    assert_eq!(job["result"], told);
    assert_eq!(job["outcomes"]["changed"], 5, "{job}");
    let all: BTreeSet<String> = ["one", "two", "three", "four"].map(|name| format!("word {name}")).into();
    assert_eq!(found(&app, json!({"tag": "red"})).await, all);
    assert_eq!(found(&app, json!({"text": "word"})).await, all);
    assert_eq!(found(&app, json!({"text": "work"})).await, BTreeSet::new());
    assert_eq!(rebuild(&app).await["result"], Value::Null, "and then nothing is wrong");
}

#[tokio::test]
async fn agents_that_change_meanwhile_are_found_as_they_are() {
    for seed in 0..24 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let (app, ids) = indexed(&["one", "two", "three", "four", "five"]).await;
        for id in &ids {
            let rows = app.sort_keys("T#acme#X#tag#red", "");
            match rng.u8(..3) {
                0 => delete(&app, &format!("T#acme#A#{id}"), "#X"),
                1 => delete(
                    &app,
                    "T#acme#X#tag#red",
                    rows.iter().find(|row| row.ends_with(id)).expect("a row"),
                ),
                _ => {}
            }
        }
        let started =
            app.client().post("/v1/jobs", &json!({"kind": "rebuild_index"})).send().await.expect(202);
        let mut expected: Vec<(String, bool)> = ids.iter().map(|id| (id.clone(), true)).collect();
        app.recorder.interleave(seed);
        for turn in 0..12 {
            let at = rng.usize(..ids.len());
            let is_red = rng.bool();
            let patch = json!({"tags": if is_red { json!(["red"]) } else { json!([]) }, "name": format!("word {turn}")});
            let edit = async {
                let path = format!("/v1/agents/{}", ids[at]);
                app.client().patch(&path, &patch).send().await.expect(200);
            };
            let work = async { app.host.jobs.turn().await.expect("readable") != Turn::Idle };
            let index = async {
                if rng.bool() {
                    stream(&app).await;
                }
            };
            tokio::join!(edit, work, index);
            expected[at].1 = is_red;
        }
        app.settle().await;
        assert_eq!(the_job(&app, &started.text("/id")).await["state"], "succeeded", "seed {seed}");
        let search = json!({"filter": {"tag": "red"}, "limit": 100});
        let page = app.client().post("/v1/agents/search", &search).send().await.expect(200).json();
        let ids_found: BTreeSet<&str> =
            page["items"].as_array().expect("rows").iter().filter_map(|row| row["id"].as_str()).collect();
        let red: BTreeSet<&str> =
            expected.iter().filter(|(_, is_red)| *is_red).map(|(id, _)| id.as_str()).collect();
        assert_eq!(ids_found, red, "seed {seed}");
        assert_eq!(rebuild(&app).await["result"], Value::Null, "seed {seed}");
    }
}
