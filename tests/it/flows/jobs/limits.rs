//! What bounds a job: waves, failures, chunks that can't be run, and other tenants' jobs.

use std::time::Duration;

use harness::App;
use local::mapping::Turn;
use local::queues::{JOBS, JOBS_DEAD};
use local::table::TABLE_NAME;
use serde_json::{Value, json};

use super::{check_counts, stream, the_job};
use crate::routes::jobs::{run, with_agents};

const UNKNOWN: &str = "agt_00000000000000000000000000";

#[tokio::test]
async fn more_failures_than_may_be_end_the_job() {
    let (app, mut ids) = with_agents(&["a", "b", "c", "d"]).await;
    ids.insert(1, UNKNOWN.to_owned());
    let said = |more: Value| {
        let mut said = json!({"kind": "update_agents", "selector": {"ids": ids}, "patch": {"tags": ["x"]}});
        for (name, value) in more.as_object().expect("members") {
            said[name] = value.clone();
        }
        said
    };
    // In a chunk, what comes after the failure is not begun.
    let job = run(&app, &said(json!({"max_failures": 0}))).await.json();
    assert_eq!((&job["state"], &job["problem"]["code"]), (&json!("failed"), &json!("too_many_failures")));
    assert_eq!((&job["done"], &job["failed"], &job["skipped"]), (&json!(1), &json!(1), &json!(3)), "{job}");
    check_counts(&app, &job).await;
    // What is left is tried again.
    let retry = format!("/v1/jobs/{}/retry-failed", job["id"].as_str().expect("an id"));
    let again = app.client().post(&retry, &json!({})).send().await.expect(202);
    app.settle().await;
    let again = the_job(&app, &again.text("/id")).await;
    assert_eq!(again["total"], 4, "{again}");
    // In waves of one, no wave begins after it.
    let job =
        run(&app, &said(json!({"max_failures": 0, "wave_size": 1, "patch": {"tags": ["y"]}}))).await.json();
    assert_eq!((&job["done"], &job["failed"], &job["skipped"]), (&json!(1), &json!(1), &json!(3)), "{job}");
    // As many as may fail do not.
    let job = run(&app, &said(json!({"max_failures": 1, "patch": {"tags": ["z"]}}))).await.json();
    assert_eq!((&job["state"], &job["done"]), (&json!("succeeded"), &json!(4)), "{job}");
}

#[tokio::test]
async fn a_poison_chunk_ends_among_the_dead_letters_and_can_be_redriven() {
    let (app, ids) = with_agents(&["a", "b", "c"]).await;
    let said = json!({
        "kind": "update_agents", "selector": {"ids": ids}, "patch": {"tags": ["x"]}, "wave_size": 1,
    });
    let id = app.client().post("/v1/jobs", &said).send().await.expect(202).text("/id");
    stream(&app).await;
    // It is planned, and its first wave runs.
    app.host.jobs.turn().await.expect("the queue can be read");
    let partition = format!("T#acme#J#{id}");
    let second = app.sort_keys(&partition, "C#")[1].clone();
    let whole = app.item(&partition, &second).expect("a chunk");
    let mut broken = whole.clone();
    broken["ids"] = json!({"S": "none"});
    put(&app, &broken);
    for _ in 0..8 {
        app.settle().await;
        app.advance(Duration::from_secs(361));
    }
    let job = the_job(&app, &id).await;
    assert_eq!((&job["state"], &job["problem"]["code"]), (&json!("failed"), &json!("chunks_stuck")), "{job}");
    assert_eq!((&job["done"], &job["outcomes"]["stuck"]), (&json!(2), &json!(1)), "{job}");
    assert_eq!(app.host.queues.len(JOBS).expect("readable"), 0);
    let dead = app.host.queues.receive(JOBS_DEAD, 10, Duration::from_secs(1)).expect("readable");
    assert_eq!(dead.len(), 1);
    put(&app, &whole);
    app.host.queues.redrive(dead[0].id, JOBS).expect("moved");
    app.settle().await;
    let job = the_job(&app, &id).await;
    assert_eq!(
        (&job["state"], &job["done"], &job["problem"]),
        (&json!("succeeded"), &json!(3), &Value::Null)
    );
    check_counts(&app, &job).await;
}

#[tokio::test]
async fn a_chunk_whose_decisions_are_spoilt_does_not_keep_the_job_from_its_end() {
    let (app, ids) = with_agents(&["a"]).await;
    let said = json!({"kind": "update_agents", "selector": {"ids": ids}, "patch": {"tags": ["x"]}});
    let id = app.client().post("/v1/jobs", &said).send().await.expect(202).text("/id");
    stream(&app).await;
    app.host.jobs.turn().await.expect("the queue can be read");
    let partition = format!("T#acme#J#{id}");
    let chunk = app.sort_keys(&partition, "C#")[0].replace("C#", "D#");
    put(
        &app,
        &json!({
            "PK": {"S": partition}, "SK": {"S": format!("{chunk}#0")}, "entity": {"S": "job_decisions"},
            "round": {"N": "0"}, "decided": {"S": "{"}, "ttl": {"N": "9999999999"},
        }),
    );
    for _ in 0..8 {
        app.settle().await;
        app.advance(Duration::from_secs(361));
    }
    let job = the_job(&app, &id).await;
    assert_eq!((&job["state"], &job["outcomes"]["stuck"]), (&json!("failed"), &json!(1)), "{job}");
}

fn put(app: &App, item: &Value) {
    let request = json!({"TableName": TABLE_NAME, "Item": item});
    let (status, answer) = app.host.engine.call("PutItem", &request.to_string());
    assert_eq!(status, 200, "{answer}");
}

#[tokio::test]
async fn one_tenant_s_huge_job_does_not_starve_another_s_small_one() {
    let app = App::start().await;
    for tenant in ["huge", "small"] {
        app.set_tier(tenant, "enterprise", [].into()).await;
    }
    let many: Vec<String> = (0..5_000).map(|n| format!("agt_0000000000000000000000{n:04}")).collect();
    let start = async |tenant: &str, ids: &[String]| {
        let said = json!({"kind": "archive_agents", "selector": {"ids": ids}});
        let id = app.client_of(tenant).post("/v1/jobs", &said).send().await.expect(202).text("/id");
        stream(&app).await;
        format!("/v1/jobs/{id}")
    };
    let huge = start("huge", &many).await;
    // The huge one is under way.
    for _ in 0..2 {
        assert_eq!(app.host.jobs.turn().await.expect("readable"), Turn::Progress);
    }
    let small = start("small", &many[..1]).await;
    let mut turns = 0;
    loop {
        assert_eq!(app.host.jobs.turn().await.expect("readable"), Turn::Progress);
        turns += 1;
        let job = app.client_of("small").get(&small).send().await.expect(200).json();
        if job["state"] == "succeeded" {
            break;
        }
    }
    assert_eq!(turns, 2, "one to plan it, one to run it");
    let job = app.client_of("huge").get(&huge).send().await.expect(200).json();
    assert_eq!(job["state"], "running", "{job}");
    app.settle().await;
    let job = app.client_of("huge").get(&huge).send().await.expect(200).json();
    assert_eq!((&job["state"], &job["outcomes"]["missing"]), (&json!("succeeded"), &json!(5_000)));
}
