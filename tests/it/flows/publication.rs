//! Publications and rollbacks that end at any of their steps, race each other, or lose their answers: `live`
//! leads to the old version or the new one, whole, and no version that is there ever changes.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use harness::{App, Stop, an_agent};
use serde_json::{Value, json};

use crate::routes::agents::publish::{create, publish};

/// More than any publication makes.
const CALLS_MAX: usize = 8;

/// An agent whose first version is live and whose draft says something else.
async fn changed() -> (App, String) {
    let app = App::start().await;
    app.set_tier("acme", "enterprise", [].into()).await;
    let client = app.client();
    let path = create(&client, &an_agent().configured("instructions", json!("one")).build()).await;
    publish(&client, &path).await;
    let config = json!({"instructions": "two", "tools": [{"tool_id": "two"}]});
    client.patch(&path, &json!({"config": config})).send().await.expect(200);
    app.settle().await;
    (app, path)
}

/// The snapshots in the table, committed or not.
fn snapshots(app: &App, path: &str) -> Vec<String> {
    app.sort_keys(&format!("T#acme#A#{}", &path["/v1/agents/".len()..]), "V#")
}

/// What `live` resolves to, which is one version's whole configuration.
async fn resolved(app: &App, path: &str) -> Value {
    let resolved = app.client().get(&format!("{path}/resolved")).send().await.expect(200).json();
    let number = resolved["version"].as_u64().expect("a number");
    let version = app.client().get(&format!("{path}/versions/{number}")).send().await.expect(200).json();
    assert_eq!(resolved["config"], version["config"], "never a mix");
    assert_eq!(resolved["config_hash"], version["config_hash"]);
    resolved
}

/// Sends the request and ends it at a point between two of its effects, for good. Whether there was one.
async fn ended_at(app: &App, stop: &Stop, path: &str, action: &str) -> bool {
    app.recorder.stop_at(stop);
    let request = app.client().post(&format!("{path}/{action}"), &json!({})).send();
    let is_ended = tokio::select! {
        biased;
        () = stop.reached() => true,
        answer = request => {
            assert!(answer.status.is_success(), "{answer}");
            false
        }
    };
    app.recorder.go_on();
    is_ended
}

#[tokio::test(start_paused = true)]
async fn ended_at_every_step_of_a_publication_live_is_the_old_version_or_the_new_one() {
    let mut ends = 0;
    let mut seen = BTreeSet::new();
    for (after_calls, takes_effect) in (0..CALLS_MAX).flat_map(|calls| [(calls, false), (calls, true)]) {
        let (app, path) = changed().await;
        let is_ended = ended_at(&app, &Stop::new(after_calls, takes_effect), &path, "publish").await;
        ends += usize::from(is_ended);
        let number = resolved(&app, &path).await["version"].as_u64().expect("a number");
        assert!(number == 1 || number == 3, "{number}");
        // The stream brings the live copy to where the head is.
        app.settle().await;
        let head = app.client().get(&path).send().await.expect(200).json();
        let after = resolved(&app, &path).await;
        assert_eq!(after["routes"], head["aliases"]["live"]["routes"]);
        seen.insert((number, after["version"].as_u64()));
        // Whoever repeats it finishes it, with one version and no other.
        app.client().post(&format!("{path}/publish"), &json!({})).send().await;
        let versions = app.client().get(&format!("{path}/versions")).send().await.expect(200).json();
        assert_eq!(versions["items"].as_array().map(Vec::len), Some(2));
        assert_eq!(resolved(&app, &path).await["config"]["instructions"], "two");
        assert_eq!(snapshots(&app, &path).len(), 2);
    }
    assert_eq!(ends, 8, "four calls, before and after each");
    assert_eq!(seen.len(), 3, "old and old, old and new, new and new: {seen:?}");
}

