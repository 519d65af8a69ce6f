//! Jobs: what is done to many agents at once, in the background. A job ends by itself, and a case waits for
//! that. Which agents a filter finds may be a moment old.

mod followed;

use harness::an_agent;
use serde_json::{Value, json};

use super::rest_templates::{pages, pointers};
use super::{Case, case};
use crate::client::{Client, Outgoing, id_of, path_of};
use crate::context::{Context, USER, eventually};
use crate::http::Answer;
use crate::openapi::UNKNOWN_ID;

const JOBS: &str = "/v1/jobs";
const UNKNOWN_JOB: &str = "/v1/jobs/job_00000000000000000000000000";
/// How many items a job of the default tier has at most.
const ITEMS_MAX: usize = 25;
/// What counts the items of a job that has ended, each with the outcomes that it counts.
const COUNTERS: [(&str, &[&str]); 3] = [
    ("done", &["changed", "unchanged"]),
    ("failed", &["refused", "conflict", "missing", "error"]),
    ("skipped", &["skipped"]),
];

pub fn cases() -> Vec<Case> {
    vec![
        case!(a_job_changes_the_agents_that_it_names),
        case!(a_job_changes_the_agents_that_a_filter_finds),
        case!(each_item_has_an_outcome_and_what_failed_is_tried_again),
        case!(a_dry_run_tells_and_changes_nothing),
        case!(a_repeated_start_makes_one_job),
        case!(jobs_and_their_items_are_paged),
        case!(the_log_tells_how_a_job_went),
        case!(what_is_no_job_is_refused_and_pointed_at),
        case!(an_unknown_job_is_not_found),
    ]
    .into_iter()
    .chain(followed::cases())
    .collect()
}

fn start(client: &Client, said: &Value) -> Outgoing {
    client.post(JOBS, said)
}

fn follow(client: &Client, job: &Value, action: &str) -> Outgoing {
    client.post(&format!("{}/{action}", job_at(job)), &json!({}))
}

fn job_at(job: &Value) -> String {
    format!("{JOBS}/{}", id_of(job))
}

/// Agents with these names.
async fn agents(client: &Client, names: &[&str]) -> Vec<Value> {
    let mut agents = Vec::new();
    for name in names {
        agents.push(client.create(&an_agent().named(name).build()).await);
    }
    agents
}

fn ids(agents: &[Value]) -> Vec<&str> {
    agents.iter().map(id_of).collect()
}

async fn now(client: &Client, agent: &Value) -> Value {
    client.get(&path_of(agent)).send().await.expect(200).json()
}

/// Waits until a search finds as many agents.
async fn are_found(client: &Client, filter: &Value, count: u64) {
    eventually(&format!("{count} agents by {filter}"), async || {
        let counted = client.post("/v1/agents/count", &json!({"filter": filter})).send().await.expect(200);
        (counted.json()["count"] == count).then_some(())
    })
    .await;
}

/// A job that was started, once it has ended.
async fn ended(client: &Client, started: &Answer) -> Value {
    let path = job_at(&started.json());
    let job = eventually("the end of the job", async || {
        let answer = client.get(&path).send().await.expect(200);
        let job = answer.json();
        let is_ended = !job["ended_at"].is_null();
        // Who watches it is told when to look again, for as long as there is something to see.
        assert_eq!(answer.header("retry-after"), (!is_ended).then_some("1"), "{answer}");
        is_ended.then_some(job)
    })
    .await;
    is_counted(client, &job).await;
    job
}

/// Starts a job and gives it once it has ended.
async fn run(client: &Client, said: &Value) -> Value {
    ended(client, &start(client, said).send().await.expect(202)).await
}

/// Does what follows a job, and gives the new job once that has ended.
async fn run_after(client: &Client, job: &Value, action: &str) -> Value {
    let followed = ended(client, &follow(client, job, action).send().await.expect(202)).await;
    assert_eq!(followed["of"], job["id"]);
    followed
}

