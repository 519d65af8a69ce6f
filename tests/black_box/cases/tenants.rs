//! One tenant and another: what one has, the other can't see, change or tell from nothing.

use harness::an_agent;
use serde_json::{Value, json};

use super::{Case, case};
use crate::client::{Client, id_of, path_of};
use crate::context::Context;
use crate::http::Answer;
use crate::openapi::{self, Operation, UNKNOWN_ID};

pub fn cases() -> Vec<Case> {
    vec![
        case!(another_tenant_s_id_answers_like_an_unknown_one_everywhere),
        case!(another_tenant_s_agents_are_in_no_list_log_or_count),
    ]
}

/// Sends what would succeed on the caller's own agent.
async fn send(client: &Client, operation: &Operation, id: &str) -> Answer {
    let path = operation.at(id);
    let request = match operation.method.as_str() {
        "PATCH" => client.merge(&path, &json!({"name": "Mine now"})),
        "PUT" if path.ends_with("/aliases/live") => {
            let routes = json!([{"version": 1, "weight": 1}]);
            client.put(&path, &json!({"routes": routes})).header("if-match", "*")
        }
        "PUT" => client.put(&path, &json!({})).header("if-match", "*"),
        "POST" if path.ends_with("/transfer") => client.post(&path, &json!({"owner": "me"})),
        method => client.request(method, &path).header("if-match", "*"),
    };
    request.send().await
}

/// A problem without what sets one request apart.
fn told(problem: &Answer) -> Value {
    let mut told = problem.problem(404, "not_found");
    told["request_id"] = Value::Null;
    told
}

async fn another_tenant_s_id_answers_like_an_unknown_one_everywhere(context: &Context) {
    let (client, other) = (context.client().await, context.client().await);
    let theirs = other.create(&an_agent().keyed("theirs").with_tools(1).build()).await;
    // Its audit is there, so that it could be shown.
    other.events(1).await;
    let mut walked = 0;
    for operation in openapi::operations(&context.openapi().await) {
        if operation.path.contains("{id}") {
            let of_theirs = send(&client, &operation, id_of(&theirs)).await;
            let of_nobody_s = send(&client, &operation, UNKNOWN_ID).await;
            assert_eq!(told(&of_theirs), told(&of_nobody_s), "{operation}");
            walked += 1;
        }
    }
    assert!(walked >= 10, "{walked} operations name an agent");
    client.get("/v1/agents/by-key/theirs").send().await.problem(404, "not_found");
    assert_eq!(other.get(&path_of(&theirs)).send().await.expect(200).json(), theirs);
}

async fn another_tenant_s_agents_are_in_no_list_log_or_count(context: &Context) {
    let (client, other) = (context.client().await, context.client().await);
    let theirs = other.create(&an_agent().build()).await;
    other.events(1).await;
    for path in ["/v1/agents", "/v1/events", "/v1/events?last=100"] {
        assert_eq!(client.get(path).send().await.expect(200).items(), [] as [Value; 0], "{path}");
    }
    let path = format!("/v1/events?agent={}", id_of(&theirs));
    assert_eq!(client.get(&path).send().await.expect(200).items(), [] as [Value; 0]);
    assert_eq!((client.used().await, other.used().await), (0, 1));
}
