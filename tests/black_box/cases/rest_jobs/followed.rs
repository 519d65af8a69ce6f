//! What follows a job that was started: how it ends before its time, and how it is taken back. What agents
//! follow together is here, too.

use serde_json::json;

use super::{
    a_long_job, agents, are_found, ended, follow, ids, items, job_at, now, outcomes, run, run_after, start,
};
use crate::cases::rest_templates::RESEARCH;
use crate::cases::{Case, case};
use crate::client::{id_of, path_of};
use crate::context::{Context, eventually};
use crate::openapi::UNKNOWN_ID;

/// What a reversal brings back of an agent.
const BROUGHT_BACK: [&str; 6] = ["name", "description", "tags", "metadata", "config", "config_hash"];

pub fn cases() -> Vec<Case> {
    vec![
        case!(a_job_ends_soon_after_it_is_cancelled),
        case!(too_many_failures_end_a_job),
        case!(a_reversal_takes_back_what_nothing_else_changed),
        case!(agents_are_archived_taken_back_and_deleted),
        case!(agents_follow_their_template_together),
    ]
}

async fn a_job_ends_soon_after_it_is_cancelled(context: &Context) {
    let client = context.client().await;
    // However slow this client is, one of them is met while it runs.
    let (path, cancelled) = eventually("a job that has not ended when it is cancelled", async || {
        let path = job_at(&start(&client, &a_long_job()).send().await.expect(202).json());
        let got = client.get(&path).send().await.expect(200);
        let is_ended = !got.json()["ended_at"].is_null();
        assert_eq!(got.header("retry-after"), (!is_ended).then_some("1"), "{got}");
        let answer = client.request("POST", &format!("{path}/cancel")).send().await;
        if answer.status == 409 {
            answer.problem(409, "conflict");
            return None;
        }
        Some((path, answer.expect(202)))
    })
    .await;
    assert_eq!(cancelled.json()["cancel_requested"], true, "{cancelled}");
    let job = ended(&client, &cancelled).await;
    assert_eq!((&job["state"], &job["problem"]), (&json!("cancelled"), &json!(null)));
    assert_eq!(job["cancel_requested"], true);
    // To ask once more changes nothing.
    let again = client.post(&format!("{path}/cancel"), &json!({})).send().await.expect(202);
    assert_eq!(again.json(), job);
    let other = run(&client, &json!({"kind": "archive_agents", "selector": {"ids": [UNKNOWN_ID]}})).await;
    follow(&client, &other, "cancel").send().await.problem(409, "conflict");
}

async fn too_many_failures_end_a_job(context: &Context) {
    let client = context.client().await;
    let agents = agents(&client, &["One", "Two"]).await;
    let said = json!({
        "kind": "archive_agents",
        "selector": {"ids": [id_of(&agents[0]), UNKNOWN_ID, id_of(&agents[1])]},
        "max_failures": 0,
        "wave_size": 1,
    });
    let job = run(&client, &said).await;
    assert_eq!((&job["state"], &job["problem"]["code"]), (&json!("failed"), &json!("too_many_failures")));
    assert_eq!(outcomes(&items(&client, &job).await), ["changed", "missing", "skipped"]);
    assert_eq!(now(&client, &agents[0]).await["status"], "archived");
    assert_eq!(now(&client, &agents[1]).await, agents[1]);
}

