//! What no client should send, sent to every route: never a 5xx, never a partial effect.

use agent_management::http::routes::{Body, Route, all};
use harness::{App, Client, Outgoing, an_agent};
use http::Method;
use serde_json::{Value, json};

/// `id` is an agent's, and `template` a template's.
fn request<'app>(client: &Client<'app>, route: &Route, id: &str, template: &str) -> Outgoing<'app> {
    let path = route.path.replace("{id}", id).replace("{key}", "bad").replace("{tool_id}", "t");
    let path = path.replace("{code}", "not_found").replace("{version}", "1").replace("{alias}", "live");
    let path = path.replace("{approval_id}", "apv_00000000000000000000000000");
    let path = path.replace("{template_id}", template);
    let path = path.replace("{job_id}", "job_00000000000000000000000000");
    let method: Method = route.method.as_str().parse().expect("a method");
    let outgoing = client.request(method, &path).header("if-match", "*");
    match route.body {
        Body::Patch => outgoing.header("content-type", "application/merge-patch+json"),
        Body::None | Body::Optional(_) | Body::Json(_) => outgoing.header("content-type", "application/json"),
    }
}

/// Bodies that are wrong for every route that reads one.
fn bad_bodies() -> Vec<(&'static str, Vec<u8>)> {
    let agent = an_agent().build().to_string();
    let with =
        |member: &str, value: &str| agent.replacen('{', &format!("{{\"{member}\":{value},"), 1).into_bytes();
    let deep = |depth: usize| format!("{{\"x\":{}{}}}", "[".repeat(depth), "]".repeat(depth)).into_bytes();
    vec![
        ("truncated", b"{".to_vec()),
        ("two documents", b"{} {}".to_vec()),
        ("not UTF-8", b"{\"name\":\"\xff\xfe\"}".to_vec()),
        ("a lone surrogate", b"{\"name\":\"\\ud800\"}".to_vec()),
        ("duplicate members", b"{\"name\":\"a\",\"name\":\"b\"}".to_vec()),
        ("escaped duplicate members", b"{\"name\":\"a\",\"n\\u0061me\":\"b\"}".to_vec()),
        ("a number out of range", b"{\"name\":1e999}".to_vec()),
        ("nested 127 deep", deep(126)),
        ("nested 10,000 deep", deep(10_000)),
        ("a byte-order mark", [b"\xef\xbb\xbf".as_slice(), agent.as_bytes()].concat()),
        ("over the limit", vec![b' '; 384 * 1024 + 1]),
        ("a text", b"\"name\"".to_vec()),
        ("a list", b"[1]".to_vec()),
        ("a number", b"7".to_vec()),
        ("null", b"null".to_vec()),
        ("an unknown member", with("robot", "1")),
        ("a server-owned member", with("rev", "1")),
        ("__proto__", with("__proto__", "{}")),
        ("a NUL in a name of a member", with("a\\u0000b", "1")),
        ("an id of another kind", with("id", "\"tpl_00000000000000000000000000\"")),
    ]
}

#[tokio::test]
async fn no_body_makes_a_route_fail_or_change_anything() {
    let app = App::start().await;
    app.set_tier("acme", "pro", [].into()).await;
    let client = app.client();
    let created = client.post("/v1/agents", &an_agent().build()).send().await.expect(201);
    let id = created.text("/id");
    let template = json!({"name": "T", "agent": an_agent().build()});
    let template = client.post("/v1/templates", &template).send().await.expect(201).text("/id");
    let before = state(&client, &id).await;
    for route in all().filter(|route| !matches!(route.body, Body::None)) {
        for (what, body) in bad_bodies() {
            let answer = request(&client, route, &id, &template).body(body).send().await;
            let status = answer.status.as_u16();
            let is_verdict = route.path.ends_with("/validate") && status == 200;
            assert!((400..500).contains(&status) || is_verdict, "{} {what}: {answer}", route.path);
            assert_eq!(state(&client, &id).await, before, "{} {what}", route.path);
        }
    }
}

