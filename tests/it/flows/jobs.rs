//! Jobs whose messages come up to five times, late and out of order, and whose workers end or stall between any
//! two of their calls, while users change the same agents and cancel: each agent is changed once in effect,
//! counters equal outcomes, the job ends, and a reversal restores what nothing else has changed.
//!
//! `JOB_SEEDS` says how many histories are tried, and `JOB_SEED` replays one.

mod files;
mod hostile;
mod limits;
mod rebuild;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use agent_management::files::store::Files;
use agent_management::template::public::PublicTemplates;
use agent_management::tier::Tiers;
use agent_management::usecase::Base;
use agent_management::usecase::library::Library;
use harness::{App, Fault, Recorder, Stop, an_agent};
use job_worker::JobWorker;
use local::bucket;
use local::mapping::Turn;
use local::queues::{JOBS, Queues};
use local::table;
use serde_json::{Value, json};

use crate::routes::jobs::items;

/// How many histories are tried where nobody says otherwise.
const SEEDS: u64 = 60;
/// As the queue has it.
const RECEPTIONS_MAX: u32 = 5;

fn library(store: agent_management::dynamo::Store) -> Library {
    static PUBLIC: OnceLock<Arc<PublicTemplates>> = OnceLock::new();
    let public = PUBLIC.get_or_init(|| Arc::new(PublicTemplates::embedded().expect("they are good")));
    let tiers = Arc::new(Tiers::embedded().expect("they are good"));
    Library::new(Base::new(store, tiers), Arc::clone(public))
}

/// A worker of its own, with a recorder before everything that it calls.
fn a_worker(app: &App, seed: u64) -> (JobWorker, Recorder) {
    let recorder = Recorder::new(app.host.engine.clone()).of("job-worker");
    recorder.interleave(seed);
    let queue = Queues::queue(JOBS, recorder.before(app.host.queues.clone()));
    let signer = bucket::signer(bucket::url("http://files.localhost")).expect("a place");
    let files = Files::new(signer, recorder.connector_before(app.host.bucket.clone()), app.clock.clone());
    let library = library(table::store(recorder.http_client()));
    (JobWorker::new(library, queue, files, app.clock.clone()), recorder)
}

/// A message that was taken from the queue.
#[derive(Debug, Clone)]
struct Taken {
    body: String,
    receptions: u32,
}

fn event(message: &Taken) -> Value {
    json!({"Records": [{
        "messageId": "1",
        "receiptHandle": "1",
        "body": message.body,
        "attributes": {"ApproximateReceiveCount": message.receptions.to_string()},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:jobs",
        "awsRegion": "us-east-1",
    }]})
}

/// Brings the stream to its functions, and leaves the queue alone.
pub async fn stream(app: &App) {
    for mapping in [&app.host.fanout, &app.host.indexer] {
        while mapping.turn().await.expect("the stream can be read") != Turn::Idle {}
    }
}

/// Takes every message that is in the queue.
fn take(app: &App, pending: &mut Vec<Taken>) {
    let messages = app.host.queues.receive(JOBS, 10_000, Duration::from_hours(1)).expect("readable");
    for message in messages {
        app.host.queues.delete(message.id).expect("deleted");
        pending.push(Taken { body: message.body, receptions: 0 });
    }
}

/// A change of an agent by a user.
async fn edit(app: &App, id: &str, text: &str) {
    let path = format!("/v1/agents/{id}");
    app.client().patch(&path, &json!({"description": text})).send().await.expect(200);
}

/// Delivers the job's messages as badly as a queue may. Messages that came too often.
async fn deliver(app: &App, ids: &[String], job: &str, rng: &mut fastrand::Rng) -> Vec<Taken> {
    let (mut pending, mut dead, mut stalled) = (Vec::new(), Vec::new(), Vec::new());
    let cancels_at = (rng.u8(..) < 80).then(|| rng.usize(0..20));
    let mut steps = 0;
    loop {
        stream(app).await;
        take(app, &mut pending);
        if pending.is_empty() {
            let Some((stop, handling)) = stalled.pop() else { return dead };
            let (stop, handling): (Stop, std::pin::Pin<Box<dyn Future<Output = Value>>>) = (stop, handling);
            stop.release();
            handling.await;
            continue;
        }
        steps += 1;
        assert!(steps < 5_000, "it goes on forever");
        if cancels_at == Some(steps) {
            let answer = app.client().post(&format!("/v1/jobs/{job}/cancel"), &json!({})).send().await;
            assert!(matches!(answer.status.as_u16(), 202 | 409), "{answer}");
        }
        if rng.u8(..) < 30 {
            edit(app, &ids[rng.usize(..ids.len())], &format!("edited {steps}")).await;
        }
        let at = rng.usize(..pending.len());
        pending[at].receptions += 1;
        let message = pending[at].clone();
        let (worker, recorder) = a_worker(app, rng.u64(..));
        recorder.break_next((0..rng.usize(0..12)).map(|_| match rng.u8(..) {
            0..16 => Fault::AnswerLost,
            16..28 => Fault::Unreachable,
            _ => Fault::None,
        }));
        let stop = Stop::new(rng.usize(0..14), rng.bool());
        let fate = rng.u8(..);
        if fate < 120 {
            recorder.stop_at(&stop);
        }
        let handled = event(&message);
        let mut handling: std::pin::Pin<Box<dyn Future<Output = Value>>> =
            Box::pin(async move { worker.handle(handled).await.expect("an answer") });
        let answer = tokio::select! {
            answer = &mut handling => Some(answer),
            () = stop.reached() => None,
        };
        let is_done = answer.as_ref().is_some_and(|answer| answer["batchItemFailures"] == json!([]));
        if answer.is_none() && fate < 60 {
            stalled.push((stop, handling));
        }
        if is_done && rng.u8(..) > 60 {
            pending.swap_remove(at);
        } else if pending[at].receptions >= RECEPTIONS_MAX {
            let message = pending.swap_remove(at);
            // What was done and came again all the same is not among the dead letters.
            if !is_done {
                dead.push(message);
            }
        }
        if rng.u8(..) < 60
            && let Some((stop, handling)) = stalled.pop()
        {
            stop.release();
            handling.await;
        }
        app.advance(Duration::from_secs(1));
    }
}

