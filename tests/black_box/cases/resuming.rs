//! Clients that were away: who resumes with a cursor gets what was missed, and then what happens.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use harness::an_agent;
use serde_json::{Value, json};

use super::{Case, case};
use crate::client::{Client, id_of, path_of};
use crate::context::Context;
use crate::socket::Socket;

/// Below what the lowest tier warns of.
const AGENTS: usize = 3;
/// How often each agent is changed, and how often the client comes back meanwhile, at the least.
const TURNS_MIN: u64 = 7;
const RETURNS_MIN: u64 = 6;
/// After so many turns something is wrong with the client.
const TURNS_MAX: u64 = 200;

pub fn cases() -> Vec<Case> {
    vec![
        case!(who_resumes_gets_what_was_missed_in_order_and_then_what_happens),
        case!(who_resumes_with_a_filter_gets_what_it_names),
        case!(who_missed_nothing_is_told_so),
        case!(who_reconnects_while_much_changes_loses_nothing),
    ]
}

async fn rename(client: &Client, path: &str, name: &str) {
    client.merge(path, &json!({"name": name})).send().await.expect(200);
}

/// The ids of the events up to the bookmark, each once.
async fn caught_up(socket: &mut Socket) -> Vec<Value> {
    let mut events = Vec::new();
    loop {
        let frame = socket.hear().await;
        match frame["type"].as_str() {
            Some("event") => events.push(frame["event"].clone()),
            Some("bookmark") => {
                assert_eq!(frame["skipped"], 0, "{frame}");
                return events;
            }
            _ => panic!("neither an event nor a bookmark: {frame}"),
        }
    }
}

async fn who_resumes_gets_what_was_missed_in_order_and_then_what_happens(context: &Context) {
    let client = context.client().await;
    let mut socket = client.socket().await;
    socket.subscribe("s", &json!({}), None).await;
    let path = client.create_at(&an_agent().build()).await;
    let frame = socket.hear().await;
    let cursor = frame["cursor"].as_str().expect("a cursor").to_owned();
    socket.close().await;
    for name in ["A", "B", "C"] {
        rename(&client, &path, name).await;
    }
    client.events(4).await;
    let mut socket = client.socket_when_free().await;
    assert_eq!(socket.subscribe("s", &json!({}), Some(&cursor)).await, cursor);
    // A cursor may lag, and what was heard before then comes again.
    let missed: Vec<_> = caught_up(&mut socket).await;
    let missed: Vec<_> = missed.iter().filter(|event| event["id"] != frame["event"]["id"]).collect();
    let revs: Vec<_> = missed.iter().map(|event| event["data"]["rev"].clone()).collect();
    assert_eq!(revs, [2, 3, 4]);
    assert!(missed.iter().all(|event| event["data_omitted"] == true), "what comes from the log is thin");
    rename(&client, &path, "D").await;
    assert_eq!(socket.hear_event("s").await["data"]["name"], "D");
    socket.expect_silence().await;
}

async fn who_resumes_with_a_filter_gets_what_it_names(context: &Context) {
    let client = context.client().await;
    let start = client.get("/v1/events").send().await.expect(200).text("/cursor");
    let red = client.create(&an_agent().with("tags", json!(["red"])).build()).await;
    let blue = client.create(&an_agent().build()).await;
    rename(&client, &path_of(&blue), "Blue").await;
    client.events(3).await;
    let mut socket = client.socket().await;
    for (filter, expected) in [
        (json!({"tags": ["red"]}), vec![(&red, 1)]),
        (json!({"agent_ids": [blue["id"]]}), vec![(&blue, 1), (&blue, 2)]),
        (json!({"types": ["agent.updated"]}), vec![(&blue, 2)]),
        (json!({"types": ["agent.deleted"]}), vec![]),
    ] {
        let id = filter.as_object().and_then(|lists| lists.keys().next()).expect("a list").clone();
        let id = format!("{id} {}", expected.len());
        socket.subscribe(&id, &filter, Some(&start)).await;
        let events = caught_up(&mut socket).await;
        let heard: Vec<_> = events.iter().map(|event| event["data"].clone()).collect();
        let expected: Vec<_> =
            expected.iter().map(|(agent, rev)| json!({"id": agent["id"], "rev": rev})).collect();
        assert_eq!(heard, expected, "{filter}");
    }
}