#[tokio::test(start_paused = true)]
async fn ended_at_every_step_of_a_rollback_live_is_the_old_version_or_the_new_one() {
    let mut ends = 0;
    for (after_calls, takes_effect) in (0..CALLS_MAX).flat_map(|calls| [(calls, false), (calls, true)]) {
        let (app, path) = changed().await;
        publish(&app.client(), &path).await;
        let is_ended = ended_at(&app, &Stop::new(after_calls, takes_effect), &path, "rollback").await;
        ends += usize::from(is_ended);
        let number = resolved(&app, &path).await["version"].as_u64().expect("a number");
        assert!(number == 1 || number == 3, "{number}");
        app.settle().await;
        let head = app.client().get(&path).send().await.expect(200).json();
        assert_eq!(resolved(&app, &path).await["routes"], head["aliases"]["live"]["routes"]);
        let again = app.client().post(&format!("{path}/rollback"), &json!({"version": 1})).send().await;
        again.expect(200);
        assert_eq!(resolved(&app, &path).await["config"]["instructions"], "one");
    }
    assert_eq!(ends, 8, "four calls, before and after each");
}

#[tokio::test(start_paused = true)]
async fn of_16_racing_publishers_one_makes_the_version_and_none_changes_it() {
    for seed in 0..12 {
        let (app, path) = changed().await;
        app.client().get("/v1/agents").send().await.expect(200);
        app.recorder.interleave(seed);
        if seed % 3 == 1 {
            app.recorder.lose_every_answer_once();
        }
        let publishers = (0..16).map(|index| {
            let said = json!({"title": format!("{index}")});
            let (app, path) = (&app, &path);
            async move { app.client().post(&format!("{path}/publish"), &said).send().await }
        });
        // In every second race someone changes the draft meanwhile.
        let meanwhile = async {
            if seed % 2 == 1 {
                app.client().patch(&path, &json!({"name": "Meanwhile"})).send().await.expect(200);
            }
        };
        let (answers, ()) = tokio::join!(join_all(publishers), meanwhile);
        let mut versions: BTreeMap<u64, Value> = BTreeMap::new();
        for answer in &answers {
            assert!(matches!(answer.status.as_u16(), 200 | 201), "seed {seed}: {answer}");
            let version = answer.json()["version"].clone();
            let number = version["version"].as_u64().expect("a number");
            // Everyone who answers a version answers the same one.
            assert_eq!(versions.entry(number).or_insert_with(|| version.clone()), &version, "seed {seed}");
        }
        let minted = answers.iter().filter(|answer| answer.status == 201).count();
        assert_eq!(minted, versions.len(), "seed {seed}: each was made by one");
        app.settle().await;
        for (number, version) in &versions {
            let stored = app.client().get(&format!("{path}/versions/{number}")).send().await.expect(200);
            assert_eq!(&stored.json(), version, "seed {seed}");
        }
        assert_eq!(snapshots(&app, &path).len(), versions.len() + 1, "seed {seed}: none is left over");
        let last = *versions.keys().last().expect("a version");
        assert_eq!(resolved(&app, &path).await["version"], last, "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_writer_brings_no_live_copy_back() {
    for takes_effect in [false, true] {
        let (app, path) = changed().await;
        // Head and version are written; the copy is not, or its answer is late.
        let stop = Stop::new(3, takes_effect);
        app.recorder.stop_at(&stop);
        let publish = format!("{path}/publish");
        let mut late = Box::pin(app.client().post(&publish, &json!({})).send());
        tokio::select! {
            () = stop.reached() => {}
            answer = &mut late => panic!("{answer}"),
        }
        app.client().delete(&path).send().await.expect(204);
        stop.release();
        late.await.expect(201);
        app.client().get(&format!("{path}/resolved")).send().await.expect(404);
        app.settle().await;
        app.client().get(&format!("{path}/resolved")).send().await.expect(404);
    }
}

#[tokio::test]
async fn a_snapshot_that_nobody_committed_is_no_version_and_is_removed() {
    let (app, path) = changed().await;
    // The publication ends between its snapshot and the head.
    assert!(ended_at(&app, &Stop::new(1, true), &path, "publish").await);
    assert_eq!(snapshots(&app, &path), ["V#000000000001", "V#000000000003"]);
    app.client().get(&format!("{path}/versions/3")).send().await.expect(404);
    app.client().patch(&path, &json!({"name": "Other"})).send().await.expect(200);
    assert_eq!(publish(&app.client(), &path).await, 4);
    app.client().get(&format!("{path}/versions/3")).send().await.expect(404);
    let listed = app.client().get(&format!("{path}/versions")).send().await.expect(200).json();
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(2));
    app.settle().await;
    assert_eq!(snapshots(&app, &path), ["V#000000000001", "V#000000000004"]);
}

/// A publication whose draft changes under it.
pub async fn overtaken(app: &App, path: &str, if_match: &str) -> harness::Answer {
    let stop = Stop::new(2, false);
    app.recorder.stop_at(&stop);
    let request = app.client().post(&format!("{path}/publish"), &json!({})).header("if-match", if_match);
    let mut late = Box::pin(request.send());
    tokio::select! {
        () = stop.reached() => {}
        answer = &mut late => panic!("{answer}"),
    }
    app.client().patch(path, &json!({"name": "Overtaken"})).send().await.expect(200);
    stop.release();
    late.await
}

#[tokio::test]
async fn a_snapshot_that_came_too_late_is_taken_back() {
    let (app, path) = changed().await;
    overtaken(&app, &path, "\"3\"").await.expect(412);
    assert_eq!(snapshots(&app, &path), ["V#000000000001"]);
    let (app, path) = changed().await;
    let published = overtaken(&app, &path, "*").await.expect(201);
    assert_eq!(published.text("/version/name"), "Overtaken");
    assert_eq!(snapshots(&app, &path), ["V#000000000001", "V#000000000004"]);
}

#[tokio::test]
async fn a_deleted_agent_leaves_no_snapshot_behind() {
    // A first publication that ends between its snapshot and the head, and one that the deletion overtakes.
    let app = App::start().await;
    let path = create(&app.client(), &an_agent().build()).await;
    assert!(ended_at(&app, &Stop::new(2, true), &path, "publish").await);
    assert_eq!(snapshots(&app, &path).len(), 1);
    app.client().delete(&path).send().await.expect(204);
    app.settle().await;
    assert_eq!(snapshots(&app, &path).len(), 0);

    let path = create(&app.client(), &an_agent().build()).await;
    let stop = Stop::new(2, false);
    app.recorder.stop_at(&stop);
    let publish = format!("{path}/publish");
    let mut late = Box::pin(app.client().post(&publish, &json!({})).send());
    tokio::select! {
        () = stop.reached() => {}
        answer = &mut late => panic!("{answer}"),
    }
    app.client().delete(&path).send().await.expect(204);
    app.settle().await;
    stop.release();
    late.await.expect(404);
    assert_eq!(snapshots(&app, &path).len(), 0);
}

#[tokio::test(start_paused = true)]
async fn of_two_publications_under_one_key_both_answer_one_version() {
    for seed in 0..20 {
        let (app, path) = changed().await;
        app.client().get("/v1/agents").send().await.expect(200);
        app.recorder.interleave(seed);
        let publish = |title: &'static str| {
            let request = app.client().post(&format!("{path}/publish"), &json!({"title": title}));
            request.header("idempotency-key", "k").send()
        };
        let answers = join_all(["same", "same", "other"].map(publish)).await;
        let titles: Vec<_> = answers
            .iter()
            .filter(|answer| answer.status == 201)
            .map(|answer| answer.text("/version/title"))
            .collect();
        let reused = answers.iter().filter(|answer| answer.status == 422).count();
        let stored = app.client().get(&format!("{path}/versions/3")).send().await.expect(200).text("/title");
        assert!(
            titles.iter().all(|title| *title == stored),
            "seed {seed}: {titles:?}, and {stored} is there"
        );
        assert_eq!(
            titles.len() + reused,
            3,
            "seed {seed}: {:?}",
            answers.iter().map(|one| one.status).collect::<Vec<_>>()
        );
        assert_eq!(reused, if stored == "same" { 1 } else { 2 }, "seed {seed}");
    }
}