/// Brings dead letters back, of which what was stuck comes to its end.
async fn redrive(app: &App, dead: &[Taken], rng: &mut fastrand::Rng) {
    let mut messages = dead.to_vec();
    while let Some(message) = messages.pop() {
        let (worker, _) = a_worker(app, rng.u64(..));
        let answer = worker.handle(event(&Taken { receptions: 1, ..message })).await.expect("an answer");
        assert_eq!(answer["batchItemFailures"], json!([]));
        take(app, &mut messages);
    }
    stream(app).await;
}

async fn agent(app: &App, id: &str) -> Value {
    app.client().get(&format!("/v1/agents/{id}")).send().await.expect(200).json()
}

async fn the_job(app: &App, id: &str) -> Value {
    app.client().get(&format!("/v1/jobs/{id}")).send().await.expect(200).json()
}

/// Counters equal outcomes, and are all of the items.
pub async fn check_counts(app: &App, job: &Value) -> Vec<Value> {
    let found = items(app, job["id"].as_str().expect("an id"), "").await;
    let mut counted: BTreeMap<&str, u64> = BTreeMap::new();
    for item in &found {
        *counted.entry(item["outcome"].as_str().expect("an outcome")).or_default() += 1;
    }
    let outcomes = job["outcomes"].as_object().expect("outcomes");
    for (name, count) in outcomes {
        assert_eq!(count, &json!(counted.get(name.as_str()).copied().unwrap_or_default()), "{name} of {job}");
    }
    assert_eq!(counted.get("pending"), None, "{job}");
    assert_eq!(job["total"], json!(found.len()), "{job}");
    found
}

/// The revs at which the agent was made what the job makes of it.
async fn changed_by_the_job(app: &App, id: &str) -> Vec<u64> {
    let path = format!("/v1/agents/{id}/audit?limit=100");
    let rows = app.client().get(&path).send().await.expect(200).json();
    let is_bulk = |row: &&Value| {
        row["changes"].as_array().is_some_and(|changes| changes.iter().any(|one| one["after"] == "bulk"))
    };
    rows["items"]
        .as_array()
        .expect("rows")
        .iter()
        .filter(is_bulk)
        .filter_map(|row| row["rev"].as_u64())
        .collect()
}

