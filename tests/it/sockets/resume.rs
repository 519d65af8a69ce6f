//! Disconnecting at any moment, under load and with the process killed between an answer and its
//! event: whoever resumes with the last cursor gets every event, once when told apart by id.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use harness::{Listening, PATIENCE, Remote, Socket, an_agent, options};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// A client as the example client is: it keeps a cursor and what it has seen.
#[derive(Default)]
struct Follower {
    cursor: Option<String>,
    /// The number of each event, by its id.
    seen: BTreeMap<String, u64>,
    /// The revs of each agent in the order in which they came first.
    revs: BTreeMap<String, Vec<u64>>,
}

impl Follower {
    /// Opens a socket and goes on from the cursor.
    async fn resume(&mut self, remote: &Remote) -> Socket {
        let mut socket = remote.socket().await;
        let answer = socket.subscribe(self.cursor.as_deref()).await;
        self.cursor = answer["cursor"].as_str().map(str::to_owned);
        socket
    }

    /// Takes in a frame. False: the subscription has to be made again.
    fn hear(&mut self, frame: &Value) -> bool {
        let kind = frame["type"].as_str().unwrap_or_default();
        assert!(["event", "bookmark", "gap"].contains(&kind), "{frame}");
        assert!(kind != "bookmark" || frame["skipped"] == 0, "{frame}");
        self.cursor = frame["cursor"].as_str().map(str::to_owned);
        // The tenant's own first event may come or not: it is from before anyone subscribed.
        if kind == "event" && frame["event"]["type"] != "entitlements.changed" {
            let event = &frame["event"];
            let id = event["id"].as_str().expect("an id").to_owned();
            let seq = event["seq"].as_u64().expect("a number");
            if let Some(earlier) = self.seen.insert(id, seq) {
                assert_eq!(earlier, seq, "one event has one number");
            } else {
                let agent = event["data"]["id"].as_str().expect("an agent").to_owned();
                self.revs.entry(agent).or_default().push(event["data"]["rev"].as_u64().expect("a rev"));
            }
        }
        kind != "gap"
    }

    /// Follows until it has seen as many events.
    async fn follow_to(&mut self, remote: &Remote, count: usize) {
        while self.seen.len() < count {
            let mut socket = self.resume(remote).await;
            while self.seen.len() < count {
                match socket.try_hear().await {
                    Some(frame) if self.hear(&frame) => {}
                    Some(_) | None => break,
                }
            }
        }
    }

    fn check(&self, agents: &BTreeMap<String, u64>) {
        let numbers: std::collections::BTreeSet<u64> = self.seen.values().copied().collect();
        let total: u64 = agents.values().sum();
        // The first one entitled the tenant.
        assert_eq!(numbers, (2..=total + 1).collect(), "every event, without a hole");
        for (agent, last) in agents {
            assert_eq!(self.revs[agent], (1..=*last).collect::<Vec<_>>(), "in order");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_disconnects_at_random_under_load_misses_nothing() {
    let service = Listening::start().await;
    let remote = service.client_on("acme", "enterprise").await;
    let mut follower = Follower::default();
    drop(follower.resume(&remote).await);
    let is_loading = Arc::new(AtomicBool::new(true));
    let load = tokio::spawn({
        let (remote, is_loading) = (remote.clone(), Arc::clone(&is_loading));
        async move {
            let mut agents = BTreeMap::new();
            for turn in 0..40 {
                let (status, agent) = remote.post("/v1/agents", &an_agent().build()).await;
                assert_eq!(status, 201, "{agent}");
                let id = agent["id"].as_str().expect("an id").to_owned();
                let path = format!("/v1/agents/{id}");
                for change in 0..3 {
                    let patch = json!({"name": format!("{turn} {change}")});
                    assert_eq!(remote.send("PATCH", &path, Some(&patch)).await.0, 200);
                }
                agents.insert(id, 4);
            }
            is_loading.store(false, Ordering::Relaxed);
            agents
        }
    });
    let mut rng = fastrand::Rng::with_seed(7);
    while is_loading.load(Ordering::Relaxed) {
        let mut socket = follower.resume(&remote).await;
        for _ in 0..rng.usize(1..12) {
            let Ok(frame) = tokio::time::timeout(PATIENCE / 40, socket.try_hear()).await else {
                break;
            };
            match frame {
                Some(frame) if follower.hear(&frame) => {}
                Some(_) | None => break,
            }
        }
    }
    let agents = load.await.expect("the load");
    follower.follow_to(&remote, 160).await;
    follower.check(&agents);
    service.stop().await;
}

/// The process that the next test kills: this program again. Without the variable it does nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serve_until_killed() {
    let Ok(folder) = std::env::var("SERVE_UNTIL_KILLED") else {
        return;
    };
    let host = local::server::start(&options(Path::new(&folder), 0)).await.expect("it starts");
    println!("listening on {}", host.base_url);
    std::future::pending::<()>().await;
}

pub async fn served(folder: &Path) -> (Child, String) {
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "sockets::resume::serve_until_killed", "--nocapture"])
        .env("SERVE_UNTIL_KILLED", folder)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("output")).lines();
    loop {
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("in time");
        let line = line.expect("readable").expect("a line before the end");
        if let Some((_, base_url)) = line.split_once("listening on ") {
            return (child, base_url.to_owned());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_survives_a_kill_between_its_answer_and_its_push() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut follower = Follower::default();
    let mut agents = BTreeMap::new();
    for round in 0..4 {
        let (mut child, base_url) = served(folder.path()).await;
        let remote = Remote::of(&base_url, "acme").await;
        if round == 0 {
            let said = json!({"tier": "pro"});
            remote.send("PUT", "/_local/tenants/acme", Some(&said)).await;
            remote.get("/_local/idle").await;
            drop(follower.resume(&remote).await);
        }
        let expected: u64 = agents.values().sum();
        follower.follow_to(&remote, usize::try_from(expected).expect("few")).await;
        for _ in 0..3 {
            let (status, agent) = remote.post("/v1/agents", &an_agent().build()).await;
            assert_eq!(status, 201, "{agent}");
            agents.insert(agent["id"].as_str().expect("an id").to_owned(), 1);
        }
        // SIGKILL, right after the last 2xx.
        child.kill().await.expect("killed");
    }
    let (_child, base_url) = served(folder.path()).await;
    let remote = Remote::of(&base_url, "acme").await;
    follower.follow_to(&remote, agents.len()).await;
    follower.check(&agents);
    let (_, page) = remote.get("/v1/events?limit=100").await;
    assert_eq!(page["items"].as_array().map(Vec::len), Some(agents.len() + 1), "each is in the log once");
}
