use std::time::Duration;

use harness::{Answer, App, Fault, Stop, an_agent};
use insta::assert_snapshot;
use serde_json::{Value, json};

use super::publish::{create, live, publish};

/// An agent whose `live` refuses removed guardrails and asks about other instructions.
async fn guarded() -> (App, String) {
    let app = App::start().await;
    app.set_tier("acme", "enterprise", [].into()).await;
    let guardrail = json!([{"id": "pii", "stage": "output", "action": "block"}]);
    let path = create(&app.client(), &an_agent().configured("guardrails", guardrail).build()).await;
    let version = publish(&app.client(), &path).await;
    let alias = json!({
        "routes": [{"version": version, "weight": 100}],
        "policy": {"refuse": ["guardrail_removed"], "approve": ["instructions_changed"]},
    });
    app.client().put(&format!("{path}/aliases/live"), &alias).send().await.expect(200);
    (app, path)
}

async fn change_and_publish(app: &App, path: &str, config: &Value) -> Answer {
    app.client().patch(path, &json!({"config": config})).send().await.expect(200);
    app.client().post(&format!("{path}/publish"), &json!({})).send().await
}

#[tokio::test]
async fn a_policy_refuses_what_it_names_and_nothing_is_published() {
    let (app, path) = guarded().await;
    let refused = change_and_publish(&app, &path, &json!({"guardrails": [], "instructions": "x"})).await;
    assert_snapshot!(refused);
    let agent = app.client().get(&path).send().await.json();
    assert_eq!(
        (&agent["published_version"], &agent["aliases"]["live"]["routes"][0]["version"]),
        (&json!(1), &json!(1))
    );
    // What the policy does not name passes.
    let tools = json!({"guardrails": [{"id": "pii", "stage": "output", "action": "block"}], "tools": [{"tool_id": "t"}], "instructions": "Answer questions about orders."});
    change_and_publish(&app, &path, &tools).await.expect(201);
}

#[tokio::test]
async fn another_user_accepts_what_the_policy_asks_about() {
    let (app, path) = guarded().await;
    let asked = change_and_publish(&app, &path, &json!({"instructions": "Sell."})).await.expect(202);
    assert_snapshot!(asked);
    let place = asked.header("location").expect("a location").to_owned();
    let number = asked.json()["version"]["version"].clone();
    assert_eq!(live(&app.client(), &path).await["routes"][0]["version"], 1, "live waits");
    let accept = |user: &str| app.client_as(user).post(&format!("{place}/accept"), &json!({})).send();
    assert_eq!(accept("dev").await.expect(403).text("/code"), "own_approval");
    assert_snapshot!(accept("ann").await);
    assert_eq!(live(&app.client(), &path).await["routes"], json!([{"version": number, "weight": 100}]));
    let resolved = app.client().get(&format!("{path}/resolved")).send().await.expect(200);
    assert_eq!(resolved.text("/config/instructions"), "Sell.");
    assert_eq!(accept("ann").await.expect(409).text("/code"), "conflict");
    app.client_as("bob").post(&format!("{place}/reject"), &json!({})).send().await.expect(409);
    app.settle().await;
    let events = app.client().get("/v1/events?limit=100").send().await.expect(200).json();
    let kinds: Vec<_> =
        events["items"].as_array().expect("events").iter().map(|one| one["type"].clone()).collect();
    let last = &kinds[kinds.len() - 4..];
    assert_eq!(
        last,
        [
            json!("agent.published"),
            json!("approval.requested"),
            json!("agent.alias_changed"),
            json!("approval.accepted")
        ]
    );
}

#[tokio::test]
async fn a_repeated_publication_answers_the_approval_that_it_asked_for() {
    let (app, path) = guarded().await;
    app.client().patch(&path, &json!({"config": {"instructions": "Sell."}})).send().await.expect(200);
    let publish =
        || app.client().post(&format!("{path}/publish"), &json!({})).header("idempotency-key", "k").send();
    let asked = publish().await.expect(202);
    let again = publish().await.expect(202);
    assert_eq!((again.json(), again.header("location")), (asked.json(), asked.header("location")));
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    let place = asked.header("location").expect("a location").to_owned();
    app.client_as("ann").post(&format!("{place}/accept"), &json!({})).send().await.expect(200);
    publish().await.expect(201);
}