async fn run(seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let app = App::start().await;
    app.set_tier("acme", "enterprise", [].into()).await;
    let mut ids = Vec::new();
    for index in 0..rng.usize(1..9) {
        let body = an_agent().named(&format!("Agent {index}")).build();
        ids.push(app.client().post("/v1/agents", &body).send().await.expect(201).text("/id"));
    }
    let before: BTreeMap<&String, Value> = {
        let mut before = BTreeMap::new();
        for id in &ids {
            before.insert(id, agent(&app, id).await);
        }
        before
    };
    let mut said =
        json!({"kind": "update_agents", "selector": {"ids": ids}, "patch": {"description": "bulk"}});
    if rng.bool() {
        said["wave_size"] = json!(rng.u32(1..4));
    }
    if rng.u8(..) < 40 {
        said["max_failures"] = json!(0);
        said["selector"]["ids"]
            .as_array_mut()
            .expect("ids")
            .insert(1, json!("agt_00000000000000000000000000"));
    }
    let started = app.client().post("/v1/jobs", &said).send().await.expect(202);
    let id = started.text("/id");
    let dead = deliver(&app, &ids, &id, &mut rng).await;
    let mut job = the_job(&app, &id).await;
    assert_ne!(job["ended_at"], Value::Null, "it ends: {job}");
    check_counts(&app, &job).await;
    if !dead.is_empty() {
        redrive(&app, &dead, &mut rng).await;
        job = the_job(&app, &id).await;
        assert_eq!(job["outcomes"]["stuck"], 0, "{job}");
    }
    assert!(
        job["state"] == "succeeded" || job["cancel_requested"] == true || !job["problem"].is_null(),
        "{job}"
    );
    let became = check_counts(&app, &job).await;
    for item in &became {
        let id = item["id"].as_str().expect("an id");
        if item["outcome"] == "missing" {
            continue;
        }
        let revs = changed_by_the_job(&app, id).await;
        let expected: Vec<u64> = item["rev"].as_u64().into_iter().collect();
        assert_eq!(revs, expected, "{item}");
        assert_eq!(item["outcome"] == "changed", !revs.is_empty(), "{item}");
    }
    // What the job changed and nothing else has changed since is as it was before.
    let mut now: BTreeMap<&String, Value> = BTreeMap::new();
    for id in &ids {
        now.insert(id, agent(&app, id).await);
    }
    app.client().post(&format!("/v1/jobs/{id}/revert"), &json!({})).send().await.expect(202);
    app.settle().await;
    for item in became.iter().filter(|item| item["outcome"] == "changed") {
        let id = item["id"].as_str().expect("an id").to_owned();
        let after = agent(&app, &id).await;
        if now[&id]["rev"] == item["rev"] {
            for member in ["name", "tags", "metadata", "config", "config_hash", "template", "status"] {
                assert_eq!(after[member], before[&id][member], "{member}");
            }
            assert_ne!(after["description"], "bulk");
        } else {
            assert_eq!(after, now[&id], "what someone else has changed stays");
        }
    }
}

/// An import under the same weather, of agents with and without a `key`, one of them there already.
async fn run_import(seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let app = App::start().await;
    app.set_tier("acme", "pro", [].into()).await;
    let there = app.client().post("/v1/agents", &an_agent().keyed("there").build()).send().await.expect(201);
    let ids = vec![there.text("/id")];
    let mut content = vec![an_agent().keyed("there").named("Taken over").build()];
    for index in 0..rng.usize(1..6) {
        let agent = an_agent().named(&format!("Imported {index}"));
        content.push(if rng.bool() { agent.keyed(&format!("key-{index}")).build() } else { agent.build() });
    }
    let policies = ["fail", "overwrite", "rename", "skip"];
    let policy = rng.usize(..policies.len());
    let said = json!({
        "format": "agent_management", "content": content, "on_conflict": policies[policy],
    });
    let id = app.client().post("/v1/imports", &said).send().await.expect(202).text("/id");
    let dead = deliver(&app, &ids, &id, &mut rng).await;
    redrive(&app, &dead, &mut rng).await;
    let job = the_job(&app, &id).await;
    assert_ne!(job["ended_at"], Value::Null, "it ends: {job}");
    let became = check_counts(&app, &job).await;
    if job["cancel_requested"] == true || !job["problem"].is_null() {
        return;
    }
    assert_eq!(job["total"], content.len(), "{job}");
    for (item, document) in became.iter().zip(&content).skip(1) {
        assert_eq!(item["outcome"], "changed", "{item}");
        assert_eq!(agent(&app, item["id"].as_str().expect("an id")).await["name"], document["name"]);
    }
    // Each is there once, and counted once.
    let made = content.len() + usize::from(policies[policy] == "rename");
    let list = app.client().get("/v1/agents?limit=100").send().await.expect(200).json();
    assert_eq!(list["items"].as_array().map(Vec::len), Some(made));
    let usage = app.client().get("/v1/usage").send().await.expect(200).json();
    assert_eq!(usage["agents"]["used"], made, "{usage}");
    assert_eq!(became[0]["outcome"], ["conflict", "changed", "changed", "skipped"][policy], "{}", became[0]);
    assert_eq!(agent(&app, &ids[0]).await["name"] == "Taken over", policies[policy] == "overwrite");
}

async fn each_seed<F: Future<Output = ()> + 'static>(run: impl Fn(u64) -> F) {
    let number_in = |variable| std::env::var(variable).ok().and_then(|number| number.parse::<u64>().ok());
    let seeds = match number_in("JOB_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number_in("JOB_SEEDS").unwrap_or(SEEDS),
    };
    for seed in seeds {
        let running = run(seed);
        let failed = tokio::task::LocalSet::new()
            .run_until(async move { tokio::task::spawn_local(running).await.is_err() })
            .await;
        assert!(
            !failed,
            "seed {seed} fails; JOB_SEED={seed} cargo test -p tests whatever_happens replays it"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn each_agent_is_changed_once_and_the_job_ends_whatever_happens() {
    Box::pin(each_seed(run)).await;
}

#[tokio::test(start_paused = true)]
async fn each_agent_is_imported_once_and_the_job_ends_whatever_happens() {
    Box::pin(each_seed(run_import)).await;
}
