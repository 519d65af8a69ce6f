//! Sockets that are gone, slow or flooding do not delay others, fail no record, and lose no event
//! without being told. The clock stands still and the sockets' other ends are in the test's hands.

use std::time::Duration;

use agent_management::connection::{Connection, Subscription, store};
use agent_management::event::Filter;
use harness::{App, Listening, TENANT, an_agent};
use local::sockets::Out;
use serde_json::{Value, json};
use tokio::sync::mpsc::Receiver;

/// Opens a socket that wants everything and of whose client `waiting_max` messages may wait.
async fn subscribe(app: &App, id: &str, waiting_max: usize) -> Receiver<Out> {
    let now = app.clock.now();
    let connection = Connection::open(id.parse().expect("an id"), now + Duration::from_hours(1), now);
    let subscription = Subscription::live("s", Filter::default());
    let tenant = TENANT.parse().expect("a tenant");
    store::insert(&app.host.store, &tenant, &connection.with(subscription)).await.expect("written");
    app.host.hub.open_holding(id, waiting_max)
}

fn heard(receiver: &mut Receiver<Out>) -> Vec<Value> {
    let mut frames = Vec::new();
    while let Ok(Out::Text(text)) = receiver.try_recv() {
        frames.push(serde_json::from_str(&text).expect("JSON"));
    }
    frames
}

fn kinds(frames: &[Value]) -> Vec<&str> {
    frames.iter().map(|frame| frame["type"].as_str().unwrap_or_default()).collect()
}

async fn create(app: &App, count: usize) {
    let tenant: agent_management::id::TenantId = TENANT.parse().expect("a tenant");
    app.set_tier(tenant.as_str(), "enterprise", [].into()).await;
    for index in 0..count {
        let document = an_agent().named(&format!("agent {index}")).build();
        app.client().post("/v1/agents", &document).send().await.expect(201);
    }
}

async fn connections(app: &App) -> Vec<Connection> {
    let tenant = TENANT.parse().expect("a tenant");
    store::list(&app.host.store, &tenant).await.expect("read")
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_is_gone_is_forgotten_and_the_record_is_done() {
    let app = App::start().await;
    let mut well = subscribe(&app, "well", 100).await;
    drop(subscribe(&app, "gone", 100).await);
    create(&app, 2).await;
    app.settle().await;
    assert_eq!(kinds(&heard(&mut well)), ["event", "event"]);
    let left: Vec<_> = connections(&app).await.into_iter().map(|one| one.id.to_string()).collect();
    assert_eq!(left, ["well"]);
    assert_eq!(app.host.fanout.failed().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_slow_socket_is_told_of_a_gap_from_which_it_misses_nothing() {
    let app = App::start().await;
    let mut well = subscribe(&app, "well", 100).await;
    let mut slow = subscribe(&app, "slow", 3).await;
    create(&app, 6).await;
    app.settle().await;
    assert_eq!(kinds(&heard(&mut well)).len(), 6, "the other has all of them");
    let frames = heard(&mut slow);
    assert_eq!(kinds(&frames), ["event", "event", "event"]);
    assert_eq!(app.host.fanout.failed().len(), 0);
    // It reads again: at the next event it is told, and gets nothing until it asks.
    create(&app, 1).await;
    app.settle().await;
    let frames = heard(&mut slow);
    assert_eq!(kinds(&frames), ["gap"]);
    assert_eq!(frames[0]["id"], "s");
    let cursor = frames[0]["cursor"].as_str().expect("a cursor");
    let page = app.client().get(&format!("/v1/events?after={cursor}")).send().await.expect(200).json();
    assert_eq!(page["items"][0]["seq"], 4, "what it missed begins there");
    create(&app, 1).await;
    app.settle().await;
    assert_eq!(heard(&mut slow), [] as [Value; 0], "told once, and not subscribed any more");
    assert_eq!(kinds(&heard(&mut well)).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_slow_socket_delays_a_batch_by_less_than_a_second_once() {
    let app = App::start().await;
    let _never_read = subscribe(&app, "slow", 1).await;
    create(&app, 20).await;
    let start = tokio::time::Instant::now();
    app.settle().await;
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    create(&app, 20).await;
    let start = tokio::time::Instant::now();
    app.settle().await;
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_is_over_the_cap_on_posts_becomes_a_bookmark() {
    let app = App::start().await;
    let mut sockets = Vec::new();
    for index in 0..100 {
        sockets.push(subscribe(&app, &format!("socket-{index}"), 1_000).await);
    }
    // 30 events for 100 sockets at one instant are 1,000 posts more than the 2,000 that are admitted.
    create(&app, 30).await;
    app.settle().await;
    for socket in &mut sockets {
        let frames = heard(socket);
        let kinds = kinds(&frames);
        assert_eq!(kinds.iter().filter(|kind| **kind == "event").count(), 20);
        assert_eq!(kinds[20..], ["bookmark"]);
        assert_eq!(frames[20]["skipped"], 10);
        let page = app.client().get("/v1/events?last=1").send().await.expect(200).json();
        assert_eq!(frames[20]["cursor"], page["items"][0]["cursor"]);
    }
    // A second later there is room again.
    app.advance(Duration::from_secs(1));
    create(&app, 1).await;
    app.settle().await;
    assert_eq!(kinds(&heard(&mut sockets[99])), ["event"]);
    // Another tenant had its own cap all the time.
    assert_eq!(app.host.fanout.failed().len(), 0);
}

#[tokio::test]
async fn a_client_that_floods_waits_for_itself_alone() {
    let service = Listening::start().await;
    let remote = service.client_on("acme", "pro").await;
    let mut flooding = remote.socket().await;
    let mut well = remote.socket().await;
    well.subscribe(None).await;
    let flood = tokio::spawn(async move {
        for _ in 0..300 {
            if !flooding.try_say(r#"{"action":"ping"}"#).await {
                break;
            }
        }
        flooding
    });
    for turn in 0..5 {
        let document = an_agent().named(&format!("turn {turn}")).build();
        assert_eq!(remote.post("/v1/agents", &document).await.0, 201);
        assert_eq!(well.hear().await["event"]["data"]["name"], format!("turn {turn}"));
    }
    let mut flooding = flood.await.expect("it floods");
    assert_eq!(flooding.hear().await["type"], "pong");
    well.say(&json!({"action": "ping"})).await;
    assert_eq!(well.hear().await["type"], "pong");
    service.stop().await;
}
