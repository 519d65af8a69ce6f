//! What a tenant hears of its entitlements, and that a preview is what a reconciliation then does.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use agent_management::agent::store::{self, Assumed, Operation};
use agent_management::entitlement::reconcile::{Candidate, OVER_LIMIT, Plan, Standing, plan, status_after};
use agent_management::id::{AgentId, TenantId, UserId};
use agent_management::tier::{self, Entitlements, LimitName, Overrides, Tiers};
use harness::{App, TENANT, an_agent};
use serde_json::{Value, json};

const SEEDS: u64 = 12;

async fn events(app: &App, types: &str) -> Vec<Value> {
    let page = app.client().get(&format!("/v1/events?types={types}")).send().await.expect(200).json();
    page["items"].as_array().expect("events").clone()
}

#[tokio::test]
async fn a_tenant_is_warned_at_80_and_100_percent_and_told_of_other_entitlements() {
    let app = App::start().await;
    let client = app.client();
    let mut made = Vec::new();
    for expected in [0, 0, 0, 1, 2] {
        let created = client.post("/v1/agents", &an_agent().build()).send().await.expect(201);
        made.push(created.header("location").expect("a location").to_owned());
        app.settle().await;
        assert_eq!(events(&app, "entitlements.warning").await.len(), expected, "of {}", made.len());
    }
    // Back below and over it again: it is news again. Within a level nothing is.
    client.delete(&made[0]).send().await.expect(204);
    client.delete(&made[1]).send().await.expect(204);
    client.post("/v1/agents", &an_agent().build()).send().await.expect(201);
    app.settle().await;
    let warnings = events(&app, "entitlements.warning").await;
    assert_eq!(warnings.len(), 3);
    assert!(warnings.iter().all(|one| one["changed"] == json!(["/usage/agents"]) && one["actor"] == "dev"));
    let ids: BTreeSet<_> = warnings.iter().map(|one| one["id"].to_string()).collect();
    assert_eq!(ids.len(), 3);

    let tenant = TENANT.parse().expect("a tenant");
    let overrides: Overrides = [(LimitName::PrivateTemplates, Some(1))].into();
    app.host.entitle(&tenant, "pro", &overrides).await.expect("written");
    app.host.gateway.forget(&tenant);
    app.settle().await;
    let changed = events(&app, "entitlements.changed").await;
    assert_eq!((changed.len(), &changed[0]["actor"]), (1, &json!("operator")));
    let template = json!({"name": "T", "agent": an_agent().build()});
    client.post("/v1/templates", &template).send().await.expect(201);
    app.settle().await;
    let warnings = events(&app, "entitlements.warning").await;
    assert_eq!(warnings[3]["changed"], json!(["/usage/private_templates"]));
    let refused = client.post("/v1/templates", &template).send().await.expect(403);
    assert_eq!(refused.text("/errors/0/code"), "private_templates_limit");
}

/// Runs the schedule until it has come by every shard of the tenants, one each hour.
async fn told_in_a_round(app: &App) -> u64 {
    let mut told = 0;
    for _ in 0..agent_management::tenant::SHARDS {
        let run = app.host.stream_fanout.handle(json!({"source": "aws.scheduler"})).await.expect("it runs");
        told += run["told"].as_u64().expect("a count");
        app.settle().await;
        app.advance(Duration::from_hours(1));
    }
    told
}

#[tokio::test]
async fn agents_on_a_model_that_retires_are_told_once_by_the_schedule() {
    let app = App::start().await;
    let client = app.client();
    let old = an_agent().on_model("openai", "gpt-4.1-mini").build();
    let created = client.post("/v1/agents", &old).send().await.expect(201);
    let told = created.json()["model_retiring"].clone();
    assert_eq!(told["fallback"], json!({"provider": "openai", "id": "gpt-5-mini"}));
    let path = created.header("location").expect("a location").to_owned();
    let fallback = json!({"config": {"model": told["fallback"]}});
    let changed = client.patch(&path, &fallback).send().await.expect(200);
    assert_eq!(changed.json()["model_retiring"], Value::Null);

    // Agents as they were before the catalogue knew of it; one has it as a fallback only.
    let only_fallback = json!({"provider": "openai", "id": "gpt-5-mini", "fallbacks": [{"provider": "openai", "id": "gpt-4.1-mini"}]});
    let other =
        client.post("/v1/agents", &an_agent().configured("model", only_fallback).build()).send().await;
    other.expect(201);
    let mut untold = Vec::new();
    for _ in 0..3 {
        let id = client.post("/v1/agents", &old).send().await.expect(201).text("/id");
        let update = json!({
            "TableName": "agent-management",
            "Key": {"PK": {"S": format!("T#{TENANT}#A#{id}")}, "SK": {"S": "#H"}},
            "UpdateExpression": "REMOVE retiring",
        });
        assert_eq!(app.host.engine.call("UpdateItem", &update.to_string()).0, 200);
        untold.push(id);
    }
    // An archived agent stays as it is, and is told when it comes back.
    let archived = untold.pop().expect("a third");
    client.post(&format!("/v1/agents/{archived}/archive"), &json!({})).send().await.expect(200);
    app.settle().await;
    assert_eq!(told_in_a_round(&app).await, 2);
    let told = events(&app, "agent.model_retiring").await;
    let told: BTreeSet<String> =
        told.iter().filter_map(|one| Some(one["data"]["id"].as_str()?.to_owned())).collect();
    assert_eq!(told, untold.iter().cloned().collect());
    assert_eq!(told_in_a_round(&app).await, 0, "each once");
    let agent = app.client().get(&format!("/v1/agents/{}", untold[0])).send().await.expect(200).json();
    assert_eq!((&agent["rev"], &agent["updated_by"]), (&json!(2), &json!("service")));
    assert_eq!(agent["model_retiring"]["retires_on"], "2027-03-31");
    let restored = app.client().post(&format!("/v1/agents/{archived}/restore"), &json!({})).send().await;
    let restored = restored.expect(200).json();
    assert_eq!((&restored["rev"], &restored["updated_by"]), (&json!(3), &json!("dev")));
    assert_eq!(restored["model_retiring"]["retires_on"], "2027-03-31");
}

