use std::time::Duration;

use harness::{App, Fault};
use insta::assert_snapshot;

#[tokio::test]
async fn live_needs_no_token_and_no_table() {
    let app = App::start().await;
    app.recorder.take();
    assert_snapshot!(app.client_sending(None).get("/health/live").send().await);
    assert!(app.recorder.take().is_empty());
}

#[tokio::test]
async fn ready_asks_the_table_once_in_ten_seconds() {
    let app = App::start().await;
    let anyone = app.client_sending(None);
    assert_snapshot!(anyone.get("/health/ready").send().await);
    app.recorder.take();
    app.advance(Duration::from_secs(9));
    anyone.get("/health/ready").send().await.expect(200);
    assert_eq!(app.recorder.take().len(), 0);
    app.advance(Duration::from_secs(1));
    anyone.get("/health/ready").send().await.expect(200);
    assert_eq!(app.recorder.take().len(), 1);
}

#[tokio::test]
async fn not_ready_names_what_does_not_answer() {
    let app = App::start().await;
    app.recorder.break_next([Fault::Unreachable; 3]);
    assert_snapshot!(app.client_sending(None).get("/health/ready").send().await);
}