#[tokio::test]
async fn a_rejected_change_is_not_made_and_may_be_asked_for_again() {
    let (app, path) = guarded().await;
    let asked = change_and_publish(&app, &path, &json!({"instructions": "Sell."})).await.expect(202);
    let place = asked.header("location").expect("a location").to_owned();
    let reject = |said: Value| app.client_as("ann").post(&format!("{place}/reject"), &said).send();
    for bad in [json!({"reason": ""}), json!({"reason": 1}), json!({"why": "x"}), json!([])] {
        reject(bad).await.expect(422);
    }
    let rejected = reject(json!({"reason": "Not now."})).await.expect(200);
    assert_eq!(
        (rejected.text("/state").as_str(), rejected.text("/reason").as_str()),
        ("rejected", "Not now.")
    );
    assert_eq!(live(&app.client(), &path).await["routes"][0]["version"], 1);
    let again = app.client().post(&format!("{path}/publish"), &json!({})).send().await.expect(202);
    assert_eq!(again.json()["minted"], false);
    assert_ne!(again.header("location"), Some(place.as_str()));
}

#[tokio::test]
async fn an_approval_of_what_has_changed_since_is_refused() {
    let (app, path) = guarded().await;
    let asked = change_and_publish(&app, &path, &json!({"instructions": "Sell."})).await.expect(202);
    let place = asked.header("location").expect("a location").to_owned();
    let accept = || app.client_as("ann").post(&format!("{place}/accept"), &json!({})).send();
    let alias = live(&app.client(), &path).await;
    let paused = json!({"routes": alias["routes"], "policy": alias["policy"], "paused": true});
    app.client().put(&format!("{path}/aliases/live"), &paused).send().await.expect(200);
    let stale = accept().await.expect(409);
    assert!(stale.text("/detail").contains("changed since"), "{stale}");
    let resumed = json!({"routes": alias["routes"], "policy": alias["policy"]});
    app.client().put(&format!("{path}/aliases/live"), &resumed).send().await.expect(200);
    app.advance(Duration::from_hours(7 * 24));
    assert!(accept().await.expect(409).text("/detail").contains("expired"));
    let got = app.client().get(&place).send().await.expect(200);
    assert_eq!(got.text("/state"), "expired");
    app.advance(Duration::from_hours(30 * 24));
    app.client().get(&place).send().await.expect(404);
}

#[tokio::test]
async fn whoever_needs_an_approval_needs_one_to_loosen_the_policy_and_to_roll_back() {
    let (app, path) = guarded().await;
    let alias = live(&app.client(), &path).await;
    let loose = json!({"routes": alias["routes"]});
    let asked = app.client().put(&format!("{path}/aliases/live"), &loose).send().await.expect(202);
    assert_eq!(asked.json()["risks"], json!([]));
    let place = asked.header("location").expect("a location").to_owned();
    app.client_as("ann").post(&format!("{place}/accept"), &json!({})).send().await.expect(200);
    assert_eq!(live(&app.client(), &path).await["policy"], json!({}));
    app.client()
        .put(&format!("{path}/aliases/live"), &json!({"routes": alias["routes"], "policy": alias["policy"]}))
        .send()
        .await
        .expect(200);
    let asked = change_and_publish(&app, &path, &json!({"instructions": "Sell."})).await.expect(202);
    let place = asked.header("location").expect("a location").to_owned();
    app.client_as("ann").post(&format!("{place}/accept"), &json!({})).send().await.expect(200);
    let rollback = app.client().post(&format!("{path}/rollback"), &json!({})).send().await.expect(202);
    assert_eq!(rollback.text("/risks/0/class"), "instructions_changed");
    app.client().delete(&format!("{path}/aliases/live")).send().await.expect(409);
}

