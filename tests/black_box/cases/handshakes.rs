//! Who may open a socket, how many, and what ends one.

use serde_json::json;

use super::{Case, case};
use crate::context::Context;
use crate::target::Kind;

pub fn cases() -> Vec<Case> {
    vec![
        case!(a_ticket_opens_one_socket),
        case!(a_bearer_header_opens_a_socket),
        case!(nothing_else_opens_a_socket),
        case!(a_socket_needs_the_scope_to_read_events),
        case!(a_closed_socket_s_place_is_free_again),
        case!(a_message_over_the_gateway_s_limit_ends_the_connection)
            .not_on(Kind::StandIn, "it takes messages of any size"),
    ]
}

async fn a_ticket_opens_one_socket(context: &Context) {
    let client = context.client().await;
    let query = format!("?ticket={}", client.ticket().await);
    let mut socket = context.handshake(&query, None).await.expect("a socket");
    socket.expect_silence().await;
    context.assert_refused(context.handshake(&query, None).await, 401);
    socket.close().await;
    context.assert_refused(context.handshake(&query, None).await, 401);
}

async fn a_bearer_header_opens_a_socket(context: &Context) {
    let client = context.client().await;
    let mut socket = context.handshake("", client.authorization.as_deref()).await.expect("a socket");
    socket.expect_silence().await;
    socket.close().await;
}

async fn nothing_else_opens_a_socket(context: &Context) {
    let client = context.client().await;
    let ticket = client.ticket().await;
    let last = if ticket.ends_with('A') { "E" } else { "A" };
    let other = format!("?ticket={}{last}", &ticket[..ticket.len() - 1]);
    for query in ["", "?ticket=", "?ticket=nonsense", "?ticket=wst_acme.AAAA", "?token=x", other.as_str()] {
        context.assert_refused(context.handshake(query, None).await, 401);
    }
    for authorization in ["Bearer nonsense", "Bearer", &format!("Bearer {ticket}")] {
        context.assert_refused(context.handshake("", Some(authorization)).await, 401);
    }
    let header = client.authorization.expect("a token");
    let in_query = format!("?token={}", header.trim_start_matches("Bearer "));
    context.assert_refused(context.handshake(&in_query, None).await, 401);
    let socket = context.handshake(&format!("?ticket={ticket}"), None).await;
    assert!(socket.is_ok(), "guessing does not use it up");
}

async fn a_socket_needs_the_scope_to_read_events(context: &Context) {
    let scopes = json!(["agents:read", "agents:write"]);
    let client = context.client_with(&json!({"tenant": context.fresh_tenant(), "scopes": scopes})).await;
    context.assert_refused(context.handshake("", client.authorization.as_deref()).await, 403);
    let ticket = client.request("POST", "/v1/ws-tickets").send().await;
    ticket.problem(403, "insufficient_scope");
}

async fn a_closed_socket_s_place_is_free_again(context: &Context) {
    let client = context.client().await;
    let (first, mut second) = (client.socket().await, client.socket().await);
    context.assert_refused(client.try_socket().await, 403);
    let by_bearer = context.handshake("", client.authorization.as_deref()).await;
    context.assert_refused(by_bearer, 403);
    context.client().await.socket().await.close().await;
    first.close().await;
    client.socket_when_free().await.expect_silence().await;
    second.expect_silence().await;
}

async fn a_message_over_the_gateway_s_limit_ends_the_connection(context: &Context) {
    let client = context.client().await;
    let mut socket = client.socket().await;
    socket.try_say_text(&"x".repeat(129 * 1024)).await;
    socket.expect_end().await;
    let mut fine = client.socket().await;
    fine.expect_error(&"x".repeat(31 * 1024), "malformed_message").await;
}
