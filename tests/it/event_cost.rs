//! What an event costs after its change: calls and capacity units, exactly.

use std::time::Duration;

use agent_management::connection::{Connection, Subscription, store};
use agent_management::event::Filter;
use harness::{App, Recorded, TENANT, an_agent};

fn of<'calls>(calls: &'calls [Recorded], operation: &str) -> Vec<&'calls Recorded> {
    calls.iter().filter(|call| call.operation == operation).collect()
}

fn total(calls: &[Recorded]) -> (usize, f64, f64) {
    let reads = calls.iter().map(|call| call.read_units).sum();
    (calls.len(), reads, calls.iter().map(|call| call.write_units).sum())
}

async fn start() -> App {
    let app = App::start().await;
    app.set_tier(TENANT, "enterprise", [].into()).await;
    app
}

async fn create(app: &App, count: usize) {
    for _ in 0..count {
        app.client().post("/v1/agents", &an_agent().build()).send().await.expect(201);
    }
    app.recorder.take_of("stream-fanout");
}

#[tokio::test]
async fn an_event_alone_is_logged_for_1_write_and_audited_for_another() {
    let app = start().await;
    create(&app, 1).await;
    app.settle().await;
    let calls = app.recorder.take_of("stream-fanout");
    let names: Vec<_> = calls.iter().map(|call| call.operation.as_str()).collect();
    // The log's end, the segment, the sockets, the endpoints, the audit row.
    assert_eq!(names, ["Query", "PutItem", "Query", "Query", "PutItem"]);
    assert_eq!(total(&calls), (5, 2.5, 2.0));
    // The environment remembers the end of the log, and the endpoints for 30 seconds.
    create(&app, 1).await;
    app.settle().await;
    assert_eq!(total(&app.recorder.take_of("stream-fanout")), (3, 1.0, 2.0));
}

#[tokio::test]
async fn an_event_in_a_full_segment_is_logged_for_less_than_a_third_of_a_write() {
    let app = start().await;
    create(&app, 1).await;
    app.settle().await;
    create(&app, 64).await;
    app.settle().await;
    let calls = app.recorder.take_of("stream-fanout");
    let log = of(&calls, "PutItem");
    assert_eq!(log.len(), 1, "one segment");
    assert!(log[0].write_units <= 0.3 * 64.0, "{}", log[0].write_units);
    assert_eq!(of(&calls, "BatchWriteItem").len(), 3, "25 audit rows at a time");
    let rows: f64 = of(&calls, "BatchWriteItem").iter().map(|call| call.write_units).sum();
    assert_eq!(rows.to_string(), "64");
    assert_eq!(of(&calls, "Query").len(), 1, "the sockets");
    assert_eq!(calls.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_push_to_1_000_sockets_is_one_query_of_at_most_40_units_and_a_post_each() {
    let app = start().await;
    create(&app, 1).await;
    app.settle().await;
    let (now, tenant) = (app.clock.now(), TENANT.parse().expect("a tenant"));
    let mut ends = Vec::new();
    for index in 0..1_000 {
        // As long as API Gateway's.
        let id = format!("Zk3xQd_{index:08}=");
        let connection = Connection::open(id.parse().expect("an id"), now + Duration::from_hours(1), now);
        let subscription = Subscription::live("main", Filter::default());
        store::insert(&app.host.store, &tenant, &connection.with(subscription)).await.expect("written");
        ends.push(app.host.hub.open(&id));
    }
    create(&app, 1).await;
    app.settle().await;
    let calls = app.recorder.take_of("stream-fanout");
    let queries = of(&calls, "Query");
    assert_eq!(queries.len(), 1);
    assert!(queries[0].read_units <= 40.0, "{}", queries[0].read_units);
    assert_eq!(of(&calls, "POST @connections").len(), 1_000);
    assert_eq!(calls.len(), 1_003, "and the segment and the audit row");
    assert!(ends.iter_mut().all(|end| end.try_recv().is_ok()), "each got it");
}

#[tokio::test]
async fn reading_the_log_and_tickets_cost_what_they_say() {
    let app = start().await;
    create(&app, 1).await;
    app.settle().await;
    app.client().get("/v1/events").send().await.expect(200);
    app.recorder.take_of("webhooks");
    for (path, calls) in [("/v1/events?last=20", 1), ("/v1/events", 3)] {
        app.client().get(path).send().await.expect(200);
        assert_eq!(app.recorder.take_of("webhooks").len(), calls, "{path}");
    }
    app.client().request(http::Method::POST, "/v1/ws-tickets").send().await.expect(201);
    assert_eq!(total(&app.recorder.take_of("webhooks")), (1, 0.0, 1.0));
}
