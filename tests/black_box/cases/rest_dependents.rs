//! Agents that hand work to others: who depends on an agent, and what that keeps it from. What is said of
//! dependents may be a moment old.

use harness::an_agent;
use serde_json::{Value, json};

use super::{Case, case};
use crate::client::{Client, id_of, path_of};
use crate::context::{Context, eventually};

pub fn cases() -> Vec<Case> {
    vec![
        case!(an_agent_s_dependents_are_those_that_hand_work_to_it),
        case!(a_draft_depends_on_the_alias_that_it_names),
        case!(a_list_of_dependents_takes_its_own_parameters_only),
        case!(an_agent_that_others_depend_on_is_deleted_by_force_only),
    ]
}

/// A published agent, and another that hands work to it.
async fn used_and_user(client: &Client) -> (Value, Value) {
    let create = async |document: &Value| {
        client.post("/v1/agents?publish=true", document).send().await.expect(201).json()
    };
    let used = create(&an_agent().named("Refunds").build()).await;
    let sub_agents = json!([{"id": used["id"]}]);
    let user = an_agent().named("Front desk").keyed("front-desk").configured("sub_agents", sub_agents);
    let user = create(&user.build()).await;
    (used, user)
}

/// The agent's dependents, once there are as many.
async fn dependents(client: &Client, agent: &Value, count: usize) -> Vec<Value> {
    let first = format!("{}/dependents?limit=2", path_of(agent));
    eventually("that many dependents", async || {
        let mut rows = Vec::new();
        let mut path = first.clone();
        loop {
            let page = client.get(&path).send().await.expect(200);
            rows.extend(page.items());
            match page.json()["next_cursor"].as_str() {
                Some(cursor) => path = format!("{first}&cursor={cursor}"),
                None => return (rows.len() == count).then_some(rows),
            }
        }
    })
    .await
}

async fn an_agent_s_dependents_are_those_that_hand_work_to_it(context: &Context) {
    let client = context.client().await;
    let (used, user) = used_and_user(&client).await;
    let rows = dependents(&client, &used, 1).await;
    for member in ["id", "name", "key", "status"] {
        assert_eq!(rows[0][member], user[member], "{member}");
    }
    assert_eq!(rows[0]["aliases"], json!(["live"]), "what of the other it asks for");
    dependents(&client, &user, 0).await;
    client.merge(&path_of(&user), &json!({"name": "Desk"})).send().await.expect(200);
    eventually("the dependent's other name", async || {
        (dependents(&client, &used, 1).await[0]["name"] == "Desk").then_some(())
    })
    .await;
    // Neither its draft nor what is live needs the other one then.
    let change = json!({"config": {"sub_agents": []}});
    client.merge(&path_of(&user), &change).send().await.expect(200);
    client.publish(&path_of(&user)).await;
    dependents(&client, &used, 0).await;
}

async fn a_draft_depends_on_the_alias_that_it_names(context: &Context) {
    let client = context.client().await;
    let (used, user) = used_and_user(&client).await;
    let sub_agents = json!([{"id": used["id"], "alias": "beta"}]);
    let draft = client.create(&an_agent().configured("sub_agents", sub_agents).build()).await;
    let rows = dependents(&client, &used, 2).await;
    let told: Vec<_> = rows.iter().map(|row| json!([row["id"], row["aliases"]])).collect();
    assert_eq!(told, [json!([user["id"], ["live"]]), json!([draft["id"], ["beta"]])]);
    for (alias, expected) in [("live", Some(&user)), ("beta", Some(&draft)), ("none", None)] {
        let path = format!("{}/dependents?alias={alias}", path_of(&used));
        eventually(&format!("those that ask for {alias}"), async || {
            let rows = client.get(&path).send().await.expect(200).items();
            let ids: Vec<_> = rows.iter().map(id_of).collect();
            (ids == expected.map(id_of).as_slice()).then_some(())
        })
        .await;
    }
}

async fn a_list_of_dependents_takes_its_own_parameters_only(context: &Context) {
    let client = context.client().await;
    let path = format!("{}/dependents", client.create_at(&an_agent().build()).await);
    let none = client.get(&path).send().await.expect(200).json();
    assert_eq!(none, json!({"items": [], "next_cursor": null}));
    for bad in ["limit=0", "alias=Beta", "colour=red"] {
        client.get(&format!("{path}?{bad}")).send().await.problem(400, "invalid_parameter");
    }
    client.get(&format!("{path}?cursor=AAAA")).send().await.problem(400, "invalid_cursor");
}

async fn an_agent_that_others_depend_on_is_deleted_by_force_only(context: &Context) {
    let client = context.client().await;
    let (used, user) = used_and_user(&client).await;
    let path = path_of(&used);
    dependents(&client, &used, 1).await;
    let live = format!("{path}/aliases/live");
    for guarded in [&path, &live] {
        let refused = client.delete(guarded).send().await;
        let problem = refused.problem(409, "has_dependents");
        let named = problem["errors"].as_array().expect("a list");
        assert_eq!((named.len(), &named[0]["current"]), (1, &user["id"]), "{refused}");
        let bad = client.delete(&format!("{guarded}?force=maybe")).send().await;
        bad.problem(400, "invalid_parameter");
    }
    client.delete(&format!("{live}?force=true")).send().await.problem(409, "conflict");
    assert_eq!(client.get(&path).send().await.expect(200).json(), used);
    // Whoever depends on others is deleted as any other.
    client.delete(&path_of(&user)).send().await.expect(204);
    dependents(&client, &used, 0).await;
    client.delete(&path).send().await.expect(204);
    let (used, user) = used_and_user(&client).await;
    dependents(&client, &used, 1).await;
    client.delete(&format!("{}?force=true", path_of(&used))).send().await.expect(204);
    client.get(&path_of(&used)).send().await.problem(404, "not_found");
    assert_eq!(client.get(&path_of(&user)).send().await.expect(200).json(), user);
}
