//! Races, provoked: calls under the SDK step aside for each other in an order that a seed decides,
//! transactions meet others, answers are lost. There is one winner, and the quota is exact. Time is
//! paused: what waits between attempts waits for nothing.

use agent_management::tier::LimitName;
use futures_util::future::join_all;
use harness::{Answer, App, an_agent};
use http::Method;
use serde_json::{Value, json};

const SEEDS: std::ops::Range<u64> = 0..6;

/// What the database does to the racers.
#[derive(Debug, Clone, Copy)]
enum Weather {
    Fair,
    Conflicts,
    LostAnswers,
    /// And the database does not know the transactions again.
    LostAnswersAndTokens,
}

const WEATHERS: [Weather; 4] =
    [Weather::Fair, Weather::Conflicts, Weather::LostAnswers, Weather::LostAnswersAndTokens];

/// A service whose authorizer has answered already, in this weather.
async fn start(seed: u64, weather: Weather) -> App {
    let app = App::start().await;
    app.client().get("/v1/agents").send().await.expect(200);
    brew(&app, seed, weather);
    app
}

fn brew(app: &App, seed: u64, weather: Weather) {
    app.recorder.interleave(seed);
    match weather {
        Weather::Fair => {}
        Weather::Conflicts => app.recorder.conflict_every_second(),
        Weather::LostAnswers => app.recorder.lose_every_answer_once(),
        Weather::LostAnswersAndTokens => {
            app.recorder.lose_every_answer_once();
            app.recorder.forget_tokens();
        }
    }
}

fn count(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status.as_u16() == status).count()
}

/// The tenant's count, and the heads that it should count.
async fn used_and_counted(app: &App) -> (u64, usize) {
    let used = app.client().get("/v1/usage").send().await.expect(200).json()["agents"]["used"].as_u64();
    let listed = app.client().get("/v1/agents?limit=100").send().await.expect(200).json();
    let rows = listed["items"].as_array().expect("rows");
    (used.expect("a number"), rows.iter().filter(|row| row["status"] != "archived").count())
}

