//! Records that can't be read are parked and hold up nothing.

use harness::{App, an_agent};
use local::queues::PARKED;

async fn create(app: &App) -> String {
    app.client().post("/v1/agents", &an_agent().build()).send().await.expect(201).text("/id")
}

async fn events(app: &App) -> usize {
    let page = app.client().get("/v1/events?limit=100").send().await.expect(200).json();
    page["items"].as_array().expect("items").len()
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_parked_and_what_comes_after_it_is_announced() {
    let app = App::start().await;
    let id = create(&app).await;
    app.spoil(&id);
    create(&app).await;
    app.settle().await;
    assert_eq!(events(&app).await, 2);
    assert_eq!(app.host.queues.visible(PARKED).expect("readable"), 2, "one of each reader");
    assert_eq!((app.host.fanout.failed().len(), app.host.indexer.failed().len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_comes_before_a_record_that_cannot_be_parked_is_announced_and_the_stream_waits_there() {
    let app = App::start().await;
    create(&app).await;
    let id = create(&app).await;
    app.spoil(&id);
    create(&app).await;
    app.host.queues.fail_next(20);
    assert_eq!(app.host.fanout.turn().await, Ok(local::mapping::Turn::Retry));
    assert_eq!(events(&app).await, 2, "both creations before it");
    app.settle().await;
    assert_eq!(events(&app).await, 3);
    assert_eq!(app.host.queues.visible(PARKED).expect("readable"), 2, "one of each reader");
}
