//! The index against a full read, after random histories whose batches come twice, in parts, late, to
//! instances that end or stall between any two of their calls. Run one seed alone with
//! `INDEX_SEED=n cargo test -p tests --test it indexing`.

use std::collections::{BTreeMap, BTreeSet};

use harness::{App, Recorder, Stop, an_agent};
use http::Method;
use local::table::stream::records;
use serde_json::{Value, json};

/// As many histories unless `INDEX_SEEDS` says otherwise.
const SEEDS: u64 = 20;
const CHANGES: usize = 30;
const TAGS: [&str; 4] = ["a", "b", "c", "d"];

/// One random change of some agent.
async fn change(app: &App, rng: &mut fastrand::Rng, paths: &mut Vec<String>) {
    let client = app.client();
    let tags: Vec<&str> = TAGS.into_iter().filter(|_| rng.bool()).collect();
    let name = format!("word{} other{}", rng.u8(0..4), rng.u8(0..4));
    let path = if paths.is_empty() { None } else { Some(paths[rng.usize(..paths.len())].clone()) };
    match (rng.u8(0..8), path) {
        (0..=1, _) | (_, None) => {
            let key = format!("k{}", rng.u8(0..6));
            let document = an_agent().named(&name).keyed(&key).with("tags", json!(tags)).build();
            let created = client.post("/v1/agents", &document).send().await;
            if created.status == 201 {
                paths.push(created.header("location").expect("a location").to_owned());
            }
        }
        (2..=4, Some(path)) => {
            client.patch(&path, &json!({"name": name, "tags": tags})).send().await;
        }
        (5, Some(path)) => {
            client.request(Method::POST, &format!("{path}/archive")).send().await;
        }
        (6, Some(path)) => {
            client.request(Method::POST, &format!("{path}/restore")).send().await;
        }
        (_, Some(path)) => {
            client.delete(&format!("{path}?force=true")).send().await;
        }
    }
    app.advance(std::time::Duration::from_millis(rng.u64(0..5)));
}

/// What every agent of the tenant is found by, read off the agents.
async fn full_read(app: &App) -> BTreeMap<String, Value> {
    let page = app.client().get("/v1/agents?limit=100").send().await.expect(200).json();
    assert!(page["next_cursor"].is_null());
    let rows = page["items"].as_array().expect("rows").iter();
    rows.map(|row| (row["id"].as_str().expect("an id").to_owned(), row.clone())).collect()
}

async fn ids(app: &App, filter: &Value, sort: &str) -> Vec<String> {
    let mut search = json!({"filter": filter, "sort": sort, "limit": 3});
    let mut ids = Vec::new();
    for _ in 0..1_000 {
        let page = app.client().post("/v1/agents/search", &search).send().await.expect(200).json();
        let rows = page["items"].as_array().expect("rows");
        ids.extend(rows.iter().map(|row| row["id"].as_str().expect("an id").to_owned()));
        if page["next_cursor"].is_null() {
            return ids;
        }
        search["cursor"] = page["next_cursor"].clone();
    }
    panic!("the search does not end: {search}");
}

/// Every search finds what a full read finds.
async fn assert_equal(app: &App, at: &str) {
    let agents = full_read(app).await;
    let expected = |admits: &dyn Fn(&Value) -> bool| -> BTreeSet<String> {
        agents.iter().filter(|(_, row)| admits(row)).map(|(id, _)| id.clone()).collect()
    };
    let has_tag = |row: &Value, tag: &str| row["tags"].as_array().expect("tags").iter().any(|one| one == tag);
    let has_word =
        |row: &Value, word: &str| row["name"].as_str().expect("a name").split(' ').any(|one| one == word);
    let mut cases: Vec<(Value, BTreeSet<String>)> = vec![
        (json!({}), expected(&|_| true)),
        (json!({"text": "word*"}), expected(&|_| true)),
        (json!({"status": "archived"}), expected(&|row| row["status"] == "archived")),
        (
            json!({"or": [{"tag": "a", "text": "word1"}, {"tag": "b", "status": "active"}]}),
            expected(&|row| {
                (has_tag(row, "a") && has_word(row, "word1"))
                    || (has_tag(row, "b") && row["status"] == "active")
            }),
        ),
    ];
    for tag in TAGS {
        cases.push((json!({"tag": tag}), expected(&|row| has_tag(row, tag))));
    }
    for word in ["word0", "word1", "word2", "word3"] {
        cases.push((json!({"text": word}), expected(&|row| has_word(row, word))));
    }
    for (filter, expected) in cases {
        for sort in ["-created_at", "updated_at", "name"] {
            let found = ids(app, &filter, sort).await;
            assert_eq!(found.len(), expected.len(), "{at}: {filter} by {sort}");
            assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected, "{at}: {filter} by {sort}");
        }
    }
}

fn scan(app: &App) -> Vec<Value> {
    let (_, answer) = app.host.engine.call("Scan", &json!({"TableName": "agent-management"}).to_string());
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    answer["Items"].as_array().expect("items").clone()
}