/// A tenant of agents as they come: of every status, some too large for a lower tier.
async fn a_tenant(app: &App, rng: &mut fastrand::Rng) -> Vec<AgentId> {
    let client = app.client();
    let mut ids = Vec::new();
    for number in 0..rng.usize(3..16) {
        app.advance(Duration::from_secs(rng.u64(0..3)));
        let model = [("openai", "gpt-5-mini"), ("openai", "gpt-5"), ("custom", "own")][rng.usize(0..3)];
        let document = an_agent()
            .named(&format!("agent {number}"))
            .on_model(model.0, model.1)
            .with_tools([0, 5, 6, 41][rng.usize(0..4)])
            .configured("instructions", json!("i".repeat([10, 8_192, 8_193, 66_000][rng.usize(0..4)])));
        let created = client.post("/v1/agents", &document.build()).send().await.expect(201);
        let path = created.header("location").expect("a location").to_owned();
        match rng.usize(0..6) {
            0 => drop(client.post(&format!("{path}/publish"), &json!({})).send().await.expect(201)),
            1 => drop(client.post(&format!("{path}/archive"), &json!({})).send().await.expect(200)),
            _ => {}
        }
        ids.push(created.text("/id").parse().expect("an id"));
    }
    ids
}

/// Every head as it stands.
async fn heads(app: &App, tenant: &TenantId, ids: &[AgentId]) -> Vec<store::Stored> {
    let mut found = Vec::new();
    for id in ids {
        found.push(store::get(&app.host.store, tenant, id).await.expect("there"));
    }
    found
}

/// Does what a plan says, as the job will: each head on the `rev` that was read.
async fn reconcile(app: &App, tenant: &TenantId, ids: &[AgentId], plan: &Plan) {
    let user: UserId = "service".parse().expect("a user");
    let entitlements = Tiers::embedded().expect("they are good").default_entitlements();
    for stored in heads(app, tenant, ids).await {
        let affected = plan.affected.iter().find(|one| one.id == stored.agent.id);
        let Some(status) = affected.and_then(|affected| status_after(&stored.agent, affected)) else {
            continue;
        };
        let after = stored.agent.with_status(status, &user, app.clock.now());
        let assumed = Assumed { entitlements: &entitlements, max: None };
        store::update(&app.host.store, tenant, &stored, &after, Operation::begin(), assumed)
            .await
            .expect("written");
    }
}

/// What the preview says: the effects on each agent, with the codes of why.
async fn previewed(
    app: &App,
    tier: &str,
    overrides: &Overrides,
    keep: &[AgentId],
) -> BTreeMap<String, Value> {
    let mut rows = BTreeMap::new();
    let mut asked = json!({"tier": tier, "overrides": overrides, "keep": keep, "limit": 3});
    loop {
        let page = app.client().post("/v1/entitlements/preview", &asked).send().await.expect(200).json();
        for row in page["items"].as_array().expect("rows") {
            rows.insert(row["id"].as_str().expect("an id").to_owned(), row.clone());
        }
        if page["next_cursor"].is_null() {
            let counted = |effect: &str| rows.values().filter(|row| has(row, effect)).count();
            for effect in ["suspended", "lifted", "blocked"] {
                assert_eq!(page[effect], counted(effect), "{page}");
            }
            return rows;
        }
        asked["cursor"] = page["next_cursor"].clone();
    }
}

fn has(row: &Value, effect: &str) -> bool {
    row["effects"].as_array().is_some_and(|effects| effects.contains(&json!(effect)))
}

