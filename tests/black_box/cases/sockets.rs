//! What is said on a socket, by both sides.

use harness::an_agent;
use serde_json::{Value, json};

use super::{Case, case};
use crate::client::{id_of, path_of};
use crate::context::{Context, USER};

pub fn cases() -> Vec<Case> {
    vec![
        case!(a_change_arrives_as_an_event_with_the_agent_in_it),
        case!(a_large_agent_arrives_without_its_data),
        case!(a_filter_lets_through_what_it_names),
        case!(two_subscriptions_are_two_and_one_can_end),
        case!(what_is_no_message_is_told_so_and_ends_nothing),
        case!(a_cursor_that_is_none_is_told_so),
        case!(a_connection_has_ten_subscriptions),
        case!(another_tenant_s_events_never_arrive),
    ]
}

async fn a_change_arrives_as_an_event_with_the_agent_in_it(context: &Context) {
    let client = context.client().await;
    let mut socket = client.socket().await;
    socket.expect_silence().await;
    socket.subscribe("s", &json!({}), None).await;
    let agent = client.create(&an_agent().build()).await;
    let frame = socket.hear().await;
    assert_eq!((&frame["type"], &frame["id"]), (&json!("event"), &json!("s")), "{frame}");
    let event = &frame["event"];
    assert_eq!((&event["type"], &event["seq"]), (&json!("agent.created"), &json!(1)), "{frame}");
    assert_eq!((&event["tenant"], &event["actor"]), (&json!(client.tenant), &json!(USER)));
    assert_eq!(
        (&event["id"], &event["timestamp"]),
        (&json!(format!("evt_{}_1", id_of(&agent))), &agent["created_at"])
    );
    assert_eq!(event["data"], agent);
    // The cursor is the log's, and safe: what comes next comes after it.
    let cursor = frame["cursor"].as_str().expect("a cursor");
    client.merge(&path_of(&agent), &json!({"name": "Other"})).send().await.expect(200);
    let event = socket.hear_event("s").await;
    assert_eq!((&event["seq"], &event["changed"]), (&json!(2), &json!(["/name"])));
    client.events(2).await;
    let after = client.get(&format!("/v1/events?after={cursor}")).send().await.expect(200).items();
    assert!(after.iter().any(|logged| logged["id"] == event["id"]), "{after:?}");
}

async fn a_large_agent_arrives_without_its_data(context: &Context) {
    let client = context.client().await;
    let mut socket = client.socket().await;
    socket.subscribe("s", &json!({}), None).await;
    let metadata: Value = (0..50).map(|index| (format!("k{index}"), "v".repeat(500))).collect();
    let agent = client.create(&an_agent().with("metadata", metadata).build()).await;
    let event = socket.hear_event("s").await;
    assert_eq!(
        (&event["data"], &event["data_omitted"]),
        (&json!({"id": agent["id"], "rev": 1}), &json!(true))
    );
}

async fn a_filter_lets_through_what_it_names(context: &Context) {
    let client = context.client().await;
    let red = client.create(&an_agent().with("tags", json!(["red"])).build()).await;
    let blue = client.create(&an_agent().build()).await;
    // What is in the log already does not arrive as new.
    client.events(2).await;
    let mut socket = client.socket().await;
    socket.subscribe("type", &json!({"types": ["agent.deleted"]}), None).await;
    socket.subscribe("agent", &json!({"agent_ids": [blue["id"]]}), None).await;
    socket.subscribe("tag", &json!({"tags": ["red"]}), None).await;
    client.merge(&path_of(&blue), &json!({"name": "Blue"})).send().await.expect(200);
    assert_eq!(socket.hear_event("agent").await["data"]["id"], blue["id"]);
    client.merge(&path_of(&red), &json!({"tags": ["green"]})).send().await.expect(200);
    assert_eq!(socket.hear_event("tag").await["changed"], json!(["/tags"]), "the tag's end is heard of");
    client.merge(&path_of(&red), &json!({"name": "Green"})).send().await.expect(200);
    client.events(5).await;
    client.delete(&path_of(&red)).send().await.expect(204);
    let event = socket.hear_event("type").await;
    assert_eq!((&event["type"], &event["data"]["id"]), (&json!("agent.deleted"), &red["id"]));
    socket.expect_silence().await;
}