#[tokio::test]
async fn approvals_are_listed_newest_first_by_state_and_agent() {
    let (app, path) = guarded().await;
    for instructions in ["One.", "Two.", "Three."] {
        change_and_publish(&app, &path, &json!({"instructions": instructions})).await.expect(202);
        app.advance(Duration::from_secs(1));
    }
    let list = async |query: &str| {
        app.client().get(&format!("/v1/approvals{query}")).send().await.expect(200).json()
    };
    let all = list("").await;
    let ids: Vec<_> = all["items"].as_array().expect("rows").iter().map(|row| row["id"].clone()).collect();
    assert_eq!(ids.len(), 3);
    let newest = ids[0].as_str().expect("an id");
    app.client_as("ann").post(&format!("/v1/approvals/{newest}/accept"), &json!({})).send().await.expect(200);
    let count = async |query: &str| list(query).await["items"].as_array().expect("rows").len();
    assert_eq!(
        (count("?state=pending").await, count("?state=accepted").await, count("?state=expired").await),
        (2, 1, 0)
    );
    assert_eq!(count(&format!("?agent={}", &path[11..])).await, 3);
    assert_eq!(count("?agent=agt_00000000000000000000000000").await, 0);
    let first = list("?limit=2").await;
    let cursor = first["next_cursor"].as_str().expect("a cursor");
    let second = list(&format!("?limit=2&cursor={cursor}")).await;
    assert_eq!(second["items"][0]["id"], ids[2]);
    for bad in ["?state=open", "?agent=x", "?cursor=x", &format!("?state=pending&cursor={cursor}")] {
        app.client().get(&format!("/v1/approvals{bad}")).send().await.expect(400);
    }
}

#[tokio::test]
async fn a_lost_answer_to_an_acceptance_or_rejection_is_no_failure() {
    let (app, path) = guarded().await;
    for (action, state, calls) in [("accept", "accepted", 2), ("reject", "rejected", 1)] {
        let asked = change_and_publish(&app, &path, &json!({"instructions": action})).await.expect(202);
        let place = asked.header("location").expect("a location").to_owned();
        app.client_as("ann").get("/v1/agents").send().await.expect(200);
        let mut faults = vec![Fault::None; calls];
        faults.push(Fault::AnswerLost);
        app.recorder.break_next(faults);
        let decided = app.client_as("ann").post(&format!("{place}/{action}"), &json!({})).send().await;
        assert_eq!(decided.expect(200).text("/state"), state);
    }
}

#[tokio::test]
async fn a_policy_is_not_got_rid_of_by_a_detour() {
    let (app, path) = guarded().await;
    let alias = live(&app.client(), &path).await;
    let with = |policy: Value| json!({"routes": alias["routes"], "policy": policy});
    let put = |policy: Value| app.client().put(&format!("{path}/aliases/live"), &with(policy)).send();
    // By refusing first what would be asked about, so that there is nobody to ask.
    put(json!({"refuse": ["guardrail_removed", "instructions_changed"]})).await.expect(202);
    put(json!({"refuse": ["guardrail_removed"]})).await.expect(202);
    // By deleting the agent and creating it anew under its key.
    for query in ["", "?force=true"] {
        let refused = app.client().delete(&format!("{path}{query}")).send().await.expect(409);
        assert_eq!(refused.text("/code"), "conflict");
    }
    // By a first conversation in ten thousand, and then all of them.
    app.client().patch(&path, &json!({"config": {"instructions": "Sell."}})).send().await.expect(200);
    let asked = app.client().post(&format!("{path}/publish"), &json!({})).send().await.expect(202);
    let number = asked.json()["version"]["version"].clone();
    let few = json!({"routes": [{"version": 1, "weight": 10_000}, {"version": number, "weight": 1}], "policy": alias["policy"]});
    let asked = app.client().put(&format!("{path}/aliases/live"), &few).send().await.expect(202);
    let place = asked.header("location").expect("a location").to_owned();
    app.client_as("ann").post(&format!("{place}/accept"), &json!({})).send().await.expect(200);
    let most = json!({"routes": [{"version": 1, "weight": 1}, {"version": number, "weight": 10_000}], "policy": alias["policy"]});
    app.client().put(&format!("{path}/aliases/live"), &most).send().await.expect(202);
}