async fn who_missed_nothing_is_told_so(context: &Context) {
    let client = context.client().await;
    client.create(&an_agent().build()).await;
    let cursor = client.events(1).await[0]["cursor"].as_str().expect("a cursor").to_owned();
    let mut socket = client.socket().await;
    socket.subscribe("s", &json!({}), Some(&cursor)).await;
    assert_eq!(caught_up(&mut socket).await, [] as [Value; 0]);
    socket.expect_silence().await;
}

/// A client that keeps a cursor and what it has seen.
#[derive(Default)]
struct Follower {
    cursor: Option<String>,
    /// The number, the agent and the rev of each event, by its id.
    seen: BTreeMap<String, (u64, String, u64)>,
}

impl Follower {
    /// Opens a socket and goes on from the cursor.
    async fn resume(&mut self, client: &Client) -> Socket {
        let mut socket = client.socket_when_free().await;
        self.cursor = Some(socket.subscribe("s", &json!({}), self.cursor.as_deref()).await);
        socket
    }

    /// Takes in a frame. False: the subscription has ended.
    fn hear(&mut self, frame: &Value) -> bool {
        let kind = frame["type"].as_str().unwrap_or_default();
        assert!(["event", "bookmark", "gap"].contains(&kind), "{frame}");
        assert!(kind != "bookmark" || frame["skipped"] == 0, "{frame}");
        self.cursor = Some(frame["cursor"].as_str().expect("a cursor").to_owned());
        if kind == "event" {
            let (event, data) = (&frame["event"], &frame["event"]["data"]);
            let number = |value: &Value| value.as_u64().expect("a number");
            let text = |value: &Value| value.as_str().expect("a text").to_owned();
            let said = (number(&event["seq"]), text(&data["id"]), number(&data["rev"]));
            if let Some(earlier) = self.seen.insert(text(&event["id"]), said.clone()) {
                assert_eq!(earlier, said, "one event is one event");
            }
        }
        kind != "gap"
    }
}

/// Changes agents for as long as it takes the client to come back often enough. The last rev of each.
async fn change_much(client: Client, returns: Arc<AtomicU64>) -> BTreeMap<String, u64> {
    let mut agents = BTreeMap::new();
    for agent in 0..AGENTS {
        let created = client.create(&an_agent().named(&format!("Agent {agent}")).build()).await;
        agents.insert(id_of(&created).to_owned(), 1);
    }
    for turn in 1.. {
        for (id, rev) in &mut agents {
            rename(&client, &format!("/v1/agents/{id}"), &format!("Turn {turn}")).await;
            *rev += 1;
        }
        if turn >= TURNS_MIN && returns.load(Ordering::Relaxed) >= RETURNS_MIN {
            break;
        }
        assert!(turn < TURNS_MAX, "the client does not come back");
    }
    agents
}

async fn who_reconnects_while_much_changes_loses_nothing(context: &Context) {
    let client = context.client().await;
    let mut follower = Follower::default();
    follower.resume(&client).await.close().await;
    let returns = Arc::new(AtomicU64::new(0));
    let changing = tokio::spawn(change_much(client.clone(), Arc::clone(&returns)));
    let mut rng = fastrand::Rng::with_seed(7);
    while !changing.is_finished() {
        let mut socket = follower.resume(&client).await;
        returns.fetch_add(1, Ordering::Relaxed);
        for _ in 0..rng.usize(1..8) {
            match socket.hear_within(Duration::from_millis(500)).await {
                Some(frame) if follower.hear(&frame) => {}
                Some(_) | None => break,
            }
        }
        socket.close().await;
    }
    let agents = changing.await.expect("the changes are made");
    let total: u64 = agents.values().sum();
    while (follower.seen.len() as u64) < total {
        let mut socket = follower.resume(&client).await;
        while (follower.seen.len() as u64) < total && follower.hear(&socket.hear().await) {}
        socket.close().await;
    }
    let mut by_number: Vec<_> = follower.seen.into_values().collect();
    by_number.sort();
    let numbers: Vec<_> = by_number.iter().map(|(number, _, _)| *number).collect();
    assert_eq!(numbers, (1..=total).collect::<Vec<_>>(), "every event, without a hole");
    let mut revs: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (_, agent, rev) in by_number {
        revs.entry(agent).or_default().push(rev);
    }
    let expected = agents.into_iter().map(|(agent, last)| (agent, (1..=last).collect()));
    assert_eq!(revs, expected.collect(), "each agent's in order");
}