#[tokio::test(start_paused = true)]
async fn of_16_templates_at_the_last_two_places_two_win() {
    for (seed, weather) in SEEDS.flat_map(|seed| WEATHERS.map(|weather| (seed, weather))) {
        let app = App::start().await;
        app.set_tier("acme", "pro", [(LimitName::PrivateTemplates, Some(2))].into()).await;
        app.client().get("/v1/agents").send().await.expect(200);
        brew(&app, seed, weather);
        let template = json!({"name": "T", "agent": an_agent().build()});
        let answers = join_all((0..16).map(|_| app.client().post("/v1/templates", &template).send())).await;
        assert_eq!((count(&answers, 201), count(&answers, 403)), (2, 14), "seed {seed} {weather:?}");
        let usage = app.client().get("/v1/usage").send().await.expect(200).json();
        assert_eq!(usage["private_templates"]["used"], 2, "seed {seed} {weather:?}");
        // One is deleted and changed at once, by several.
        let place = answers.iter().find_map(|answer| answer.header("location")).expect("one was made");
        let deletes = join_all((0..4).map(|_| app.client().delete(place).send())).await;
        assert_eq!(count(&deletes, 204), 1, "seed {seed} {weather:?}");
        let usage = app.client().get("/v1/usage").send().await.expect(200).json();
        assert_eq!(usage["private_templates"]["used"], 1, "seed {seed} {weather:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_64_creates_at_the_last_place_one_wins() {
    for (seed, weather) in SEEDS.flat_map(|seed| WEATHERS.map(|weather| (seed, weather))) {
        let app = start(seed, weather).await;
        for _ in 0..4 {
            app.client().post("/v1/agents", &an_agent().build()).send().await.expect(201);
        }
        let document = an_agent().build();
        let creates = (0..64).map(|_| app.client().post("/v1/agents", &document).send());
        let answers = join_all(creates).await;
        assert_eq!((count(&answers, 201), count(&answers, 403)), (1, 63), "seed {seed}, {weather:?}");
        assert_eq!(used_and_counted(&app).await, (5, 5), "seed {seed}, {weather:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_64_updates_of_one_rev_one_wins() {
    for (seed, weather) in SEEDS.flat_map(|seed| WEATHERS.map(|weather| (seed, weather))) {
        let app = start(seed, weather).await;
        let created = app.client().post("/v1/agents", &an_agent().build()).send().await.expect(201);
        let path = created.header("location").expect("a location");
        let updates = (0..64).map(|index| {
            let patch = app.client().request(Method::PATCH, path).json(&json!({"name": format!("{index}")}));
            patch.header("content-type", "application/merge-patch+json").header("if-match", "\"1\"").send()
        });
        let answers = join_all(updates).await;
        assert_eq!((count(&answers, 200), count(&answers, 412)), (1, 63), "seed {seed}, {weather:?}");
        let winner = answers.iter().find(|answer| answer.status == 200).expect("one won").json();
        assert_eq!(app.client().get(path).send().await.json(), winner, "seed {seed}, {weather:?}");
        assert_eq!(winner["rev"], 2);
    }
}

#[tokio::test(start_paused = true)]
async fn of_32_replays_of_one_key_one_creates_and_all_answer_it() {
    for (seed, weather) in SEEDS.flat_map(|seed| WEATHERS.map(|weather| (seed, weather))) {
        let app = start(seed, weather).await;
        let document = an_agent().build();
        let creates =
            (0..32).map(|_| app.client().post("/v1/agents", &document).header("idempotency-key", "k").send());
        let answers = join_all(creates).await;
        assert_eq!(count(&answers, 201), 32, "seed {seed}, {weather:?}");
        let first = answers[0].json();
        assert!(answers.iter().all(|answer| answer.json() == first), "seed {seed}, {weather:?}");
        let replays = answers.iter().filter(|answer| answer.header("idempotent-replayed").is_some()).count();
        // A creation whose answer was lost may be recognised as its own replay.
        assert!(replays >= 31, "seed {seed}, {weather:?}");
        assert_eq!(used_and_counted(&app).await, (1, 1), "seed {seed}, {weather:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_16_creates_under_one_key_one_wins_and_of_8_upserts_all_do() {
    for (seed, weather) in SEEDS.flat_map(|seed| WEATHERS.map(|weather| (seed, weather))) {
        let app = start(seed, weather).await;
        let document = an_agent().keyed("k").build();
        let creates = (0..16).map(|_| app.client().post("/v1/agents", &document).send());
        let answers = join_all(creates).await;
        assert_eq!((count(&answers, 201), count(&answers, 409)), (1, 15), "seed {seed}, {weather:?}");
        // As many as a head remembers: each must recognise its own write when its answer was lost.
        let upserts = (0..8).map(|index| {
            let document = an_agent().named(&format!("{index}")).build();
            app.client().request(Method::PUT, "/v1/agents/by-key/k").json(&document).send()
        });
        let answers = join_all(upserts.collect::<Vec<_>>()).await;
        assert_eq!(count(&answers, 200), 8, "seed {seed}, {weather:?}");
        let path = format!("/v1/agents/{}", answers[0].text("/id"));
        let rev = app.client().get(&path).send().await.json()["rev"].as_u64();
        assert_eq!(rev, Some(9), "seed {seed}, {weather:?}: each changed it once");
        assert_eq!(used_and_counted(&app).await, (1, 1), "seed {seed}, {weather:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn archive_restore_and_delete_in_a_race_keep_the_quota_exact() {
    for (seed, weather) in SEEDS.flat_map(|seed| WEATHERS.map(|weather| (seed, weather))) {
        let app = start(seed, weather).await;
        let mut paths = Vec::new();
        for _ in 0..4 {
            let created = app.client().post("/v1/agents", &an_agent().build()).send().await.expect(201);
            paths.push(created.header("location").expect("a location").to_owned());
        }
        let actions = (0..48).map(|index: usize| {
            let path = &paths[index % paths.len()];
            match index % 5 {
                0 | 3 => app.client().request(Method::POST, &format!("{path}/archive")).send(),
                1 | 4 => app.client().request(Method::POST, &format!("{path}/restore")).send(),
                _ if index > 40 => app.client().request(Method::DELETE, path).header("if-match", "*").send(),
                _ => app.client().post("/v1/agents", &an_agent().build()).send(),
            }
        });
        for answer in join_all(actions.collect::<Vec<_>>()).await {
            assert!(
                matches!(answer.status.as_u16(), 200 | 201 | 204 | 403 | 404),
                "seed {seed}, {weather:?}: {answer}"
            );
        }
        let (used, counted) = used_and_counted(&app).await;
        assert_eq!(used, counted as u64, "seed {seed}, {weather:?}");
        assert!(used <= 5, "seed {seed}, {weather:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_tier_that_changes_between_judgement_and_write_is_judged_again() {
    for seed in SEEDS {
        let app = start(seed, Weather::Fair).await;
        let document = an_agent().with_tools(6).build();
        app.set_tier("acme", "pro", [].into()).await;
        app.client().get("/v1/agents").send().await.expect(200);
        let tenant = "acme".parse().expect("a tenant");
        // The authorizer's cache still says pro.
        app.host.entitle(&tenant, "free", &[].into()).await.expect("written");
        let answers = join_all((0..8).map(|_| app.client().post("/v1/agents", &document).send())).await;
        assert_eq!(count(&answers, 403), 8, "seed {seed}");
        let codes: Vec<Value> =
            answers.iter().map(|answer| answer.json()["errors"][0]["code"].clone()).collect();
        assert!(codes.iter().all(|code| code == "tools_limit"), "seed {seed}: {codes:?}");
        assert_eq!(used_and_counted(&app).await, (0, 0));
    }
}
