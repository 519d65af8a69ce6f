//! Random operations of several clients, held against a model in memory that knows nothing of the
//! table: the same statuses, the same agents, the same count. A failure names its seed; run that one
//! alone with `MODEL_SEED=n cargo test -p tests --test it model`.

mod led;

use std::collections::BTreeMap;

use agent_management::tier::LimitName;
use harness::{Answer, App, an_agent};
use http::Method;
use serde_json::{Value, json};

const SEEDS: u64 = 30;
const STEPS: usize = 80;
const AGENTS_MAX: usize = 5;
const KEYS: [&str; 3] = ["a", "b", "c"];
/// How many versions the tenant keeps.
const VERSIONS_MAX: usize = 3;

/// What the model knows of an agent.
#[derive(Debug, Clone, PartialEq)]
struct Known {
    rev: u64,
    name: String,
    key: Option<String>,
    is_archived: bool,
    /// The names that versions have, by number.
    versions: BTreeMap<u64, String>,
    /// The version that `live` leads to.
    live: Option<u64>,
}

impl Known {
    /// The version that the draft is, if it has not changed since.
    fn published_as(&self) -> Option<u64> {
        self.versions.last_key_value().filter(|(_, name)| **name == self.name).map(|(number, _)| *number)
    }

    /// Leads `live` to a version, one rev on.
    fn lead_to(&mut self, number: u64) {
        self.live = Some(number);
        self.rev += 1;
        while self.versions.len() > VERSIONS_MAX {
            let newest = self.versions.last_key_value().map(|(newest, _)| *newest);
            let old = self.versions.keys().copied().find(|old| *old != number && Some(*old) != newest);
            self.versions.remove(&old.expect("more than two versions"));
        }
    }
}

/// The tenant as it should be.
#[derive(Debug, Default)]
struct Model {
    /// By path.
    agents: BTreeMap<String, Known>,
    /// The paths and revs of deleted agents by their key.
    deleted: BTreeMap<String, (String, u64)>,
}

impl Model {
    fn used(&self) -> usize {
        self.agents.values().filter(|agent| !agent.is_archived).count()
    }

    fn is_full(&self) -> bool {
        self.used() >= AGENTS_MAX
    }

    fn of_key(&self, key: &str) -> Option<(String, Known)> {
        let found = self.agents.iter().find(|(_, agent)| agent.key.as_deref() == Some(key));
        found.map(|(path, agent)| (path.clone(), agent.clone()))
    }
}

