//! A client that comes and goes while events are delivered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use agent_management::connection::{Connection, store as connections};
use agent_management::event::{self, Numbered};
use agent_management::http::caller::Caller;
use agent_management::id::TenantId;
use agent_management::tier::Tiers;
use harness::{Recorder, Stop};
use local::sockets::{Out, sockets};
use local::table;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use websocket::WebSocket;

use super::World;

/// A client that subscribes again and again with the last cursor that it has, as one that reconnects.
pub struct Client {
    websocket: WebSocket,
    recorder: Recorder,
    rng: fastrand::Rng,
    connection: String,
    caller: Caller,
    receiver: mpsc::Receiver<Out>,
    tenant: TenantId,
    cursor: Option<String>,
    /// After each frame: what the client had, and the number that its cursor stands for.
    had: Vec<(BTreeSet<u64>, u64)>,
    revs: BTreeMap<String, Vec<u64>>,
}

impl Client {
    pub async fn open(world: &World, seed: u64) -> Self {
        let recorder = Recorder::new(world.engine.clone());
        recorder.interleave(seed);
        let sockets = sockets(recorder.before(world.hub.clone()));
        let tiers = Arc::new(Tiers::embedded().expect("good tiers"));
        let entitlements = tiers.default_entitlements();
        let store = table::store(recorder.http_client());
        let (now, connection) = (world.clock.now(), "client".to_owned());
        let expires_at = now + Duration::from_hours(100);
        let row = Connection::open(connection.parse().expect("an id"), expires_at, now);
        connections::insert(&world.store, &world.tenant, &row).await.expect("written");
        Self {
            recorder,
            rng: fastrand::Rng::with_seed(seed),
            websocket: WebSocket::new(store, sockets, tiers, world.clock.clone()),
            receiver: world.hub.open_holding(&connection, 10_000),
            connection,
            caller: Caller {
                tenant: world.tenant.clone(),
                user: "dev".parse().expect("a user"),
                scopes: "events:read".to_owned(),
                expires_at,
                entitlements,
            },
            tenant: world.tenant.clone(),
            cursor: Some(event::cursor(&world.tenant, 0)),
            had: Vec::new(),
            revs: BTreeMap::new(),
        }
    }

    pub async fn subscribe_again(&mut self) {
        let said = json!({"action": "subscribe", "id": "s", "after": self.cursor});
        let event = json!({
            "requestContext": {
                "routeKey": "$default",
                "connectionId": self.connection,
                "connectedAt": 0,
                "requestTimeEpoch": 0,
                "authorizer": self.caller.to_context(),
            },
            "body": said.to_string(),
            "isBase64Encoded": false,
        });
        let event = serde_json::from_value(event).expect("an event of API Gateway");
        // It may stall between any two calls, while others go on.
        let stop = Stop::new(self.rng.usize(0..12), self.rng.bool());
        self.recorder.stop_at(&stop);
        let mut handling = Box::pin(self.websocket.handle(event));
        let answer = tokio::select! {
            answer = &mut handling => answer,
            () = stop.reached() => {
                for _ in 0..self.rng.usize(0..400) {
                    tokio::task::yield_now().await;
                }
                stop.release();
                handling.await
            }
        };
        assert_eq!(answer["statusCode"], 200);
    }

    pub fn hear_all(&mut self) {
        while let Ok(Out::Text(text)) = self.receiver.try_recv() {
            let frame: Value = serde_json::from_str(&text).expect("JSON");
            let mut had = self.had.last().map(|(had, _)| had.clone()).unwrap_or_default();
            let event = &frame["event"];
            if frame["type"] == "event" && had.insert(event["seq"].as_u64().expect("a number")) {
                let agent = event["data"]["id"].as_str().expect("an agent").to_owned();
                self.revs.entry(agent).or_default().push(event["data"]["rev"].as_u64().expect("a rev"));
            }
            let cursor = frame["cursor"].as_str().unwrap_or_else(|| panic!("no cursor in {frame}"));
            self.had.push((had, event::read_cursor(&self.tenant, cursor).expect("a good cursor")));
            self.cursor = Some(cursor.to_owned());
        }
    }

    /// No cursor skips anything, nothing is missing in the end, and each agent's events came in order.
    pub fn check(&self, logged: &[Numbered]) {
        let everything: BTreeSet<u64> = logged.iter().map(|one| one.seq).collect();
        for (had, cursor) in &self.had {
            let skipped: Vec<_> = everything.difference(had).filter(|seq| *seq <= cursor).collect();
            assert!(skipped.is_empty(), "with {had:?} the cursor {cursor} skips {skipped:?}");
        }
        assert_eq!(self.had.last().map(|(had, _)| had), Some(&everything), "everything reached the client");
        for (agent, revs) in &self.revs {
            assert!(revs.is_sorted(), "{agent}: {revs:?}");
        }
    }
}