async fn a_reversal_takes_back_what_nothing_else_changed(context: &Context) {
    let client = context.client().await;
    let agents = agents(&client, &["One", "Two", "Three"]).await;
    let patch = json!({"description": "Bulk.", "tags": ["eu"], "config": {"instructions": "Be brief."}});
    let said = json!({"kind": "update_agents", "selector": {"ids": ids(&agents)}, "patch": patch});
    let job = run(&client, &said).await;
    client.merge(&path_of(&agents[0]), &json!({"name": "Mine"})).send().await.expect(200);
    client.delete(&path_of(&agents[1])).send().await.expect(204);
    let path = format!("{}/revert", job_at(&job));
    let dry_run = client.post(&path, &json!({"dry_run": true})).send().await.expect(202);
    let dry_run = ended(&client, &dry_run).await;
    let expected = ["conflict", "missing", "changed"];
    assert_eq!(outcomes(&items(&client, &dry_run).await), expected);
    let third = now(&client, &agents[2]).await;
    assert_eq!((&third["description"], &third["rev"]), (&json!("Bulk."), &json!(2)));
    let back = run_after(&client, &job, "revert").await;
    assert_eq!((&back["kind"], &back["state"]), (&json!("revert"), &json!("succeeded")));
    assert_eq!(outcomes(&items(&client, &back).await), expected);
    let first = now(&client, &agents[0]).await;
    assert_eq!((&first["name"], &first["description"]), (&json!("Mine"), &json!("Bulk.")));
    let after = now(&client, &agents[2]).await;
    for member in BROUGHT_BACK {
        assert_eq!(after[member], agents[2][member], "{member}");
    }
    assert_eq!(after["rev"], 3);
    client.post(&path, &json!({"robot": 1})).send().await.problem(422, "validation_failed");
}

async fn agents_are_archived_taken_back_and_deleted(context: &Context) {
    let client = context.client().await;
    let agents = agents(&client, &["One", "Two"]).await;
    let archive = json!({"kind": "archive_agents", "selector": {"ids": ids(&agents)}});
    let job = run(&client, &archive).await;
    assert_eq!(client.used().await, 0);
    run_after(&client, &job, "revert").await;
    assert_eq!((client.used().await, now(&client, &agents[0]).await["status"].clone()), (2, json!("active")));
    let delete = json!({"kind": "delete_agents", "selector": {"ids": ids(&agents)}});
    let job = run(&client, &delete).await;
    assert_eq!((job["outcomes"]["changed"].clone(), client.used().await), (json!(2), 0));
    client.get(&path_of(&agents[0])).send().await.problem(404, "not_found");
    follow(&client, &job, "revert").send().await.problem(409, "conflict");
    follow(&client, &job, "retry-failed").send().await.problem(409, "conflict");
}

async fn agents_follow_their_template_together(context: &Context) {
    let client = context.client().await;
    let made = json!({"version": 1, "variables": {"organisation": "Acme"}});
    let make = || client.post(&format!("{RESEARCH}/instantiate"), &made).send();
    let agents = [make().await.expect(201).json(), make().await.expect(201).json()];
    let change = json!({"description": "Mine.", "config": {"limits": {"max_steps": 30}}});
    client.merge(&path_of(&agents[0]), &change).send().await.expect(200);
    let template = agents[0]["template"]["id"].clone();
    are_found(&client, &json!({"template": template}), 2).await;
    let mut said = json!({"kind": "upgrade_template", "template_id": template, "version": 2});
    let job = run(&client, &said).await;
    // What both sides changed is nobody's to decide but the caller's.
    assert_eq!((&job["outcomes"]["changed"], &job["outcomes"]["conflict"]), (&json!(1), &json!(1)));
    let became = items(&client, &job).await;
    let conflict = became.iter().find(|item| item["id"] == agents[0]["id"]).expect("its item");
    assert_eq!(conflict["problem"]["code"], "merge_conflict");
    said["take"] = json!("agent");
    let job = run(&client, &said).await;
    assert_eq!((&job["outcomes"]["changed"], &job["outcomes"]["unchanged"]), (&json!(1), &json!(1)));
    let upgraded = now(&client, &agents[0]).await;
    let max_steps = &upgraded["config"]["limits"]["max_steps"];
    assert_eq!((&upgraded["template"]["version"], max_steps), (&json!(2), &json!(30)));
    run_after(&client, &job, "revert").await;
    assert_eq!(now(&client, &agents[0]).await["template"]["version"], 1);
}
