//! The log of events under everything that a stream and a process may do: records come twice to five
//! times, batches end anywhere, whoever handles them ends or stalls between any two calls, answers are
//! lost, two instances serve one tenant at once, and a client comes and goes meanwhile. Each seed is a history of its own; `FANOUT_SEED`
//! replays one, `FANOUT_SEEDS` sets how many there are.

mod client;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use agent_management::agent::store::{self as agents, Assumed, Operation};
use agent_management::agent::{Agent, Creation, NewAgent, Request};
use agent_management::clock::Clock;
use agent_management::connection::{Connection, Subscription, store as connections};
use agent_management::dynamo::Store;
use agent_management::event::{self, Filter, Numbered, store as log};
use agent_management::id::{AgentId, TenantId};
use agent_management::tier::Tiers;
use agent_management::usecase::Base;
use aws_lambda_events::event::dynamodb::Event as StreamEvent;
use aws_sdk_dynamodb::config::SharedHttpClient;
use harness::{Fault, Recorder, Stop, an_agent};
use jiff::Timestamp;
use local::queues::{JOBS, PARKED, Queues, WEBHOOKS};
use local::sockets::{Hub, Out, sockets};
use local::table::stream::{Record, records};
use local::table::{self, Engine};
use serde_json::{Value, json};
use stream_fanout::StreamFanout;
use tokio::sync::mpsc;

use client::Client;

/// Seeds of a run, over all shares, unless `FANOUT_SEEDS` says another number.
const SEEDS: u64 = 100;
const SHARES: u64 = 4;

/// A table with a history, and what serves it.
struct World {
    engine: Engine,
    clock: Clock,
    store: Store,
    hub: Hub,
    queues: Queues,
    tenant: TenantId,
    /// The revs of each agent, which are its events.
    expected: BTreeMap<String, u64>,
}

impl World {
    async fn new(rng: &mut fastrand::Rng) -> Self {
        let clock = Clock::manual("2026-01-01T00:00:00Z".parse::<Timestamp>().expect("a fixed text"));
        let engine = table::open_memory().expect("an empty database opens");
        let store = table::store(Recorder::new(engine.clone()).http_client());
        let mut world = Self {
            hub: Hub::new(clock.clone()),
            queues: Queues::open(None, clock.clone()).expect("in memory"),
            engine,
            clock,
            store,
            tenant: "acme".parse().expect("a tenant"),
            expected: BTreeMap::new(),
        };
        world.make_history(rng).await;
        world
    }

    /// Creations, changes and deletions of a few agents, over minutes.
    async fn make_history(&mut self, rng: &mut fastrand::Rng) {
        let tiers = Tiers::embedded().expect("good tiers");
        let entitlements = tiers.default_entitlements();
        let assumed = Assumed { entitlements: &entitlements, max: None };
        let user: agent_management::id::UserId = "dev".parse().expect("a user");
        let mut living: Vec<AgentId> = Vec::new();
        for turn in 0..rng.usize(4..=10) {
            self.clock.advance(Duration::from_millis(rng.u64(0..90_000)));
            let now = self.clock.now();
            if living.len() < 2 || rng.u8(..) < 60 {
                let new = NewAgent::read(an_agent().named(&format!("agent {turn}")).build()).expect("valid");
                let id = AgentId::generate(now);
                let request = Request { route: "POST /v1/agents", idempotency_key: None, said: "" };
                let creation = Creation::new(&user, &request, now);
                let created = Agent::create(id.clone(), new, user.clone(), now);
                agents::insert(&self.store, &self.tenant, &created, creation, None, assumed)
                    .await
                    .expect("written");
                self.expected.insert(id.to_string(), 1);
                living.push(id);
                continue;
            }
            let at = rng.usize(..living.len());
            let id = living[at].clone();
            let stored = agents::get(&self.store, &self.tenant, &id).await.expect("there");
            let operation = Operation::begin();
            if rng.u8(..) < 30 {
                living.remove(at);
                agents::delete(&self.store, &self.tenant, &stored, operation, &user, now)
                    .await
                    .expect("deleted");
            } else {
                let mut content = stored.agent.content.clone();
                content.name = format!("renamed in turn {turn}");
                let after = stored.agent.with_content(content, &user, now);
                agents::update(&self.store, &self.tenant, &stored, &after, operation, assumed)
                    .await
                    .expect("updated");
            }
            *self.expected.get_mut(id.as_str()).expect("known") += 1;
        }
    }

