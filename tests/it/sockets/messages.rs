//! Each message of the service, provoked.

use harness::{Listening, Remote, Socket, an_agent};
use serde_json::{Value, json};

async fn create(remote: &Remote, name: &str) -> Value {
    let (status, agent) = remote.post("/v1/agents", &an_agent().named(name).build()).await;
    assert_eq!(status, 201, "{agent}");
    agent
}

async fn opened(service: &Listening) -> (Remote, Socket) {
    let remote = service.client_on("acme", "pro").await;
    let socket = remote.socket().await;
    (remote, socket)
}

#[tokio::test]
async fn a_change_arrives_as_an_event_with_the_agent_in_it() {
    let service = Listening::start().await;
    let (remote, mut socket) = opened(&service).await;
    let subscribed = socket.subscribe(None).await;
    assert_eq!(subscribed["id"], "s");
    let agent = create(&remote, "First").await;
    let frame = socket.hear().await;
    let id = agent["id"].as_str().expect("an id");
    assert_eq!((frame["type"].as_str(), frame["id"].as_str()), (Some("event"), Some("s")));
    assert_eq!(frame["event"]["id"], format!("evt_{id}_1"));
    assert_eq!(frame["event"]["type"], "agent.created");
    assert_eq!(frame["event"]["seq"], 2, "the first one entitled the tenant");
    assert_eq!(frame["event"]["tenant"], "acme");
    assert_eq!(frame["event"]["actor"], "dev");
    assert_eq!(frame["event"]["timestamp"], agent["created_at"]);
    assert_eq!(frame["event"]["data"], agent);
    let (_, page) = remote.get("/v1/events").await;
    assert_eq!(page["items"][1]["cursor"], frame["cursor"], "one cursor for the socket and the log");
    service.stop().await;
}

#[tokio::test]
async fn a_large_agent_arrives_without_its_data() {
    let service = Listening::start().await;
    let (remote, mut socket) = opened(&service).await;
    socket.subscribe(None).await;
    let document = an_agent().configured("instructions", json!("x".repeat(30_000))).build();
    assert_eq!(remote.post("/v1/agents", &document).await.0, 201);
    let event = socket.hear().await["event"].clone();
    assert_eq!(event["data_omitted"], true);
    assert_eq!(event["data"].as_object().map(serde_json::Map::len), Some(2), "id and rev: {event}");
    service.stop().await;
}

#[tokio::test]
async fn a_filter_lets_through_what_it_names_and_resuming_ends_with_a_bookmark() {
    let service = Listening::start().await;
    let (remote, mut socket) = opened(&service).await;
    let from = socket.subscribe(None).await["cursor"].clone();
    let (_, red) = remote.post("/v1/agents", &an_agent().with("tags", json!(["red"])).build()).await;
    let blue = create(&remote, "Blue").await;
    remote.idle().await;
    for (id, filter, expected) in
        [("tags", json!({"tags": ["red"]}), &red), ("agent", json!({"agent_ids": [blue["id"]]}), &blue)]
    {
        let mut other = remote.socket().await;
        other.say(&json!({"action": "subscribe", "id": id, "filter": filter, "after": from})).await;
        assert_eq!(other.hear().await, json!({"type": "subscribed", "id": id, "cursor": from}));
        let frame = other.hear().await;
        assert_eq!(frame["event"]["data"]["id"], expected["id"]);
        assert_eq!(frame["event"]["data_omitted"], true, "what comes from the log is thin");
        let bookmark = other.hear().await;
        assert_eq!((&bookmark["type"], &bookmark["skipped"]), (&json!("bookmark"), &json!(0)));
        let (_, page) = remote.get("/v1/events?last=1").await;
        assert_eq!(page["items"][0]["cursor"], bookmark["cursor"], "it has come to the log's end");
        // Live from there: the tag goes, and whoever follows it hears of that.
        let path = format!("/v1/agents/{}", expected["id"].as_str().expect("an id"));
        assert_eq!(remote.send("PATCH", &path, Some(&json!({"tags": ["other"]}))).await.0, 200);
        let frame = other.hear().await;
        assert_eq!(
            (&frame["event"]["type"], &frame["event"]["changed"]),
            (&json!("agent.updated"), &json!(["/tags"]))
        );
    }
    let mut typed = remote.socket().await;
    typed.say(&json!({"action": "subscribe", "id": "t", "filter": {"types": ["agent.deleted"]}})).await;
    typed.hear_type("subscribed").await;
    let path = format!("/v1/agents/{}", red["id"].as_str().expect("an id"));
    create(&remote, "Not deleted").await;
    assert_eq!(remote.send("DELETE", &path, None).await.0, 204);
    assert_eq!(typed.hear().await["event"]["type"], "agent.deleted");
    service.stop().await;
}