/// Every item of a job.
async fn items(client: &Client, job: &Value) -> Vec<Value> {
    pages(client, &format!("{}/items?limit=100", job_at(job))).await
}

fn outcomes(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["outcome"].as_str().expect("an outcome")).collect()
}

/// The counters of a job that has ended are what became of its items.
async fn is_counted(client: &Client, job: &Value) {
    let items = items(client, job).await;
    assert_eq!(job["total"], items.len(), "{job}");
    for (counter, outcomes) in COUNTERS {
        let mut sum = 0;
        for outcome in outcomes {
            let count = items.iter().filter(|item| item["outcome"] == *outcome).count();
            assert_eq!(job["outcomes"][*outcome], count, "{outcome} of {job}");
            sum += count;
        }
        assert_eq!(job[counter], sum, "{counter} of {job}");
    }
}

async fn a_job_changes_the_agents_that_it_names(context: &Context) {
    let client = context.client().await;
    let agents = agents(&client, &["One", "Two", "Three"]).await;
    let named = [id_of(&agents[0]), id_of(&agents[1]), id_of(&agents[0])];
    let said = json!({"kind": "update_agents", "selector": {"ids": named}, "patch": {"tags": ["eu"]}});
    let started = start(&client, &said).send().await.expect(202);
    let job = started.json();
    assert_eq!((started.header("etag"), started.header("retry-after")), (Some("\"1\""), Some("1")));
    assert_eq!((&job["kind"], &job["state"]), (&json!("update_agents"), &json!("queued")));
    assert_eq!(
        (&job["created_by"], &job["total"], &job["ended_at"]),
        (&json!(USER), &json!(0), &json!(null))
    );
    let location = context.follow(&started, started.header("location").expect("a location"));
    assert_eq!(client.get(&location).send().await.expect(200).json()["id"], job["id"]);
    let job = ended(&client, &started).await;
    assert_eq!(
        (&job["state"], &job["problem"], &job["of"]),
        (&json!("succeeded"), &json!(null), &json!(null))
    );
    // Who is named twice is one item, and they come in the order in which they are named.
    let became = items(&client, &job).await;
    assert_eq!(ids(&became), named[..2]);
    assert!(became.iter().all(|item| item["outcome"] == "changed" && item["rev"] == 2), "{became:?}");
    for agent in &agents[..2] {
        let changed = now(&client, agent).await;
        assert_eq!((&changed["tags"], &changed["rev"]), (&json!(["eu"]), &json!(2)));
    }
    assert_eq!(now(&client, &agents[2]).await, agents[2]);
    // What has ended changes no more.
    let got = client.get(&location).send().await.expect(200);
    let etag = got.header("etag").expect("an etag");
    assert_eq!((got.json(), etag), (job.clone(), format!("\"{}\"", job["rev"]).as_str()));
    let unchanged = client.get(&location).header("if-none-match", etag).send().await.expect(304);
    assert_eq!((unchanged.body.len(), unchanged.header("etag")), (0, Some(etag)));
    client.get(&location).header("if-none-match", "\"1\"").send().await.expect(200);
    let again = run(&client, &said).await;
    assert_eq!((&again["state"], &again["outcomes"]["unchanged"]), (&json!("succeeded"), &json!(2)));
    assert_eq!(now(&client, &agents[0]).await["rev"], 2);
}