#[tokio::test]
async fn no_member_s_value_makes_a_creation_fail_or_slip_through() {
    let app = App::start().await;
    let client = app.client();
    let long = "x".repeat(400);
    for (pointer, value) in [
        ("/name", json!("a\u{0}")),
        ("/name", json!("a\u{7f}")),
        ("/name", json!("a\u{85}")),
        ("/name", json!("a\r\n")),
        ("/name", json!("  ")),
        ("/name", json!({"$ne": ""})),
        ("/description", json!("\u{1b}[31m")),
        ("/tags", json!([1])),
        ("/tags", json!([null])),
        ("/tags", json!({"0": "a"})),
        ("/tags", json!(vec!["t"; 17])),
        ("/metadata", json!({"a": 1})),
        ("/metadata", json!({"a": {"b": "c"}})),
        ("/metadata", json!([["a", "b"]])),
        ("/config", json!([{"provider": "anthropic", "id": "claude-haiku-4-5"}])),
        ("/config/model", json!(["anthropic", "claude-haiku-4-5"])),
        ("/config/model/provider", json!("a/b")),
        ("/config/model/id", json!("")),
        ("/config/model/parameters", json!({"temperature": "hot"})),
        ("/config/model/parameters", json!({"temperature": -0.1})),
        ("/config/model/parameters", json!({"max_output_tokens": 4_294_967_296_u64})),
        ("/config/model/parameters", json!({"max_output_tokens": 1.5})),
        ("/config/model/parameters", json!({"seed": 9_223_372_036_854_775_808_u64})),
        ("/config/model/parameters", json!({"reasoning_effort": {"low": null}})),
        ("/config/model/parameters", json!({"stop": vec!["s"; 9]})),
        ("/config/instructions", json!(["a"])),
        ("/config/variables_schema", json!("{}")),
        ("/config/tools", json!([["t"]])),
        ("/config/tools", json!([{"tool_id": ""}])),
        ("/config/tools", json!([{"tool_id": "a/b"}])),
        ("/config/tools", json!([{"tool_id": "a"}, {"tool_id": "a"}])),
        ("/config/mcp_servers", json!([{"name": "m", "url": "javascript:alert(1)"}])),
        ("/config/mcp_servers", json!([{"name": "m", "url": "https://user:secret@example.com"}])),
        ("/config/mcp_servers", json!([{"name": "m", "url": "https://"}])),
        (
            "/config/mcp_servers",
            json!([{"name": "m", "url": "https://example.com", "auth_ref": "Bearer abc"}]),
        ),
        ("/config/memory", json!({"mode": {"window": null}})),
        ("/config/limits", json!([])),
        ("/config/limits", json!({"timeout_s": 0})),
        ("/config/limits", json!({"budget_usd": 0})),
        ("/config/sub_agents", json!([{"id": "agt_x"}])),
        ("/config/robot", json!(long)),
        ("/key", json!("../etc")),
        ("/key", json!(7)),
    ] {
        let mut document = an_agent().build();
        let (parent, member) = pointer.rsplit_once('/').expect("a pointer");
        document.pointer_mut(parent).expect("a parent")[member] = value.clone();
        let answer = client.post("/v1/agents", &document).send().await;
        assert_eq!(answer.status.as_u16(), 422, "{pointer} {value}: {answer}");
        let first = answer.text("/errors/0/pointer");
        assert!(first.starts_with(pointer), "{pointer} {value}: {answer}");
    }
    assert_eq!(client.get("/v1/agents").send().await.json()["items"], json!([]));
}

#[tokio::test]
async fn no_path_query_or_header_makes_a_route_fail() {
    let app = App::start().await;
    let client = app.client();
    let ids = ["%00", "%FF%FE", "%25", "%2e%2e", "a%0d%0ab", "agt_%00", "' OR 1=1", "%7B%7D", "agt_", "🦀"];
    let queries = [
        "?x=1",
        "?limit=1&limit=2",
        "?limit=%00",
        "?cursor=%FF",
        "?fields=%00",
        "?=",
        "?&&",
        "?%zz=1",
        "?limit",
    ];
    for route in all() {
        for id in ids.into_iter().filter(|_| route.path.contains('{')) {
            let encoded: String = id.bytes().map(encode).collect();
            let path = ["{id}", "{key}", "{tool_id}", "{code}"]
                .iter()
                .fold(route.path.to_owned(), |path, name| path.replace(name, &encoded));
            let method: Method = route.method.as_str().parse().expect("a method");
            let outgoing = client.request(method, &path).json(&an_agent().build()).header("if-match", "*");
            let status = outgoing.send().await.status.as_u16();
            assert!((400..500).contains(&status), "{} {id}: {status}", route.path);
        }
        for query in queries {
            let path = format!("{}{query}", route.path.replace(['{', '}'], ""));
            let method: Method = route.method.as_str().parse().expect("a method");
            let status = client.request(method, &path).json(&an_agent().build()).send().await.status.as_u16();
            assert!(status < 500, "{path}: {status}");
        }
    }
    for (name, value) in [
        ("if-match", "\u{e9}"),
        ("if-match", "\"\u{0}\""),
        ("if-none-match", "\"\\\""),
        ("idempotency-key", "\u{e9}"),
        ("content-type", "\u{e9}"),
        ("content-type", ";;;"),
    ] {
        let Ok(value) = http::HeaderValue::from_bytes(value.as_bytes()) else { continue };
        let outgoing = client.post("/v1/agents", &json!({})).raw_header(name, value);
        let status = outgoing.send().await.status.as_u16();
        assert!((400..500).contains(&status), "{name}: {status}");
    }
}