/// Random tenants, tiers and wishes: what the preview says is what the reconciliation does, judged from the
/// heads by the whole tier engine; there and back again gives the start.
#[tokio::test]
async fn a_preview_is_what_the_reconciliation_then_does() {
    let tiers = Tiers::embedded().expect("they are good");
    let tenant: TenantId = TENANT.parse().expect("a tenant");
    let (mut suspended_in_all, mut blocked_in_all) = (0, 0);
    for seed in 0..SEEDS {
        let mut rng = fastrand::Rng::with_seed(seed);
        let app = App::start().await;
        app.set_tier(TENANT, "enterprise", [].into()).await;
        let ids = a_tenant(&app, &mut rng).await;
        let before = heads(&app, &tenant, &ids).await;
        let lower = if rng.bool() { "free" } else { "pro" };
        let overrides: Overrides =
            if rng.bool() { [(LimitName::Agents, Some(rng.u64(0..8)))].into() } else { Overrides::new() };
        let mut keep = ids.clone();
        rng.shuffle(&mut keep);
        keep.truncate(rng.usize(0..4));
        // Who is named again keeps the first place.
        keep.extend_from_within(..keep.len().min(1));
        let preview = previewed(&app, lower, &overrides, &keep).await;
        let entitlements = Entitlements { tier: lower.to_owned(), overrides, rev: 0 };
        let limits = tiers.limits(&entitlements);
        let candidates: Vec<_> = before.iter().map(|stored| Candidate::of(&stored.agent)).collect();
        let downgrade = plan(&tiers, &limits, &candidates, &keep);
        reconcile(&app, &tenant, &ids, &downgrade).await;

        let after = heads(&app, &tenant, &ids).await;
        let room = limits.get(LimitName::Agents).unwrap_or(u64::MAX);
        let active =
            after.iter().filter(|one| Standing::of(&one.agent.status) == Standing::Active).count() as u64;
        let was_active =
            before.iter().filter(|one| Standing::of(&one.agent.status) == Standing::Active).count() as u64;
        assert_eq!(active, was_active.min(room), "seed {seed}: as many as there is room for");
        for (one, was) in after.iter().zip(&before) {
            let row = preview.get(one.agent.id.as_str()).cloned().unwrap_or_default();
            let is_suspended = one.agent.status.name() == "suspended";
            assert_eq!(has(&row, "suspended"), is_suspended, "seed {seed} {row}");
            let is_archived = one.agent.status.name() == "archived";
            let excess = tier::violations(&tiers, &limits, &was.agent.content);
            assert_eq!(has(&row, "blocked"), !excess.is_empty() && !is_archived, "seed {seed} {row}");
            let codes = row["violations"].as_array().cloned().unwrap_or_default();
            let codes: Vec<_> = codes
                .iter()
                .filter(|one| one["code"] != OVER_LIMIT)
                .map(|one| one["pointer"].clone())
                .collect();
            let expected: Vec<_> = excess.iter().map(|one| json!(one.pointer)).collect();
            assert_eq!(codes, if is_archived { vec![] } else { expected }, "seed {seed}");
            assert_eq!(one.agent.content, was.agent.content);
            assert_eq!(one.agent.aliases, was.agent.aliases, "what is published stays");
            suspended_in_all += usize::from(is_suspended);
            blocked_in_all += usize::from(has(&row, "blocked"));
        }
        // Those who were named stay before all others.
        let is_active =
            |id: &AgentId| after.iter().any(|one| one.agent.id == *id && one.agent.status.name() == "active");
        let wanted: Vec<_> = keep
            .iter()
            .filter(|id| before.iter().any(|one| one.agent.id == **id && one.agent.status.name() == "active"))
            .collect();
        let kept = wanted.iter().take(usize::try_from(room).unwrap_or(usize::MAX));
        assert!(kept.into_iter().all(|id| is_active(id)), "seed {seed}");
        // The same again does nothing, and an upgrade lifts what the downgrade suspended, and nothing else.
        let candidates: Vec<_> = after.iter().map(|stored| Candidate::of(&stored.agent)).collect();
        let survivors: Vec<AgentId> =
            after.iter().map(|one| one.agent.id.clone()).filter(|id| is_active(id)).collect();
        let again = plan(&tiers, &limits, &candidates, &survivors);
        assert!(
            again
                .affected
                .iter()
                .all(|one| one.effects.iter().all(|effect| format!("{effect:?}") == "Blocked"))
        );
        let upgrade = Entitlements { tier: "enterprise".to_owned(), overrides: Overrides::new(), rev: 0 };
        let lifted = previewed(&app, "enterprise", &Overrides::new(), &[]).await;
        let upgrade = plan(&tiers, &tiers.limits(&upgrade), &candidates, &[]);
        assert_eq!(lifted.len(), upgrade.affected.len());
        reconcile(&app, &tenant, &ids, &upgrade).await;
        for (one, was) in heads(&app, &tenant, &ids).await.iter().zip(&before) {
            assert_eq!(one.agent.status, was.agent.status, "seed {seed}: back again gives the start");
        }
    }
    assert!(suspended_in_all > 10 && blocked_in_all > 10, "{suspended_in_all} {blocked_in_all}");
}