async fn a_job_changes_the_agents_that_a_filter_finds(context: &Context) {
    let client = context.client().await;
    let tagged = |name: &str, tag: &str| an_agent().named(name).with("tags", json!([tag])).build();
    let (one, two) = (client.create(&tagged("One", "eu")).await, client.create(&tagged("Two", "eu")).await);
    let other = client.create(&tagged("Other", "us")).await;
    let filter = json!({"tag": "eu"});
    are_found(&client, &filter, 2).await;
    let patch = json!({"metadata": {"region": "eu-west-1"}});
    let said = json!({"kind": "update_agents", "selector": {"filter": filter}, "patch": patch});
    let job = run(&client, &said).await;
    assert_eq!((&job["total"], &job["outcomes"]["changed"]), (&json!(2), &json!(2)));
    for agent in [&one, &two] {
        assert_eq!(now(&client, agent).await["metadata"], patch["metadata"]);
    }
    assert_eq!(now(&client, &other).await, other);
    // An empty filter is everything; one that finds nothing is a job without items.
    are_found(&client, &json!({}), 3).await;
    let all = json!({"kind": "update_agents", "selector": {"filter": {}}, "patch": patch});
    let job = run(&client, &all).await;
    assert_eq!((&job["outcomes"]["changed"], &job["outcomes"]["unchanged"]), (&json!(1), &json!(2)));
    let none = json!({"kind": "update_agents", "selector": {"filter": {"tag": "mars"}}, "patch": patch});
    let job = run(&client, &none).await;
    assert_eq!((&job["state"], &job["total"]), (&json!("succeeded"), &json!(0)));
}

async fn each_item_has_an_outcome_and_what_failed_is_tried_again(context: &Context) {
    let client = context.client().await;
    let agents = agents(&client, &["Support", "Other", "Support"]).await;
    let archived = path_of(&agents[2]);
    client.request("POST", &format!("{archived}/archive")).send().await.expect(200);
    let mut named = ids(&agents);
    named.push(UNKNOWN_ID);
    let patch = json!([
        {"op": "test", "path": "/name", "value": "Support"},
        {"op": "add", "path": "/tags/-", "value": "eu"},
    ]);
    let said = json!({"kind": "update_agents", "selector": {"ids": named}, "patch": patch});
    let job = run(&client, &said).await;
    // It has come to its end, which does not say that all went well.
    assert_eq!((&job["state"], &job["failed"]), (&json!("succeeded"), &json!(3)));
    let became = items(&client, &job).await;
    assert_eq!(outcomes(&became), ["changed", "conflict", "conflict", "missing"]);
    let codes: Vec<_> = became.iter().map(|item| item["problem"]["code"].clone()).collect();
    assert_eq!(codes, [json!(null), json!("conflict"), json!("conflict"), json!("not_found")]);
    client.request("POST", &format!("{archived}/restore")).send().await.expect(200);
    let retry = run_after(&client, &job, "retry-failed").await;
    assert_eq!(retry["kind"], "update_agents");
    let became = items(&client, &retry).await;
    assert_eq!(
        (ids(&became), outcomes(&became)),
        (named[1..].to_vec(), vec!["conflict", "changed", "missing"])
    );
    assert_eq!(now(&client, &agents[2]).await["tags"], json!(["eu"]));
    // What the tier does not admit is told as for one agent.
    let patch = json!({"config": {"model": {"id": "claude-opus-4-5"}}});
    let said = json!({"kind": "update_agents", "selector": {"ids": named[..1]}, "patch": patch});
    let refused = items(&client, &run(&client, &said).await).await.remove(0);
    let (outcome, problem) = (&refused["outcome"], &refused["problem"]);
    assert_eq!((outcome, &problem["code"]), (&json!("refused"), &json!("entitlement_exceeded")));
    assert_eq!(pointers(&problem["errors"]), ["/config/model"]);
}

async fn a_dry_run_tells_and_changes_nothing(context: &Context) {
    let client = context.client().await;
    let agents = agents(&client, &["One", "Same"]).await;
    let said = json!({
        "kind": "update_agents",
        "selector": {"ids": ids(&agents)},
        "patch": {"name": "Same"},
        "dry_run": true,
    });
    let job = run(&client, &said).await;
    assert_eq!((&job["dry_run"], &job["outcomes"]["changed"]), (&json!(true), &json!(1)));
    let told = items(&client, &job).await;
    assert_eq!(outcomes(&told), ["changed", "unchanged"]);
    assert_eq!(told[0]["patch"], json!([{"op": "replace", "path": "/name", "value": "Same"}]));
    assert_eq!((&told[0]["rev"], &told[1]["patch"]), (&json!(null), &json!(null)));
    for agent in &agents {
        assert_eq!(&now(&client, agent).await, agent);
    }
    follow(&client, &job, "revert").send().await.problem(409, "conflict");
}