async fn two_subscriptions_are_two_and_one_can_end(context: &Context) {
    let client = context.client().await;
    let mut socket = client.socket().await;
    socket.subscribe("one", &json!({}), None).await;
    socket.subscribe("two", &json!({}), None).await;
    let agent = client.create(&an_agent().build()).await;
    let (first, second) = (socket.hear().await, socket.hear().await);
    assert_eq!(first["event"]["id"], second["event"]["id"]);
    let mut heard = [first["id"].as_str(), second["id"].as_str()];
    heard.sort_unstable();
    assert_eq!(heard, [Some("one"), Some("two")]);
    socket.say(&json!({"action": "unsubscribe", "id": "one"})).await;
    assert_eq!(socket.hear().await, json!({"type": "unsubscribed", "id": "one"}));
    socket.say(&json!({"action": "unsubscribe", "id": "never"})).await;
    assert_eq!(socket.hear().await, json!({"type": "unsubscribed", "id": "never"}));
    client.merge(&path_of(&agent), &json!({"name": "Other"})).send().await.expect(200);
    socket.hear_event("two").await;
    socket.expect_silence().await;
}

async fn what_is_no_message_is_told_so_and_ends_nothing(context: &Context) {
    let client = context.client().await;
    let mut socket = client.socket().await;
    socket.subscribe("s", &json!({}), None).await;
    for (text, code) in [
        ("not JSON", "malformed_message"),
        (r#"{"action":"ping","action":"ping"}"#, "malformed_message"),
        ("[]", "unknown_action"),
        (r#"{"action":"dance"}"#, "unknown_action"),
        (r#"{"action":"ping","robot":1}"#, "invalid_message"),
        (r#"{"action":"subscribe"}"#, "invalid_message"),
        (r#"{"action":"subscribe","id":"a","filter":{"types":["agent.imagined"]}}"#, "invalid_message"),
        (r#"{"action":"subscribe","id":"a","filter":{"agent_ids":["x"]}}"#, "invalid_message"),
    ] {
        let frame = socket.expect_error(text, code).await;
        let named = text.contains(r#""id":"a""#).then_some("a");
        assert_eq!(frame["id"].as_str(), named, "{frame}");
    }
    client.create(&an_agent().build()).await;
    socket.hear_event("s").await;
    socket.expect_silence().await;
}

async fn a_cursor_that_is_none_is_told_so(context: &Context) {
    let (client, other) = (context.client().await, context.client().await);
    let mut socket = client.socket().await;
    let theirs = other.socket().await.subscribe("s", &json!({}), None).await;
    for after in ["AAAA", "", theirs.as_str()] {
        let message = json!({"action": "subscribe", "id": "s", "after": after});
        let frame = socket.expect_error(&message.to_string(), "invalid_cursor").await;
        assert_eq!(frame["id"], "s");
    }
    client.create(&an_agent().build()).await;
    client.events(1).await;
    socket.expect_silence().await;
}

async fn a_connection_has_ten_subscriptions(context: &Context) {
    let client = context.client().await;
    let mut socket = client.socket().await;
    for index in 0..10 {
        socket.subscribe(&format!("s{index}"), &json!({"types": ["agent.deleted"]}), None).await;
    }
    let one_more = json!({"action": "subscribe", "id": "one more"});
    socket.expect_error(&one_more.to_string(), "too_many_subscriptions").await;
    socket.subscribe("s3", &json!({}), None).await;
    client.create(&an_agent().build()).await;
    socket.hear_event("s3").await;
    socket.expect_silence().await;
}

async fn another_tenant_s_events_never_arrive(context: &Context) {
    let (client, other) = (context.client().await, context.client().await);
    let theirs = other.create(&an_agent().build()).await;
    other.events(1).await;
    let mut socket = client.socket().await;
    let mut their_socket = other.socket().await;
    socket.subscribe("all", &json!({}), None).await;
    socket.subscribe("agent", &json!({"agent_ids": [theirs["id"]]}), None).await;
    socket.subscribe("type", &json!({"types": ["agent.updated"]}), None).await;
    their_socket.subscribe("s", &json!({}), None).await;
    other.merge(&path_of(&theirs), &json!({"name": "Theirs"})).send().await.expect(200);
    assert_eq!(their_socket.hear_event("s").await["data"]["name"], "Theirs");
    let ours = client.create(&an_agent().build()).await;
    assert_eq!(socket.hear_event("all").await["data"]["id"], ours["id"]);
    socket.expect_silence().await;
    their_socket.expect_silence().await;
}