/// Rows that are no tombstones, as term and agent.
fn rows(app: &App) -> BTreeSet<(String, String)> {
    let all = scan(app).into_iter().filter(|item| item["entity"]["S"] == "row" && item.get("gone").is_none());
    let pair = |item: Value| {
        let (pk, sk) = (item["PK"]["S"].as_str().expect("a key"), item["SK"]["S"].as_str().expect("a key"));
        let term = pk.split_once("#X#").expect("a row").1;
        let term = match (term.strip_prefix("word#"), sk.split('#').count()) {
            (Some(_), 3) => format!("word#{}", sk.split('#').next().expect("a word")),
            _ => term.to_owned(),
        };
        (term, sk.rsplit('#').next().expect("an id").to_owned())
    };
    all.map(pair).collect()
}

fn rows_of_cards(app: &App) -> BTreeSet<(String, String)> {
    let cards =
        scan(app).into_iter().filter(|item| item["entity"]["S"] == "card" && item.get("gone").is_none());
    cards
        .flat_map(|card| {
            let id = card["PK"]["S"].as_str().expect("a key").rsplit('#').next().expect("an id").to_owned();
            let terms: Vec<String> =
                serde_json::from_str(card["terms"]["S"].as_str().expect("terms")).expect("JSON");
            terms.into_iter().map(move |term| (term, id.clone()))
        })
        .collect()
}

/// The heads' records, as the mapping's filter passes them.
fn stream(app: &App) -> Vec<Value> {
    let all = records(&app.host.engine, 0, 100_000).expect("a stream").into_iter().map(|record| record.json);
    all.filter(|record| record["dynamodb"]["NewImage"]["entity"]["S"] == "agent").collect()
}

/// Delivers the stream to an instance after another: each batch up to three times, the batches cut anywhere,
/// an instance ended at any call or held there while others go on.
async fn deliver(app: &App, rng: &mut fastrand::Rng, from: usize) {
    let records = stream(app);
    let mut next = from;
    let mut stalled: Vec<(Stop, tokio::task::JoinHandle<()>)> = Vec::new();
    while next < records.len() {
        let size = rng.usize(1..8).min(records.len() - next);
        let batch = json!({"Records": records[next..next + size]});
        let mut is_done = false;
        for _ in 0..rng.usize(1..4) {
            let recorder = Recorder::new(app.host.engine.clone());
            let is_stopped = rng.u8(0..3) == 0;
            let stop = Stop::new(rng.usize(0..10), rng.bool());
            if is_stopped {
                recorder.stop_at(&stop);
            }
            let store = local::table::store(recorder.of("search-indexer").http_client());
            let queue =
                local::queues::Queues::queue(local::queues::PARKED, recorder.before(app.host.queues.clone()));
            let indexer = search_indexer::SearchIndexer::new(store, queue, app.clock.clone());
            let event = batch.clone();
            let handling = tokio::spawn(async move {
                let answer = indexer.handle(event).await.expect("an answer");
                assert_eq!(answer, json!({"batchItemFailures": []}));
            });
            let mut handling = handling;
            tokio::select! {
                biased;
                () = stop.reached() => {
                    // Ended for good, or held up until others have gone on.
                    if rng.bool() { handling.abort() } else { stalled.push((stop, handling)) }
                }
                done = &mut handling => {
                    done.expect("it does not panic");
                    is_done = true;
                }
            }
        }
        if is_done {
            next += size;
        }
        if rng.u8(0..3) == 0
            && let Some((stop, handling)) = stalled.pop()
        {
            stop.release();
            handling.await.expect("it does not panic");
        }
    }
    for (stop, handling) in stalled {
        stop.release();
        handling.await.expect("it does not panic");
    }
}

async fn run(seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let app = App::start().await;
    app.set_tier("acme", "enterprise", [].into()).await;
    let mut paths = Vec::new();
    let mut delivered = 0;
    for round in 0..3 {
        for _ in 0..CHANGES / 3 {
            change(&app, &mut rng, &mut paths).await;
        }
        deliver(&app, &mut rng, delivered).await;
        // Some of it comes once more with what is next.
        delivered = stream(&app).len().saturating_sub(rng.usize(0..4));
        let at = format!("seed {seed}, round {round}");
        assert_eq!(rows(&app), rows_of_cards(&app), "{at}: a row that no card has, or none of one that has");
    }
    assert_equal(&app, &format!("seed {seed}")).await;
}

#[tokio::test]
async fn the_index_finds_what_a_full_read_finds_whatever_became_of_the_stream() {
    if let Ok(seed) = std::env::var("INDEX_SEED") {
        return run(seed.parse().expect("a seed is a number")).await;
    }
    let seeds = std::env::var("INDEX_SEEDS").map_or(SEEDS, |seeds| seeds.parse().expect("a number"));
    for seed in 0..seeds {
        run(seed).await;
    }
}
