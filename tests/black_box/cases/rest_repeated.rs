//! A request that is sent again: under an Idempotency-Key it creates once.

use futures_util::future::join_all;
use harness::an_agent;
use serde_json::json;

use super::{Case, case};
use crate::client::{Client, Outgoing, path_of};
use crate::context::Context;

pub fn cases() -> Vec<Case> {
    vec![
        case!(a_replay_answers_the_first_creation),
        case!(one_key_at_once_creates_once),
        case!(a_key_with_another_request_is_reused),
        case!(a_replay_of_what_was_deleted_is_told_so),
        case!(another_user_s_idempotency_key_is_another_key),
        case!(a_hostile_idempotency_key_is_refused),
    ]
}

fn creation(client: &Client, name: &str, key: &str) -> Outgoing {
    client.post("/v1/agents", &an_agent().named(name).build()).header("idempotency-key", key)
}

async fn a_replay_answers_the_first_creation(context: &Context) {
    let client = context.client().await;
    let first = creation(&client, "A", "one").send().await.expect(201);
    let replay = creation(&client, "A", "one").send().await.expect(201);
    assert_eq!(first.header("idempotent-replayed"), None);
    assert_eq!((replay.json(), replay.header("idempotent-replayed")), (first.json(), Some("true")));
    assert_eq!(replay.header("location"), first.header("location"));
    assert_eq!(client.used().await, 1);
}

async fn one_key_at_once_creates_once(context: &Context) {
    let client = context.client().await;
    let answers = join_all((0..6).map(|_| creation(&client, "A", "one").send_until_answered())).await;
    let first = answers[0].json();
    for answer in answers {
        assert_eq!(answer.expect(201).json(), first);
    }
    assert_eq!(client.used().await, 1);
}

async fn a_key_with_another_request_is_reused(context: &Context) {
    let client = context.client().await;
    creation(&client, "A", "one").send().await.expect(201);
    creation(&client, "B", "one").send().await.problem(422, "idempotency_key_reused");
    creation(&client, "B", "two").send().await.expect(201);
    assert_eq!(client.used().await, 2);
}

async fn a_replay_of_what_was_deleted_is_told_so(context: &Context) {
    let client = context.client().await;
    let agent = creation(&client, "A", "one").send().await.expect(201).json();
    client.delete(&path_of(&agent)).send().await.expect(204);
    creation(&client, "A", "one").send().await.problem(409, "deleted");
    creation(&client, "A", "two").send().await.expect(201);
}

async fn another_user_s_idempotency_key_is_another_key(context: &Context) {
    let ann = context.client().await;
    let bob = context.client_with(&json!({"tenant": ann.tenant, "user": "bob"})).await;
    let first = creation(&ann, "A", "one").send().await.expect(201).json();
    let second = creation(&bob, "A", "one").send().await.expect(201).json();
    assert_ne!(first["id"], second["id"]);
    assert_eq!(second["created_by"], "bob");
}

async fn a_hostile_idempotency_key_is_refused(context: &Context) {
    let client = context.client().await;
    for key in ["two words", &"k".repeat(256)] {
        creation(&client, "A", key).send().await.problem(400, "invalid_parameter");
    }
    let two = creation(&client, "A", "one").header("idempotency-key", "two");
    two.send().await.problem(400, "invalid_parameter");
    assert_eq!(client.used().await, 0);
}