#[tokio::test]
async fn headers_that_make_no_url_and_long_paths_are_no_one_s_failure() {
    let app = App::start().await;
    for (name, value) in
        [("host", "["), ("host", "a b"), ("x-forwarded-proto", ""), ("x-forwarded-proto", "1")]
    {
        app.client().get("/v1/agents").header(name, value).send().await.expect(200);
    }
    app.client().get(&format!("/v1/agents?x={}", "'".repeat(30_000))).send().await.expect(400);
    app.client().get(&format!("/problems/{}", "a".repeat(9_000))).send().await.expect(404);
}

#[tokio::test]
async fn a_header_that_is_sent_twice_counts_twice() {
    let app = App::start().await;
    let client = app.client();
    let create = || client.post("/v1/agents", &an_agent().build()).header("idempotency-key", "a");
    create().also_header("idempotency-key", "b").send().await.expect(400);
    let path = create().send().await.expect(201).header("location").expect("a location").to_owned();
    let delete = client.request(Method::DELETE, &path).header("if-match", "\"1\"");
    delete.also_header("if-match", "\"7\"").send().await.expect(204);
    let token = client.get("/v1/agents").also_header("authorization", "Bearer other");
    token.send().await.expect(401);
}

#[tokio::test]
async fn what_is_wrong_a_hundred_thousand_times_is_told_in_a_short_answer() {
    let app = App::start().await;
    let long = format!("{{\"{}\":[{}\"x\"]}}", "n".repeat(150_000), "\"\u{7f}\",".repeat(40_000));
    let controls = format!("{{\"n\":[{}\"x\"]}}", "\"\u{7f}\",".repeat(60_000));
    let tags = an_agent().with("tags", json!(vec![""; 100_000])).build().to_string();
    let tools: Vec<_> = (0..9_000).map(|_| json!({"tool_id": ""})).collect();
    let tools = an_agent().configured("tools", json!(tools)).build().to_string();
    // As many as a list may have: each is judged, and two rules are broken by most.
    let judged = an_agent().configured("tools", json!(vec![json!({"tool_id": "", "version": ""}); 256]));
    let judged = judged.build().to_string();
    let members = (0..30_000).map(|index| format!("\"m{index}\":1,")).collect::<Vec<_>>().concat();
    let members = format!("{{{members}\"name\":\"a\"}}");
    for body in [long, controls, tags, tools, judged, members] {
        assert!(body.len() < 384 * 1024, "{}", body.len());
        let answer =
            app.client().post("/v1/agents", &json!(null)).body(body.clone()).send().await.expect(422);
        assert!(answer.body.len() < 256 * 1024, "{} bytes", answer.body.len());
        let listed = answer.json()["errors"].as_array().map_or(0, Vec::len);
        assert!((1..=100).contains(&listed), "{listed} violations");
        let patch = app.client().request(Method::PATCH, "/v1/agents/agt_00000000000000000000000000");
        patch
            .json(&json!(null))
            .header("content-type", "application/merge-patch+json")
            .header("if-match", "*")
            .body(body)
            .send()
            .await
            .expect(404);
    }
}

/// A byte of a path: what a URI can't hold is encoded, what is encoded stays.
fn encode(byte: u8) -> String {
    if byte.is_ascii_graphic() { char::from(byte).to_string() } else { format!("%{byte:02X}") }
}

/// All that a bad request could have changed.
async fn state(client: &Client<'_>, id: &str) -> [Value; 5] {
    let agent = client.get(&format!("/v1/agents/{id}")).send().await.expect(200).json();
    let list = client.get("/v1/agents?limit=100").send().await.expect(200).json();
    let usage = client.get("/v1/usage").send().await.expect(200).json();
    let templates = client.get("/v1/templates?visibility=private").send().await.expect(200).json();
    let jobs = client.get("/v1/jobs").send().await.expect(200).json();
    [agent, list, usage, templates, jobs]
}
