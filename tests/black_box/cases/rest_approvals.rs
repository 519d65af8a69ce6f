//! Approvals: changes that an alias's policy lets pass only if another user accepts them.

use serde_json::{Value, json};

use super::{Case, case};
use crate::client::{Client, id_of};
use crate::context::{Context, USER, eventually};
use crate::openapi::{UNKNOWN_APPROVAL, UNKNOWN_ID};

pub fn cases() -> Vec<Case> {
    vec![
        case!(where_nobody_asked_there_are_no_approvals),
        case!(another_user_decides_what_a_policy_asks_for).on_another_tier().reaching_alone(&[
            "GET /v1/approvals/{approval_id}",
            "POST /v1/approvals/{approval_id}/accept",
            "POST /v1/approvals/{approval_id}/reject",
        ]),
    ]
}

async fn where_nobody_asked_there_are_no_approvals(context: &Context) {
    let client = context.client().await;
    let (path, _) = client.create_published(&["First."]).await;
    let id = path.rsplit('/').next().expect("an id");
    for query in [String::new(), "?state=pending".to_owned(), format!("?agent={id}&limit=1")] {
        let page = client.get(&format!("/v1/approvals{query}")).send().await.expect(200).json();
        assert_eq!(page, json!({"items": [], "next_cursor": null}), "{query}");
    }
    for bad in ["state=done", "state=", "agent=x", "limit=0", "colour=red"] {
        client.get(&format!("/v1/approvals?{bad}")).send().await.problem(400, "invalid_parameter");
    }
    client.get("/v1/approvals?cursor=AAAA").send().await.problem(400, "invalid_cursor");
    for id in [UNKNOWN_APPROVAL, "x"] {
        let at = format!("/v1/approvals/{id}");
        client.get(&at).send().await.problem(404, "not_found");
        for action in ["accept", "reject"] {
            let decide = client.request("POST", &format!("{at}/{action}"));
            decide.send().await.problem(404, "not_found");
            let unknown = client.post(&format!("{at}/{action}"), &json!({"robot": 1}));
            unknown.send().await.problem(422, "validation_failed");
        }
    }
}

/// Two users of a tenant with approvals, and one's agent, whose policy asks for them.
struct Desk {
    ann: Client,
    bob: Client,
    path: String,
    /// The version that is live.
    first: u64,
}

impl Desk {
    async fn open(context: &Context) -> Self {
        let ann = context.client_on("enterprise").await;
        let bob = context.client_with(&json!({"tenant": ann.tenant, "user": "bob"})).await;
        let (path, versions) = ann.create_published(&["First."]).await;
        let desk = Self { ann, bob, path, first: versions[0] };
        desk.put_live(desk.first, &json!({"approve": ["instructions_changed"]}), 200).await;
        desk
    }

    async fn put_live(&self, version: u64, policy: &Value, status: u16) -> Value {
        let document = json!({"routes": [{"version": version, "weight": 100}], "policy": policy});
        let request = self.ann.put(&format!("{}/aliases/live", self.path), &document);
        request.header("if-match", "*").send().await.expect(status).json()
    }

    /// The version that `live` leads to, by the agent.
    async fn live(&self) -> Value {
        let agent = self.ann.get(&self.path).send().await.expect(200).json();
        agent["aliases"]["live"]["routes"][0]["version"].clone()
    }
}

fn approval_at(approval: &Value) -> String {
    format!("/v1/approvals/{}", id_of(approval))
}

async fn another_user_decides_what_a_policy_asks_for(context: &Context) {
    let desk = Desk::open(context).await;
    let accepted = is_asked_by_a_publication(context, &desk).await;
    let second = accepts(&desk, &accepted).await;
    let rejected = rejects_a_rollback(&desk).await;
    // Whoever may not pass alone may not open the gate alone either.
    let pending = desk.put_live(second, &json!({}), 202).await;
    assert_eq!((&pending["state"], &pending["risks"]), (&json!("pending"), &json!([])));
    assert_eq!(pending["after"]["policy"], json!({}));
    lists(&desk, &[&pending, &rejected, &accepted]).await;
    are_events(&desk, &[&accepted, &rejected, &pending]).await;
    goes_stale(&desk, &pending).await;
}

/// A publication makes a version and asks for `live` to lead to it. Gives the approval.
async fn is_asked_by_a_publication(context: &Context, desk: &Desk) -> Value {
    let Desk { ann, path, .. } = desk;
    ann.instruct(path, "Second.").await;
    let asked = ann.request("POST", &format!("{path}/publish")).send().await.expect(202);
    let publication = asked.json();
    assert_eq!(publication["minted"], json!(true));
    assert_eq!(publication["live"]["routes"][0]["version"], desk.first);
    let approval = publication["approval"].clone();
    let location = asked.header("location").expect("a location");
    assert_eq!(ann.get(&context.follow(&asked, location)).send().await.expect(200).json(), approval);
    assert!(path.ends_with(approval["agent_id"].as_str().expect("an id")), "{approval}");
    assert_eq!((&approval["state"], &approval["requested_by"]), (&json!("pending"), &json!(USER)));
    for member in ["decided_at", "decided_by", "reason"] {
        assert_eq!(approval[member], json!(null), "{member}");
    }
    assert_eq!(approval["before"], publication["live"]);
    let version = &publication["version"]["version"];
    assert_eq!(approval["after"]["routes"], json!([{"version": version, "weight": 100}]));
    let risk = json!({"class": "instructions_changed", "pointer": "/config/instructions"});
    assert_eq!(approval["risks"], json!([risk]));
    assert_eq!(desk.live().await, desk.first);
    ann.resolved(path, desk.first).await;
    let (at, stranger) = (approval_at(&approval), context.client().await);
    stranger.get(&at).send().await.problem(404, "not_found");
    for action in ["accept", "reject"] {
        let decide = |client: &Client| client.post(&format!("{at}/{action}"), &json!({})).send();
        decide(ann).await.problem(403, "own_approval");
        decide(&stranger).await.problem(404, "not_found");
    }
    assert_eq!(ann.get(&at).send().await.expect(200).json(), approval);
    approval
}