#[derive(Debug, Clone)]
enum Step {
    Create { key: Option<&'static str>, name: String },
    Upsert { key: &'static str, name: String },
    Rename { path: String, name: String, rev: Option<u64> },
    Archive { path: String },
    Restore { path: String },
    Delete { path: String, rev: Option<u64> },
    Duplicate { path: String },
    Publish { path: String, rev: Option<u64> },
    Rollback { path: String, version: Option<u64> },
    RestoreVersion { path: String, version: u64 },
}

fn a_step(rng: &mut fastrand::Rng, model: &Model) -> Step {
    let name = format!("n{}", rng.u8(0..4));
    let paths: Vec<_> = model.agents.keys().cloned().collect();
    let unknown = "/v1/agents/agt_00000000000000000000000000".to_owned();
    let path = if paths.is_empty() || rng.u8(0..20) == 0 {
        unknown
    } else {
        paths[rng.usize(..paths.len())].clone()
    };
    let known_rev = model.agents.get(&path).map_or(1, |agent| agent.rev);
    let rev = match rng.u8(0..4) {
        0 => None,
        1 => Some(known_rev + 1),
        _ => Some(known_rev),
    };
    let versions: Vec<u64> =
        model.agents.get(&path).iter().flat_map(|agent| agent.versions.keys()).copied().collect();
    let version =
        if versions.is_empty() || rng.u8(0..5) == 0 { 77 } else { versions[rng.usize(..versions.len())] };
    match rng.u8(0..20) {
        0..=2 => Step::Create { key: None, name },
        3 => Step::Create { key: Some(KEYS[rng.usize(..KEYS.len())]), name },
        4 | 5 => Step::Upsert { key: KEYS[rng.usize(..KEYS.len())], name },
        6 | 7 => Step::Rename { path, name, rev },
        8 => Step::Archive { path },
        9 => Step::Restore { path },
        10 => Step::Delete { path, rev },
        11 => Step::Duplicate { path },
        12..=15 => Step::Publish { path, rev },
        16 | 17 => Step::Rollback { path, version: rng.bool().then_some(version) },
        _ => Step::RestoreVersion { path, version },
    }
}

async fn send(app: &App, step: &Step) -> Answer {
    let client = app.client();
    let if_match = |rev: &Option<u64>| rev.map_or_else(|| "*".to_owned(), |rev| format!("\"{rev}\""));
    let request = match step {
        Step::Create { key, name } => {
            let document = an_agent().named(name).with("key", json!(key)).build();
            client.post("/v1/agents", &document)
        }
        Step::Upsert { key, name } => {
            let path = format!("/v1/agents/by-key/{key}");
            client.request(Method::PUT, &path).json(&an_agent().named(name).build())
        }
        Step::Rename { path, name, rev } => client
            .request(Method::PATCH, path)
            .json(&json!({"name": name}))
            .header("content-type", "application/merge-patch+json")
            .header("if-match", &if_match(rev)),
        Step::Archive { path } => client.request(Method::POST, &format!("{path}/archive")),
        Step::Restore { path } => client.request(Method::POST, &format!("{path}/restore")),
        Step::Delete { path, rev } => client.request(Method::DELETE, path).header("if-match", &if_match(rev)),
        Step::Duplicate { path } => client.request(Method::POST, &format!("{path}/duplicate")),
        Step::Publish { path, rev } => {
            client.request(Method::POST, &format!("{path}/publish")).header("if-match", &if_match(rev))
        }
        Step::Rollback { path, version } => {
            client.post(&format!("{path}/rollback"), &json!({"version": version}))
        }
        Step::RestoreVersion { path, version } => {
            client.request(Method::POST, &format!("{path}/versions/{version}/restore"))
        }
    };
    request.send().await
}

/// What the model says that the step leads to: the status, and the agent where there is one.
fn expect(model: &mut Model, step: &Step) -> (u16, Option<Known>) {
    match step {
        Step::Create { key: Some(key), .. } if model.of_key(key).is_some() => {
            // A transaction refuses for both reasons; the head comes first.
            (409, None)
        }
        Step::Create { .. } | Step::Duplicate { .. } if matches!(step, Step::Duplicate { path } if !model.agents.contains_key(path)) => {
            (404, None)
        }
        Step::Create { .. } | Step::Duplicate { .. } if model.is_full() => (403, None),
        Step::Create { key, name } => (201, Some(created(model, *key, name))),
        Step::Duplicate { path } => {
            let name = format!("Copy of {}", model.agents[path].name);
            (201, Some(created(model, None, &name)))
        }
        Step::Upsert { key, name } => match model.of_key(key) {
            Some((_, agent)) if agent.is_archived && agent.name == *name => (200, Some(agent)),
            Some((_, agent)) if agent.is_archived => (409, None),
            Some((path, agent)) => (200, Some(renamed(model, &path, agent, name))),
            None if model.is_full() => (403, None),
            None => (201, Some(created(model, Some(key), name))),
        },
        Step::Rename { path, name, rev } => match model.agents.get(path).cloned() {
            None => (404, None),
            Some(agent) if rev.is_some_and(|rev| rev != agent.rev) => (412, None),
            Some(agent) if agent.is_archived => (409, None),
            Some(agent) => (200, Some(renamed(model, path, agent, name))),
        },
        Step::Archive { path } => switched(model, path, true),
        Step::Restore { path } => {
            let is_archived = model.agents.get(path).is_some_and(|agent| agent.is_archived);
            if is_archived && model.is_full() { (403, None) } else { switched(model, path, false) }
        }
        Step::Publish { .. } | Step::Rollback { .. } | Step::RestoreVersion { .. } => led::led(model, step),
        Step::Delete { path, rev } => match model.agents.get(path).cloned() {
            None => (404, None),
            Some(agent) if rev.is_some_and(|rev| rev != agent.rev) => (412, None),
            Some(agent) => {
                model.agents.remove(path);
                if let Some(key) = agent.key {
                    model.deleted.insert(key, (path.clone(), agent.rev + 1));
                }
                (204, None)
            }
        },
    }
}

/// The agent as it is created; where it stands is learned from the answer.
fn created(model: &Model, key: Option<&str>, name: &str) -> Known {
    let rev = key.and_then(|key| model.deleted.get(key)).map_or(1, |(_, rev)| rev + 1);
    Known {
        rev,
        name: name.to_owned(),
        key: key.map(str::to_owned),
        is_archived: false,
        versions: BTreeMap::new(),
        live: None,
    }
}

fn renamed(model: &mut Model, path: &str, agent: Known, name: &str) -> Known {
    let rev = if agent.name == name { agent.rev } else { agent.rev + 1 };
    let after = Known { rev, name: name.to_owned(), ..agent };
    model.agents.insert(path.to_owned(), after.clone());
    after
}

fn switched(model: &mut Model, path: &str, is_archived: bool) -> (u16, Option<Known>) {
    let Some(agent) = model.agents.get_mut(path) else {
        return (404, None);
    };
    if agent.is_archived != is_archived {
        agent.is_archived = is_archived;
        agent.rev += 1;
    }
    (200, Some(agent.clone()))
}

fn known(agent: &Value) -> Known {
    Known {
        rev: agent["rev"].as_u64().expect("a rev"),
        name: agent["name"].as_str().expect("a name").to_owned(),
        key: agent["key"].as_str().map(str::to_owned),
        is_archived: agent["status"] == "archived",
        versions: BTreeMap::new(),
        live: agent["aliases"]["live"]["routes"][0]["version"].as_u64(),
    }
}

/// The same, with the versions that are listed.
async fn whole(app: &App, path: &str) -> Known {
    let agent = app.client().get(path).send().await.expect(200).json();
    let listed = app.client().get(&format!("{path}/versions?limit=100")).send().await.expect(200).json();
    let mut versions = BTreeMap::new();
    for row in listed["items"].as_array().expect("rows") {
        let number = row["version"].as_u64().expect("a number");
        let version = app.client().get(&format!("{path}/versions/{number}")).send().await.expect(200);
        versions.insert(number, version.text("/name"));
    }
    Known { versions, ..known(&agent) }
}

async fn run(seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let app = App::start().await;
    app.set_tier("acme", "free", BTreeMap::from([(LimitName::VersionsKept, Some(VERSIONS_MAX as u64))]))
        .await;
    let mut model = Model::default();
    for number in 0..STEPS {
        let step = a_step(&mut rng, &model);
        let (status, agent) = expect(&mut model, &step);
        let answer = send(&app, &step).await;
        let at = format!("seed {seed}, step {number}: {step:?}");
        assert_eq!(answer.status.as_u16(), status, "{at}: {answer}");
        if let Some(agent) = agent {
            // A publication answers its version; everything else answers the agent.
            if !matches!(step, Step::Publish { .. }) {
                assert_eq!(
                    Known { versions: agent.versions.clone(), ..known(&answer.json()) },
                    agent,
                    "{at}"
                );
            }
            if let Step::Publish { path, .. }
            | Step::Rollback { path, .. }
            | Step::RestoreVersion { path, .. } = &step
            {
                assert_eq!(whole(&app, path).await, agent, "{at}");
            } else if status == 201 {
                let path = answer.header("location").expect("a location").to_owned();
                if let Some((deleted_at, _)) = agent.key.as_ref().and_then(|key| model.deleted.remove(key)) {
                    assert_eq!(path, deleted_at, "{at}: a revived agent has its id");
                }
                model.agents.insert(path, agent);
            }
        }
    }
    compare(&app, &model, seed).await;
}

async fn compare(app: &App, model: &Model, seed: u64) {
    let listed = app.client().get("/v1/agents?limit=100").send().await.expect(200).json();
    let mut paths = Vec::new();
    for row in listed["items"].as_array().expect("rows") {
        let path = format!("/v1/agents/{}", row["id"].as_str().expect("an id"));
        assert_eq!(Some(&whole(app, &path).await), model.agents.get(&path), "seed {seed}");
        let live = model.agents[&path].live.filter(|_| !model.agents[&path].is_archived);
        let resolved = app.client().get(&format!("{path}/resolved")).send().await;
        assert_eq!(
            (resolved.status == 200).then(|| resolved.json()["version"].as_u64()),
            live.map(Some),
            "seed {seed}"
        );
        paths.push(path);
    }
    paths.sort();
    assert_eq!(paths, model.agents.keys().cloned().collect::<Vec<_>>(), "seed {seed}");
    found(app, model, seed).await;
    let usage = app.client().get("/v1/usage").send().await.expect(200).json();
    assert_eq!(usage["agents"]["used"], json!(model.used()), "seed {seed}");
}

/// What is found by each name, once the index has caught up.
async fn found(app: &App, model: &Model, seed: u64) {
    app.settle().await;
    for name in ["n0", "n1", "n2", "n3", "copy"] {
        let search = json!({"filter": {"text": name}, "limit": 100});
        let page = app.client().post("/v1/agents/search", &search).send().await.expect(200).json();
        let rows = page["items"].as_array().expect("rows").iter();
        let mut found: Vec<String> =
            rows.map(|row| format!("/v1/agents/{}", row["id"].as_str().expect("an id"))).collect();
        found.sort();
        let expected = model
            .agents
            .iter()
            .filter(|(_, agent)| agent.name.to_lowercase().split(' ').any(|word| word == name));
        assert_eq!(found, expected.map(|(path, _)| path.clone()).collect::<Vec<_>>(), "seed {seed}: {name}");
    }
}

#[tokio::test]
async fn the_service_does_what_the_model_does() {
    if let Ok(seed) = std::env::var("MODEL_SEED") {
        return run(seed.parse().expect("a seed is a number")).await;
    }
    for seed in 0..SEEDS {
        run(seed).await;
    }
}
