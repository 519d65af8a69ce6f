//! Who may open a socket, how many, and for how long.

use agent_management::connection::store;
use futures_util::future::join_all;
use harness::{App, Listening, Remote, TENANT, an_agent};
use http::Request;
use local::issuer::TokenRequest;
use serde_json::json;

use super::resume::served;

#[tokio::test]
async fn a_ticket_is_good_once_and_for_a_minute() {
    let service = Listening::start().await;
    let remote = service.client("acme").await;
    let ticket = remote.ticket().await;
    let query = format!("?ticket={ticket}");
    let socket = remote.socket_at(&query, None).await;
    assert!(socket.is_ok());
    assert_eq!(remote.socket_at(&query, None).await.err(), Some(401), "used");
    let late = remote.ticket().await;
    remote.advance_s(60).await;
    assert_eq!(remote.socket_at(&format!("?ticket={late}"), None).await.err(), Some(401), "late");
    for bad in ["", "?ticket=", "?ticket=wst_acme.AAAA", "?ticket=x&ticket=y", "?token=x"] {
        assert_eq!(remote.socket_at(bad, None).await.err(), Some(401), "{bad}");
    }
    service.stop().await;
}

#[tokio::test]
async fn a_bearer_header_opens_a_socket_if_it_has_the_scope() {
    let service = Listening::start().await;
    let remote = service.client("acme").await;
    let bearer = format!("Bearer {}", remote.token);
    assert!(remote.socket_at("", Some(&bearer)).await.is_ok());
    assert_eq!(remote.socket_at("", Some("Bearer x")).await.err(), Some(401));
    let said = json!({"tenant": "acme", "scopes": ["agents:read"]});
    let token = remote.post("/_local/token", &said).await.1["token"].as_str().expect("a token").to_owned();
    let reader = Remote { token, ..remote.clone() };
    assert_eq!(reader.socket_at("", Some(&format!("Bearer {}", reader.token))).await.err(), Some(403));
    assert_eq!(reader.post("/v1/ws-tickets", &json!({})).await.0, 403);
    service.stop().await;
}

#[tokio::test]
async fn a_ticket_is_no_token_for_the_rest_of_the_service() {
    let service = Listening::start().await;
    let remote = service.client("acme").await;
    let ticket = remote.ticket().await;
    let thief = Remote { token: String::new(), ..remote.clone() };
    assert_eq!(thief.get(&format!("/v1/agents?ticket={ticket}")).await.0, 401);
    // A path of a REST route may end like the WebSocket route's name.
    let thief = Remote { token: "anything".to_owned(), ..remote.clone() };
    for path in ["/v1/agents/$connect", "/v1/agents/by-key/$connect"] {
        assert_eq!(thief.get(&format!("{path}?ticket={ticket}")).await.0, 401, "{path}");
    }
    assert!(remote.socket_at(&format!("?ticket={ticket}"), None).await.is_ok(), "it was not used up");
    let ticket = remote.ticket().await;
    let thief = Remote { token: ticket, ..remote.clone() };
    assert_eq!(thief.get("/v1/agents").await.0, 401);
    service.stop().await;
}

#[tokio::test]
async fn the_tier_bounds_the_sockets_that_are_open() {
    let service = Listening::start().await;
    let remote = service.client("acme").await;
    let first = remote.socket().await;
    let _second = remote.socket().await;
    let third = async || {
        let ticket = remote.ticket().await;
        remote.socket_at(&format!("?ticket={ticket}"), None).await
    };
    assert_eq!(third().await.err(), Some(403), "the free tier has two");
    assert!(service.client("other").await.socket().await.try_say("{}").await, "another tenant's are its own");
    drop(first);
    for _ in 0..200 {
        if third().await.is_ok() {
            service.stop().await;
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the place of a socket that was closed is not free again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_that_died_with_the_process_take_no_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut child, base_url) = served(folder.path()).await;
    let remote = Remote::of(&base_url, "acme").await;
    let _kept = [remote.socket().await, remote.socket().await];
    // No $disconnect for these: their rows stay.
    child.kill().await.expect("killed");
    let (_child, base_url) = served(folder.path()).await;
    let remote = Remote::of(&base_url, "acme").await;
    let ticket = remote.ticket().await;
    let early = remote.socket_at(&format!("?ticket={ticket}"), None).await;
    assert_eq!(early.err(), Some(403), "they may be about to be opened");
    remote.advance_s(35).await;
    let _new = [remote.socket().await, remote.socket().await];
}

#[tokio::test]
async fn many_handshakes_at_once_never_take_more_than_the_tier_admits() {
    let tenant = TENANT.parse().expect("a tenant");
    for seed in 0..20 {
        let app = App::start().await;
        app.recorder.interleave(seed);
        let token = app.host.issuer.token(&TokenRequest::for_tenant(TENANT), app.clock.now());
        let handshake = Request::get("/ws").header("authorization", format!("Bearer {token}")).body(());
        let handshake = handshake.expect("a request");
        // None of them is open to API Gateway before it is admitted.
        let outcomes = join_all((0..6).map(|_| app.host.gateway.connect(&handshake))).await;
        let mut admitted: Vec<_> = outcomes.into_iter().filter_map(Result::ok).map(|one| one.id).collect();
        admitted.sort();
        assert!(admitted.len() <= 2, "seed {seed}: {}", admitted.len());
        let rows = store::list(&app.host.store, &tenant).await.expect("read");
        let mut rows: Vec<_> = rows.iter().map(|row| row.id.to_string()).collect();
        rows.sort();
        assert_eq!(rows, admitted, "seed {seed}: each has its row, and nobody else");
    }
}

#[tokio::test]
async fn a_connection_has_ten_subscriptions() {
    let service = Listening::start().await;
    let mut socket = service.client("acme").await.socket().await;
    for index in 0..10 {
        socket.say(&json!({"action": "subscribe", "id": format!("{index}")})).await;
        socket.hear_type("subscribed").await;
    }
    socket.say(&json!({"action": "subscribe", "id": "one more"})).await;
    assert_eq!(socket.hear().await["code"], "too_many_subscriptions");
    socket.say(&json!({"action": "subscribe", "id": "3"})).await;
    assert_eq!(socket.hear().await["type"], "subscribed", "one that is there is replaced");
    service.stop().await;
}

#[tokio::test]
async fn a_connection_ends_after_ten_idle_minutes_and_a_large_message() {
    let service = Listening::start().await;
    let remote = service.client("acme").await;
    let mut idle = remote.socket().await;
    remote.advance_s(10 * 60).await;
    assert_eq!(idle.try_hear().await, None);
    let mut large = remote.socket().await;
    large.try_say(&"x".repeat(129 * 1024)).await;
    assert_eq!(large.try_hear().await, None);
    let mut fine = remote.socket().await;
    fine.say_text(&"x".repeat(31 * 1024)).await;
    assert_eq!(fine.hear().await["code"], "malformed_message");
    service.stop().await;
}

#[tokio::test]
async fn a_plain_request_is_told_to_upgrade() {
    let service = Listening::start().await;
    let remote = service.client("acme").await;
    assert_eq!(remote.get("/ws").await.0, 426);
    let (_, about) = remote.get("/_local").await;
    assert_eq!(about["ws_url"], format!("{}/ws", service.host.base_url.replacen("http", "ws", 1)));
    assert_eq!(remote.post("/v1/agents", &an_agent().build()).await.0, 201);
    service.stop().await;
}