async fn a_repeated_start_makes_one_job(context: &Context) {
    let client = context.client().await;
    let agents = agents(&client, &["One"]).await;
    let said = json!({"kind": "archive_agents", "selector": {"ids": ids(&agents)}});
    let start = |said: &Value| start(&client, said).header("idempotency-key", "one").send();
    let first = start(&said).await.expect(202);
    assert_eq!(first.header("idempotent-replayed"), None);
    let job = ended(&client, &first).await;
    let second = start(&said).await.expect(202);
    assert_eq!((second.json(), second.header("idempotent-replayed")), (job.clone(), Some("true")));
    let other = json!({"kind": "delete_agents", "selector": {"ids": ids(&agents)}});
    start(&other).await.problem(422, "idempotency_key_reused");
    eventually("the one job", async || {
        let jobs = client.get(JOBS).send().await.expect(200).items();
        (ids(&jobs) == [id_of(&job)]).then_some(())
    })
    .await;
    let revert = || follow(&client, &job, "revert").header("idempotency-key", "back").send();
    let back = ended(&client, &revert().await.expect(202)).await;
    assert_eq!(revert().await.expect(202).json(), back);
    assert_eq!(now(&client, &agents[0]).await["rev"], 3);
}

/// A job of many small steps, none of which changes anything.
fn a_long_job() -> Value {
    let unknown: Vec<_> = (0..ITEMS_MAX).map(|index| format!("agt_{index:026}")).collect();
    json!({"kind": "archive_agents", "selector": {"ids": unknown}, "wave_size": 1})
}

async fn jobs_and_their_items_are_paged(context: &Context) {
    let client = context.client().await;
    let said = json!({"kind": "delete_agents", "selector": a_long_job()["selector"]});
    let mut jobs = Vec::new();
    for _ in 0..3 {
        jobs.push(run(&client, &said).await);
    }
    jobs.reverse();
    eventually("the jobs, newest first", async || {
        let rows = pages(&client, "/v1/jobs?limit=1").await;
        let is_same = |(row, job): (&Value, &Value)| {
            let members = row.as_object().expect("a row");
            members.iter().all(|(name, value)| job[name] == *value)
        };
        (ids(&rows) == ids(&jobs) && rows.iter().zip(&jobs).all(is_same)).then_some(())
    })
    .await;
    let all = items(&client, &jobs[0]).await;
    let path = format!("{}/items", job_at(&jobs[0]));
    assert_eq!(pages(&client, &format!("{path}?limit=7")).await, all);
    assert_eq!(pages(&client, &format!("{path}?limit=7&outcome=changed,missing")).await, all);
    assert_eq!(pages(&client, &format!("{path}?outcome=changed,skipped")).await, [] as [Value; 0]);
    let cursor = client.get(&format!("{path}?limit=7")).send().await.expect(200).text("/next_cursor");
    let next = client.get(&format!("{path}?limit=7&cursor={cursor}")).send().await.expect(200);
    assert_eq!(next.items(), all[7..14]);
    for other in [
        format!("{path}?outcome=missing"),
        format!("{}/items?limit=7", job_at(&jobs[1])),
        format!("{JOBS}?limit=7"),
    ] {
        client.get(&format!("{other}&cursor={cursor}")).send().await.problem(400, "invalid_cursor");
    }
    for bad in [format!("{path}?outcome=robot"), format!("{path}?limit=0"), format!("{JOBS}?state=failed")] {
        client.get(&bad).send().await.problem(400, "invalid_parameter");
    }
}