#[tokio::test]
async fn a_rollback_passes_over_what_was_never_let_through() {
    let (app, path) = guarded().await;
    let accept = async |asked: Answer| {
        let place = asked.header("location").expect("a location").to_owned();
        app.client_as("ann").post(&format!("{place}/accept"), &json!({})).send().await.expect(200);
    };
    change_and_publish(&app, &path, &json!({"instructions": "Never let through."})).await.expect(202);
    let third = change_and_publish(&app, &path, &json!({"instructions": "Let through."})).await.expect(202);
    accept(third).await;
    let back = app.client().post(&format!("{path}/rollback"), &json!({})).send().await.expect(202);
    assert_eq!(back.json()["after"]["routes"], json!([{"version": 1, "weight": 100}]));
}

#[tokio::test]
async fn asking_for_the_same_again_asks_once_and_however_much_is_risky_is_told_in_short() {
    let (app, path) = guarded().await;
    let asked = change_and_publish(&app, &path, &json!({"instructions": "Sell."})).await.expect(202);
    let again = app.client().post(&format!("{path}/publish"), &json!({})).send().await.expect(202);
    assert_eq!(again.header("location"), asked.header("location"));
    let all = app.client().get("/v1/approvals").send().await.expect(200).json();
    assert_eq!(all["items"].as_array().map(Vec::len), Some(1));
    let alias = live(&app.client(), &path).await;
    let strict = json!({"routes": alias["routes"], "policy": {"refuse": ["tools_widened"], "approve": ["instructions_changed"]}});
    let loosened = app.client().put(&format!("{path}/aliases/live"), &strict).send().await.expect(202);
    let place = loosened.header("location").expect("a location").to_owned();
    app.client_as("ann").post(&format!("{place}/accept"), &json!({})).send().await.expect(200);
    let tools: Vec<Value> = (0..128).map(|index| json!({"tool_id": format!("t{index}")})).collect();
    let refused = change_and_publish(&app, &path, &json!({"tools": tools})).await.expect(403);
    assert_eq!(refused.json()["errors"].as_array().map(Vec::len), Some(100));
}

#[tokio::test]
async fn a_publication_that_ended_before_it_asked_asks_when_it_is_repeated() {
    let (app, path) = guarded().await;
    app.client().patch(&path, &json!({"config": {"instructions": "Sell."}})).send().await.expect(200);
    let publish =
        || app.client().post(&format!("{path}/publish"), &json!({})).header("idempotency-key", "k").send();
    // Head and record, the version that is live, the snapshot, the head: and then no more.
    let stop = Stop::new(3, true);
    app.recorder.stop_at(&stop);
    tokio::select! {
        () = stop.reached() => {}
        answer = publish() => panic!("{answer}"),
    }
    let none = app.client().get("/v1/approvals").send().await.expect(200).json();
    assert_eq!(none["items"], json!([]));
    let repeated = publish().await.expect(202);
    assert_eq!(repeated.header("idempotent-replayed"), Some("true"));
    assert_eq!(repeated.json()["approval"]["state"], "pending");
}

#[tokio::test]
async fn a_late_rejection_does_not_undo_an_acceptance_of_the_same_moment() {
    let (app, path) = guarded().await;
    let asked = change_and_publish(&app, &path, &json!({"instructions": "Sell."})).await.expect(202);
    let place = asked.header("location").expect("a location").to_owned();
    let ann = app.client_as("ann");
    ann.get("/v1/agents").send().await.expect(200);
    let stop = Stop::new(1, false);
    app.recorder.stop_at(&stop);
    let reject = format!("{place}/reject");
    let mut late = Box::pin(ann.post(&reject, &json!({})).send());
    tokio::select! {
        () = stop.reached() => {}
        answer = &mut late => panic!("{answer}"),
    }
    ann.post(&format!("{place}/accept"), &json!({})).send().await.expect(200);
    stop.release();
    late.await.expect(409);
    assert_eq!(app.client().get(&place).send().await.text("/state"), "accepted");
}