    /// A new instance of the function, with a recorder of its own before everything that it calls.
    fn instance(&self, seed: u64) -> (StreamFanout, Recorder) {
        let recorder = Recorder::new(self.engine.clone()).of("stream-fanout");
        recorder.interleave(seed);
        let store = table::store(recorder.http_client());
        let sockets = sockets(recorder.before(self.hub.clone()));
        let queue = |name| Queues::queue(name, SharedHttpClient::new(self.queues.clone()));
        let sending =
            stream_fanout::Queues { webhooks: queue(WEBHOOKS), jobs: queue(JOBS), parked: queue(PARKED) };
        let tiers = Arc::new(Tiers::embedded().expect("they are good"));
        let base = Base::new(store, tiers);
        let fanout = StreamFanout::new(base, sockets, sending, self.clock.clone());
        (fanout, recorder)
    }

    /// Opens a socket that wants every event.
    async fn subscribe(&self, id: &str) -> mpsc::Receiver<Out> {
        let id = id.parse().expect("a connection's id");
        let expires_at = self.clock.now() + Duration::from_hours(100);
        let connection = Connection::open(id, expires_at, self.clock.now());
        let subscription = Subscription::live("s", Filter::default());
        let connection = connection.with(subscription);
        connections::insert(&self.store, &self.tenant, &connection).await.expect("written");
        self.hub.open_holding(connection.id.as_str(), 10_000)
    }

    async fn logged(&self) -> Vec<Numbered> {
        let mut all = Vec::new();
        loop {
            let after = all.last().map_or(0, |last: &Numbered| last.seq);
            let read = log::read_after(&self.store, &self.tenant, after).await.expect("the log is read");
            all.extend(read.events);
            if read.is_at_end {
                return all;
            }
        }
    }
}

/// Delivers one shard, in order and as badly as a stream may.
async fn deliver(world: &World, shard: &[Record], mut rng: fastrand::Rng) {
    let (mut fanout, mut recorder) = world.instance(rng.u64(..));
    let mut stalled = Vec::new();
    let mut done = 0;
    while done < shard.len() {
        // What was handled may come again, and a batch may end anywhere.
        let from = done.saturating_sub(rng.usize(0..4));
        let to = (done + rng.usize(1..=4)).min(shard.len());
        let batch = event_of(&shard[from..to]);
        world.clock.advance(Duration::from_millis(rng.u64(0..2_000)));
        recorder.break_next((0..4).map(|_| match rng.u8(..) {
            0..20 => Fault::AnswerLost,
            20..35 => Fault::Unreachable,
            _ => Fault::None,
        }));
        let stop = Stop::new(rng.usize(0..8), rng.bool());
        let fate = rng.u8(..);
        if fate < 110 {
            recorder.stop_at(&stop);
        }
        let running = fanout.clone();
        let mut handling = Box::pin(async move { running.fan_out(batch).await });
        let answer = tokio::select! {
            answer = &mut handling => Some(answer),
            () = stop.reached() => None,
        };
        match answer {
            None => {
                // It ends there, or stalls and goes on when others have gone further. Either way the
                // batch comes to another instance.
                if fate < 50 {
                    stalled.push((stop, handling));
                }
                (fanout, recorder) = world.instance(rng.u64(..));
            }
            Some(answer) => match answer.batch_item_failures.first() {
                None => done = if rng.u8(..) < 60 { from } else { to }.max(done),
                Some(failure) => {
                    let name = failure.item_identifier.as_deref().expect("a record's number");
                    let at = shard.iter().position(|record| record.sequence_number() == name);
                    done = at.expect("a record of the batch").max(done);
                }
            },
        }
        if rng.u8(..) < 60
            && let Some((stop, handling)) = stalled.pop()
        {
            stop.release();
            handling.await;
        }
    }
    for (stop, handling) in stalled {
        stop.release();
        handling.await;
    }
}

fn event_of(records: &[Record]) -> StreamEvent {
    let records: Vec<&Value> = records.iter().map(|record| &record.json).collect();
    serde_json::from_value(json!({"Records": records})).expect("an event of the stream")
}