async fn the_log_tells_how_a_job_went(context: &Context) {
    let client = context.client().await;
    let agents = agents(&client, &["One"]).await;
    let job = run(&client, &json!({"kind": "archive_agents", "selector": {"ids": ids(&agents)}})).await;
    // What it does to an agent is an event of the agent's, by whoever started the job.
    let archived = |event: &Value| event["type"] == "agent.archived" && event["actor"] == USER;
    let events = eventually("the events of the job and its agent", async || {
        let events = client.get("/v1/events?limit=100").send().await.expect(200).items();
        let is_whole =
            events.iter().any(archived) && events.iter().any(|event| event["type"] == "job.finished");
        is_whole.then_some(events)
    })
    .await;
    let own: Vec<_> = events.iter().filter(|event| event["data"]["id"] == job["id"]).collect();
    let kinds: Vec<_> = own.iter().map(|event| event["type"].as_str().expect("a type")).collect();
    let (first, last) = (kinds[0], kinds[kinds.len() - 1]);
    assert_eq!((first, last), ("job.created", "job.finished"));
    assert!(kinds[1..kinds.len() - 1].iter().all(|kind| *kind == "job.progressed"), "{kinds:?}");
    assert!(own.is_sorted_by_key(|event| event["data"]["rev"].as_u64()), "{own:?}");
    assert_eq!(own[own.len() - 1]["data"]["rev"], job["rev"]);
}

async fn what_is_no_job_is_refused_and_pointed_at(context: &Context) {
    let client = context.client().await;
    let all = json!({"filter": {}});
    for (said, pointer) in [
        (json!({"selector": all}), "/kind"),
        (json!({"kind": "sync", "selector": all}), "/kind"),
        (json!({"kind": "archive_agents"}), "/selector"),
        (json!({"kind": "archive_agents", "selector": {"ids": []}}), "/selector/ids"),
        (json!({"kind": "archive_agents", "selector": {"filter": {"tag": ""}}}), "/selector/filter/tag"),
        (json!({"kind": "archive_agents", "selector": all, "patch": {}}), "/patch"),
        (json!({"kind": "update_agents", "selector": all}), "/patch"),
        (json!({"kind": "update_agents", "selector": all, "patch": 1}), "/patch"),
        (json!({"kind": "upgrade_template"}), "/template_id"),
        (json!({"kind": "archive_agents", "selector": all, "wave_size": 0}), "/wave_size"),
    ] {
        let refused = start(&client, &said).send().await.problem(422, "validation_failed");
        assert_eq!(pointers(&refused["errors"]), [pointer], "{said}");
    }
    let mut many = a_long_job();
    many["selector"]["ids"].as_array_mut().expect("a list").push(json!(UNKNOWN_ID.replace('0', "1")));
    let refused = start(&client, &many).send().await.problem(403, "entitlement_exceeded");
    let excess = &refused["errors"][0];
    assert_eq!(
        (&excess["pointer"], &excess["limit"], &excess["min_tier"]),
        (&json!("/selector/ids"), &json!(ITEMS_MAX), &json!("pro"))
    );
    // Who starts a job may do with one agent what it does with many.
    let said = json!({"tenant": client.tenant, "user": USER, "scopes": ["jobs:read", "jobs:write"]});
    let limited = context.client_with(&said).await;
    start(&limited, &a_long_job()).send().await.problem(403, "insufficient_scope");
    assert_eq!(client.get(JOBS).send().await.expect(200).items(), [] as [Value; 0]);
}

async fn an_unknown_job_is_not_found(context: &Context) {
    let client = context.client().await;
    let job = run(&client, &json!({"kind": "archive_agents", "selector": {"ids": [UNKNOWN_ID]}})).await;
    let other = context.client().await;
    for path in [UNKNOWN_JOB.to_owned(), format!("{JOBS}/x"), job_at(&job)] {
        for part in ["", "/items"] {
            other.get(&format!("{path}{part}")).send().await.problem(404, "not_found");
        }
        for action in ["cancel", "retry-failed", "revert"] {
            let answer = other.request("POST", &format!("{path}/{action}")).send().await;
            answer.problem(404, "not_found");
        }
    }
}