#[tokio::test]
async fn unsubscribing_ends_a_subscription_and_no_other() {
    let service = Listening::start().await;
    let (remote, mut socket) = opened(&service).await;
    for id in ["one", "two"] {
        socket.say(&json!({"action": "subscribe", "id": id})).await;
        socket.hear_type("subscribed").await;
    }
    socket.say(&json!({"action": "unsubscribe", "id": "one"})).await;
    assert_eq!(socket.hear().await, json!({"type": "unsubscribed", "id": "one"}));
    create(&remote, "Heard once").await;
    assert_eq!(socket.hear().await["id"], "two");
    socket.say(&json!({"action": "ping"})).await;
    assert_eq!(socket.hear().await["type"], "pong", "nothing came for the other");
    service.stop().await;
}

#[tokio::test]
async fn what_is_no_message_is_told_so_and_ends_nothing() {
    let service = Listening::start().await;
    let (remote, mut socket) = opened(&service).await;
    socket.subscribe(None).await;
    for (text, code) in [
        ("not JSON", "malformed_message"),
        ("", "malformed_message"),
        (r#"{"action":"dance"}"#, "unknown_action"),
        (r#"{"action":"subscribe","id":"a","filter":{"types":["agent.imagined"]}}"#, "invalid_message"),
        (r#"{"action":"subscribe","id":"a","after":"AAAA"}"#, "invalid_cursor"),
    ] {
        socket.say_text(text).await;
        let frame = socket.hear().await;
        assert_eq!((frame["type"].as_str(), frame["code"].as_str()), (Some("error"), Some(code)), "{frame}");
        assert_eq!(frame["id"].as_str(), text.contains(r#""id":"a""#).then_some("a"), "{frame}");
    }
    let theirs = service.client("other").await.socket().await.subscribe(None).await["cursor"].clone();
    socket.say(&json!({"action": "subscribe", "id": "x", "after": theirs})).await;
    assert_eq!(socket.hear().await["code"], "invalid_cursor", "another tenant's cursor");
    create(&remote, "Still heard").await;
    assert_eq!(socket.hear().await["type"], "event");
    service.stop().await;
}

#[tokio::test]
async fn a_cursor_past_the_tier_s_window_has_expired() {
    let service = Listening::start().await;
    let remote = service.client("acme").await;
    let mut socket = remote.socket().await;
    let from = socket.subscribe(None).await["cursor"].clone();
    create(&remote, "Old").await;
    remote.idle().await;
    remote.advance_s(25 * 3_600).await;
    let remote = service.client("acme").await;
    let mut socket = remote.socket().await;
    socket.say(&json!({"action": "subscribe", "id": "s", "after": from})).await;
    let frame = socket.hear().await;
    assert_eq!((&frame["code"], &frame["id"]), (&json!("cursor_expired"), &json!("s")));
    let path = format!("/v1/events?after={}", from.as_str().expect("a cursor"));
    let (status, problem) = remote.get(&path).await;
    assert_eq!((status, &problem["code"]), (410, &json!("cursor_expired")));
    service.stop().await;
}

#[tokio::test]
async fn a_connection_is_asked_to_reconnect_before_its_end_and_gets_nothing_after_its_token_s() {
    let service = Listening::start().await;
    let (remote, mut socket) = opened(&service).await;
    socket.subscribe(None).await;
    let said = json!({"tenant": "acme", "ttl_s": 4 * 3_600});
    let token = remote.post("/_local/token", &said).await.1["token"].as_str().expect("a token").to_owned();
    let long = Remote { token, ..remote.clone() };
    let mut lasting = long.socket().await;
    lasting.subscribe(None).await;
    for _ in 0..12 {
        long.advance_s(9 * 60 + 30).await;
        // A client says something within ten minutes, or API Gateway ends the connection.
        lasting.say(&json!({"action": "ping"})).await;
        let frame = lasting.hear().await;
        if frame["type"] == "reconnect" {
            assert_eq!(lasting.hear().await["type"], "pong", "it is not over yet");
            create(&long, "Changed late").await;
            assert_eq!(lasting.hear().await["type"], "reconnect");
            assert_eq!(lasting.hear().await["type"], "event");
            // The other one's token expired an hour ago, and it was idle, too.
            while let Some(frame) = socket.try_hear().await {
                assert_eq!(frame["type"], "reconnect");
            }
            service.stop().await;
            return;
        }
        assert_eq!(frame["type"], "pong");
    }
    panic!("no reconnect in two hours");
}

#[tokio::test]
async fn an_expired_token_s_socket_is_told_and_closed_at_the_next_event() {
    let service = Listening::start().await;
    let remote = service.client("acme").await;
    let said = json!({"tenant": "acme", "ttl_s": 60});
    let token = remote.post("/_local/token", &said).await.1["token"].as_str().expect("a token").to_owned();
    let brief = Remote { token, ..remote.clone() };
    let mut socket = brief.socket().await;
    socket.subscribe(None).await;
    brief.advance_s(120).await;
    create(&remote, "Unheard").await;
    assert_eq!(socket.hear().await, json!({"type": "reconnect"}));
    assert_eq!(socket.try_hear().await, None, "closed without the event");
    service.stop().await;
}

#[tokio::test]
async fn a_pong_s_cursor_is_safe_to_resume_from() {
    let service = Listening::start().await;
    let (remote, mut socket) = opened(&service).await;
    let start = socket.subscribe(None).await["cursor"].clone();
    create(&remote, "Just now").await;
    let event = socket.hear().await;
    socket.say(&json!({"action": "ping"})).await;
    assert_eq!(socket.hear().await["cursor"], start, "another may still be on its way");
    remote.advance_s(120).await;
    socket.say(&json!({"action": "ping"})).await;
    assert_eq!(socket.hear().await["cursor"], event["cursor"]);
    service.stop().await;
}

/// Puts the socket's subscription in this state, as a process that ended would have left it.
async fn leave(remote: &Remote, state: &Value) {
    let rows = json!({
        "TableName": "agent-management",
        "KeyConditionExpression": "PK = :sockets",
        "ExpressionAttributeValues": {":sockets": {"S": "T#acme#C"}},
    });
    let row = remote.table("Query", &rows).await["Items"][0].clone();
    let subscriptions = json!([{"id": "s", "s": state}]).to_string();
    let update = json!({
        "TableName": "agent-management",
        "Key": {"PK": row["PK"], "SK": row["SK"]},
        "UpdateExpression": "SET subs = :subs",
        "ExpressionAttributeValues": {":subs": {"S": subscriptions}},
    });
    remote.table("UpdateItem", &update).await;
}

#[tokio::test]
async fn what_was_lost_is_told_as_a_gap_at_the_next_event_or_ping_and_read_from_there() {
    let service = Listening::start().await;
    let (remote, mut socket) = opened(&service).await;
    let start = socket.subscribe(None).await["cursor"].clone();
    // Whoever read the log for it died on the way, before the first event.
    leave(&remote, &json!({"r": {"run": 1, "from": 1, "until": 2, "withheld": 0}})).await;
    create(&remote, "Not pushed").await;
    assert_eq!(socket.hear().await, json!({"type": "gap", "id": "s", "cursor": start}));
    assert_eq!(socket.subscribe(start.as_str()).await["cursor"], start);
    assert_eq!(socket.hear().await["event"]["seq"], 2);
    let bookmark = socket.hear().await;
    // A push did not arrive, and nothing happens after it but the client's ping.
    leave(&remote, &json!({"l": 2})).await;
    socket.say(&json!({"action": "ping"})).await;
    assert_eq!(socket.hear().await, json!({"type": "gap", "id": "s", "cursor": bookmark["cursor"]}));
    assert_eq!(socket.hear().await["type"], "pong");
    socket.say(&json!({"action": "ping"})).await;
    assert_eq!(socket.hear().await["type"], "pong", "told once");
    service.stop().await;
}
