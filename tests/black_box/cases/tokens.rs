//! Tokens that are not good, each in its own way.

use serde_json::json;

use super::{Case, case};
use crate::context::{Context, Refusal, eventually};
use crate::forgery;

/// Long enough to be used once, short enough to wait for.
const TTL_S: u32 = 6;

pub fn cases() -> Vec<Case> {
    vec![
        case!(a_forged_token_is_refused),
        case!(a_token_ends_also_where_it_was_good_a_moment_ago),
        case!(two_tokens_are_none),
        case!(what_is_no_bearer_token_is_refused),
        case!(a_ticket_is_no_token),
    ]
}

async fn a_forged_token_is_refused(context: &Context) {
    let (tenant, victim) = (context.fresh_tenant(), context.client().await);
    let token = context.token(&json!({"tenant": tenant})).await;
    // As a gateway would that has just seen the good one.
    let client = victim.sending(&format!("Bearer {token}"));
    client.get("/v1/agents").send().await.expect(200);
    for (what, forged) in forgery::all(&token, &tenant, &victim.tenant) {
        assert_ne!(forged, token, "{what}");
        let answer = client.sending(&format!("Bearer {forged}")).get("/v1/agents").send().await;
        assert_eq!(answer.status, 401, "{what}: {answer}");
        context.assert_gateway_problem(&answer, Refusal::Unauthorized);
    }
    client.get("/v1/agents").send().await.expect(200);
}

async fn a_token_ends_also_where_it_was_good_a_moment_ago(context: &Context) {
    // Whatever has to start first does so for another token.
    context.client().await.get("/v1/usage").send().await.expect(200);
    let said = |tenant: String| json!({"tenant": tenant, "ttl_s": TTL_S});
    let used = context.client_with(&said(context.fresh_tenant())).await;
    let unused = context.client_with(&said(context.fresh_tenant())).await;
    used.get("/v1/usage").send().await.expect(200);
    let refused = eventually("the end of a token", async || {
        let answer = used.get("/v1/usage").send().await;
        (answer.status != 200).then_some(answer)
    })
    .await;
    context.assert_gateway_problem(&refused, Refusal::Unauthorized);
    // The other one is no older.
    let refused = eventually("the end of a token that was never used", async || {
        let answer = unused.get("/v1/usage").send().await;
        (answer.status != 200).then_some(answer)
    })
    .await;
    context.assert_gateway_problem(&refused, Refusal::Unauthorized);
    let outcome = context.handshake("", used.authorization.as_deref()).await;
    context.assert_refused(outcome, 401);
}

async fn two_tokens_are_none(context: &Context) {
    let (client, other) = (context.client().await, context.client().await);
    let second = other.authorization.as_deref().expect("a token");
    for second in [second, "Bearer nonsense"] {
        let answer = client.get("/v1/agents").header("authorization", second).send().await;
        context.assert_gateway_problem(&answer, Refusal::TwoTokens);
    }
}

async fn what_is_no_bearer_token_is_refused(context: &Context) {
    let client = context.client().await;
    let header = client.authorization.as_deref().expect("a token");
    let token = header.trim_start_matches("Bearer ");
    for bad in [token, "Bearer", &format!("Basic {token}"), &format!("Bearer {token} {token}")] {
        let answer = client.sending(bad).get("/v1/agents").send().await;
        context.assert_gateway_problem(&answer, Refusal::Unauthorized);
    }
    client.sending(&format!("bearer {token}")).get("/v1/agents").send().await.expect(200);
}

async fn a_ticket_is_no_token(context: &Context) {
    let client = context.client().await;
    let ticket = client.ticket().await;
    let as_token = client.sending(&format!("Bearer {ticket}"));
    for (client, path) in [
        (&as_token, "/v1/agents".to_owned()),
        (&as_token, format!("/v1/agents?ticket={ticket}")),
        (&context.anyone(), format!("/v1/agents?ticket={ticket}")),
        (&as_token, format!("/v1/agents/$connect?ticket={ticket}")),
    ] {
        let answer = client.get(&path).send().await;
        context.assert_gateway_problem(&answer, Refusal::Unauthorized);
    }
    let socket = context.handshake(&format!("?ticket={ticket}"), None).await;
    assert!(socket.is_ok(), "it was not used up");
}