async fn run(seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let world = World::new(&mut rng).await;
    let mut receiver = world.subscribe("socket").await;
    let all = records(&world.engine, 0, 1_000).expect("the stream is read");
    let heads =
        all.into_iter().filter(|record| record.json["dynamodb"]["NewImage"]["entity"]["S"] == "agent");
    // An agent's records are in one shard; which one is as good as random.
    let (one, other): (Vec<_>, Vec<_>) = heads.partition(|record| {
        let key = record.json["dynamodb"]["Keys"]["PK"]["S"].as_str().unwrap_or_default();
        key.bytes().map(u64::from).sum::<u64>() % 2 == 0
    });
    let (first, second) = (rng.fork(), rng.fork());
    let mut client = Client::open(&world, rng.u64(..)).await;
    let is_delivering = Cell::new(true);
    let deliveries = async {
        tokio::join!(deliver(&world, &one, first), deliver(&world, &other, second));
        is_delivering.set(false);
    };
    let comings_and_goings = async {
        for _ in 0..rng.usize(1..=4) {
            if !is_delivering.get() {
                break;
            }
            client.subscribe_again().await;
            // Time stands still while anyone is busy, so this waits for the others' calls.
            tokio::time::sleep(Duration::from_millis(rng.u64(0..300))).await;
            client.hear_all();
        }
    };
    tokio::join!(deliveries, comings_and_goings);
    client.subscribe_again().await;
    client.hear_all();

    let logged = world.logged().await;
    let numbers: Vec<u64> = logged.iter().map(|one| one.seq).collect();
    assert_eq!(numbers, (1..=logged.len() as u64).collect::<Vec<_>>(), "the log is dense");
    let mut revs: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for one in &logged {
        revs.entry(one.event.entity.clone()).or_default().push(one.event.rev);
    }
    for (agent, last) in &world.expected {
        let expected: Vec<u64> = (1..=*last).collect();
        assert_eq!(revs.get(agent), Some(&expected), "each event of {agent} once, in order");
    }
    assert_eq!(revs.len(), world.expected.len());
    let heads: Vec<_> = world.expected.iter().map(|(id, rev)| (id.parse().expect("an id"), *rev)).collect();
    let missing = log::audit::missing(&world.store, &world.tenant, &heads).await.expect("read");
    assert_eq!(missing, [], "every head has its audit row");
    check_socket(&world, &logged, &mut receiver).await;
    client.check(&logged);
}

/// A client that went away after any frame and came back with its cursor has everything.
async fn check_socket(world: &World, logged: &[Numbered], receiver: &mut mpsc::Receiver<Out>) {
    let everything: BTreeSet<u64> = logged.iter().map(|one| one.seq).collect();
    let mut got: BTreeSet<u64> = BTreeSet::new();
    while let Ok(Out::Text(text)) = receiver.try_recv() {
        let frame: Value = serde_json::from_str(&text).expect("JSON");
        if frame["type"] == "event" {
            got.insert(frame["event"]["seq"].as_u64().expect("a number"));
        }
        let cursor = frame["cursor"].as_str().expect("a cursor");
        let resumed = event::read_cursor(&world.tenant, cursor).expect("a good cursor");
        let missed: Vec<_> = everything.difference(&got).filter(|seq| **seq <= resumed).collect();
        assert!(missed.is_empty(), "after {got:?} the cursor {resumed} skips {missed:?}");
        if frame["type"] == "gap" {
            // A post stalled until it was given up: the client reads on from the log.
            return;
        }
        assert_eq!(frame["type"], "event", "{frame}");
    }
    if got == everything {
        return;
    }
    // Or it will be told at the next push or ping from where to read.
    let connections = connections::list(&world.store, &world.tenant).await.expect("read");
    let number = connections
        .iter()
        .find(|one| one.id.as_str() == "socket")
        .and_then(|connection| connection.lost().map(|(_, number)| number).next())
        .expect("a gap, where events are missing");
    assert!(everything.difference(&got).all(|seq| *seq > number), "{got:?} of {everything:?}, gap {number}");
}

async fn share(number: u64) {
    let number_in = |variable| std::env::var(variable).ok().and_then(|number| number.parse::<u64>().ok());
    let all = number_in("FANOUT_SEEDS").unwrap_or(SEEDS);
    let seeds: Vec<u64> = match number_in("FANOUT_SEED") {
        Some(seed) if seed % SHARES == number => vec![seed],
        Some(_) => Vec::new(),
        None => (number..all).step_by(usize::try_from(SHARES).expect("small")).collect(),
    };
    for seed in seeds {
        let failed = tokio::task::LocalSet::new()
            .run_until(async move { tokio::task::spawn_local(run(seed)).await.is_err() })
            .await;
        assert!(!failed, "seed {seed} fails; FANOUT_SEED={seed} cargo test -p tests fanout replays it");
    }
}

#[tokio::test(start_paused = true)]
async fn the_log_is_dense_ordered_and_complete_whatever_happens_1() {
    share(0).await;
}

#[tokio::test(start_paused = true)]
async fn the_log_is_dense_ordered_and_complete_whatever_happens_2() {
    share(1).await;
}

#[tokio::test(start_paused = true)]
async fn the_log_is_dense_ordered_and_complete_whatever_happens_3() {
    share(2).await;
}

#[tokio::test(start_paused = true)]
async fn the_log_is_dense_ordered_and_complete_whatever_happens_4() {
    share(3).await;
}
