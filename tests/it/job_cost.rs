//! What jobs cost: capacity units for 10,000 agents as large as the budgets allow.

use harness::App;
use local::table::Item;
use serde_json::{Value, json};

use crate::cost::{HEAD_MAX_BYTES, an_agent_of, head_of, total};
use crate::flows::jobs::stream;

const AGENTS: usize = 10_000;
/// Items that are imported at once.
const IMPORT_MAX: usize = 2_000;
/// What the change and the operation that makes it add to a head.
const CHANGE_BYTES: usize = 60;

/// A tenant of many agents, copies of one that the service made.
async fn many() -> (App, Vec<String>) {
    let app = App::start().await;
    app.set_tier("acme", "enterprise", [].into()).await;
    let document = an_agent_of(HEAD_MAX_BYTES - CHANGE_BYTES).await;
    let first = app.client().post("/v1/agents", &document).send().await.expect(201).text("/id");
    let head = head_of(&app);
    let place = head["GSI1SK"]["S"].as_str().expect("a place").replace(&first, "");
    let ids: Vec<String> = (0..AGENTS).map(|number| format!("agt_{number:026}")).collect();
    for batch in ids.chunks(IMPORT_MAX) {
        let items = batch.iter().map(|id| {
            let mut copy = head.clone();
            copy["PK"]["S"] = format!("T#acme#A#{id}").into();
            copy["GSI1SK"]["S"] = format!("{place}{id}").into();
            serde_json::from_value::<Item>(copy).expect("an item")
        });
        app.host.engine.import(items.collect()).expect("imported");
    }
    stream(&app).await;
    app.recorder.take();
    (app, ids)
}

/// Runs a job and nothing of what follows its changes. What the worker's calls cost.
async fn cost_of(app: &App, said: &Value) -> (f64, f64) {
    let started = app.client().post("/v1/jobs", said).send().await.expect(202);
    stream(app).await;
    app.recorder.take();
    while app.host.jobs.turn().await.expect("the queue can be read") != local::mapping::Turn::Idle {}
    let calls = app.recorder.take_of("job-worker");
    let ended =
        app.client().get(started.header("location").expect("a location")).send().await.expect(200).json();
    assert_eq!((&ended["state"], &ended["done"]), (&json!("succeeded"), &ended["total"]), "{ended}");
    let (_, reads, writes) = total(&calls);
    (reads, writes)
}

#[tokio::test]
async fn a_bulk_update_of_10_000_agents_is_half_a_read_and_3_writes_each_and_less_than_8_percent() {
    let (app, ids) = many().await;
    let said = json!({"kind": "update_agents", "selector": {"ids": ids}, "patch": {"description": "bulk"}});
    let (reads, writes) = cost_of(&app, &said).await;
    // An agent is read for half a unit and written for three; the rest is the plan, the decisions, what became
    // of them and the counters.
    let (agents_reads, agents_writes) = (5_000.0, 30_000.0);
    let more = (reads - agents_reads) + (writes - agents_writes);
    assert!(more > 0.0 && more <= 0.08 * (agents_reads + agents_writes), "{reads} R + {writes} W");
    assert_eq!((reads, writes), (5_483.0, 31_606.0));
}
