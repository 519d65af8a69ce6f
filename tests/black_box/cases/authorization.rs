//! Who may call what: the service's own document is walked, operation by operation.

use serde_json::json;

use super::{Case, case};
use crate::context::{Context, Refusal};
use crate::openapi::{self, UNKNOWN_ID};

pub fn cases() -> Vec<Case> {
    vec![
        case!(no_operation_is_open_but_the_public_ones),
        case!(every_operation_needs_its_scope),
        case!(a_scope_that_means_nothing_is_none),
    ]
}

async fn no_operation_is_open_but_the_public_ones(context: &Context) {
    let nobody = context.anyone();
    let nonsense = nobody.sending("Bearer nonsense");
    for operation in openapi::operations(&context.openapi().await) {
        let path = operation.at(UNKNOWN_ID);
        for client in [&nobody, &nonsense] {
            let answer = client.request(&operation.method, &path).send().await;
            match operation.scope {
                Some(_) => context.assert_gateway_problem(&answer, Refusal::Unauthorized),
                None => assert_eq!(answer.status, 200, "{answer}"),
            }
        }
    }
}

async fn every_operation_needs_its_scope(context: &Context) {
    let operations = openapi::operations(&context.openapi().await);
    let mut scopes: Vec<_> = operations.iter().filter_map(|operation| operation.scope.clone()).collect();
    scopes.sort();
    scopes.dedup();
    assert!(scopes.len() >= 3, "{scopes:?}");
    for scope in &scopes {
        let others: Vec<_> = scopes.iter().filter(|other| *other != scope).collect();
        let client = context.client_with(&json!({"tenant": context.fresh_tenant(), "scopes": others})).await;
        for operation in operations.iter().filter(|operation| operation.scope.as_ref() == Some(scope)) {
            let answer = client.request(&operation.method, &operation.at(UNKNOWN_ID)).send().await;
            let detail = answer.problem(403, "insufficient_scope")["detail"].clone();
            assert!(detail.as_str().is_some_and(|detail| detail.contains(scope)), "{operation}: {answer}");
        }
    }
}

async fn a_scope_that_means_nothing_is_none(context: &Context) {
    for scopes in [json!([]), json!(["*"]), json!(["agents"]), json!(["agents:read:all", "AGENTS:READ"])] {
        let said = json!({"tenant": context.fresh_tenant(), "scopes": scopes});
        let answer = context.client_with(&said).await.get("/v1/agents").send().await;
        answer.problem(403, "insufficient_scope");
    }
}