/// Gives the version that `live` leads to then.
async fn accepts(desk: &Desk, approval: &Value) -> u64 {
    let at = approval_at(approval);
    let accepted = desk.bob.post(&format!("{at}/accept"), &json!({})).send().await.expect(200).json();
    assert_eq!((&accepted["state"], &accepted["decided_by"]), (&json!("accepted"), &json!("bob")));
    assert!(accepted["decided_at"].is_string(), "{accepted}");
    assert_eq!(desk.ann.get(&at).send().await.expect(200).json(), accepted);
    for action in ["accept", "reject"] {
        let again = desk.bob.post(&format!("{at}/{action}"), &json!({})).send().await;
        again.problem(409, "conflict");
    }
    let second = approval["after"]["routes"][0]["version"].as_u64().expect("a number");
    assert_eq!(desk.live().await, second);
    let resolved = desk.ann.resolved(&desk.path, second).await.json();
    assert_eq!(resolved["config"]["instructions"], "Second.");
    second
}

/// Gives the approval that was rejected.
async fn rejects_a_rollback(desk: &Desk) -> Value {
    let before = desk.live().await;
    let asked = desk.ann.request("POST", &format!("{}/rollback", desk.path)).send().await.expect(202);
    let approval = asked.json();
    let at = approval_at(&approval);
    assert!(asked.header("location").is_some_and(|location| location.ends_with(&at)), "{asked}");
    let reject = |said: Value| desk.bob.post(&format!("{at}/reject"), &said).send();
    reject(json!({"reason": ""})).await.problem(422, "validation_failed");
    let rejected = reject(json!({"reason": "Not yet."})).await.expect(200).json();
    assert_eq!((&rejected["state"], &rejected["decided_by"]), (&json!("rejected"), &json!("bob")));
    assert_eq!(rejected["reason"], "Not yet.");
    assert_eq!(desk.ann.get(&at).send().await.expect(200).json(), rejected);
    reject(json!({})).await.problem(409, "conflict");
    assert_eq!(desk.live().await, before);
    approval
}

/// `newest_first` are all that there are: one is pending, one rejected, one accepted.
async fn lists(desk: &Desk, newest_first: &[&Value]) {
    let expected: Vec<_> = newest_first.iter().map(|approval| id_of(approval)).collect();
    let agent = desk.path.rsplit('/').next().expect("an id");
    for (query, expected) in [
        ("limit=20".to_owned(), &expected[..]),
        ("limit=1".to_owned(), &expected[..]),
        (format!("agent={agent}&limit=2"), &expected[..]),
        (format!("agent={UNKNOWN_ID}"), &expected[..0]),
        ("state=pending".to_owned(), &expected[..1]),
        (format!("state=rejected&agent={agent}"), &expected[1..2]),
        ("state=accepted&limit=1".to_owned(), &expected[2..]),
        ("state=expired".to_owned(), &expected[..0]),
    ] {
        eventually(&format!("{expected:?} by {query}"), async || {
            let rows = read_all(&desk.bob, &query).await;
            let ids: Vec<_> = rows.iter().map(id_of).collect();
            (ids == expected).then_some(())
        })
        .await;
    }
}

/// Every row, page by page. Where a state or an agent is asked for, pages may be short.
async fn read_all(client: &Client, query: &str) -> Vec<Value> {
    let mut rows = Vec::new();
    let mut path = format!("/v1/approvals?{query}");
    loop {
        let page = client.get(&path).send().await.expect(200);
        rows.extend(page.items());
        match page.json()["next_cursor"].as_str() {
            Some(cursor) => path = format!("/v1/approvals?{query}&cursor={cursor}"),
            None => return rows,
        }
    }
}

/// `asked` are in the order in which they were asked for: one was accepted, one rejected, one is pending.
async fn are_events(desk: &Desk, asked: &[&Value; 3]) {
    let events = desk.ann.events(13).await;
    let of = |id: &str| -> Vec<Value> {
        let own = events.iter().filter(|event| event["data"]["id"] == id);
        own.map(|event| json!([event["type"], event["actor"], event["data"]["rev"]])).collect()
    };
    let requested = json!(["approval.requested", USER, 1]);
    let accepted = json!(["approval.accepted", "bob", 2]);
    let rejected = json!(["approval.rejected", "bob", 2]);
    assert_eq!(of(id_of(asked[0])), [requested.clone(), accepted]);
    assert_eq!(of(id_of(asked[1])), [requested.clone(), rejected]);
    assert_eq!(of(id_of(asked[2])), [requested]);
    let agent = of(desk.path.rsplit('/').next().expect("an id"));
    assert_eq!(agent.last(), Some(&json!(["agent.alias_changed", "bob", agent.len()])));
    let some = desk.bob.get("/v1/events?types=approval.requested").send().await.expect(200).items();
    assert_eq!(some.len(), 3);
}

/// What was judged of an alias that has changed since is asked for again.
async fn goes_stale(desk: &Desk, pending: &Value) {
    let stricter = json!({"refuse": ["model_changed"], "approve": ["instructions_changed"]});
    let live = desk.live().await.as_u64().expect("a number");
    assert_eq!(desk.put_live(live, &stricter, 200).await["policy"], stricter);
    let stale = desk.bob.post(&format!("{}/accept", approval_at(pending)), &json!({})).send().await;
    stale.problem(409, "conflict");
}
