//! Uploads: a form is good for one file of one tenant, and what is sent is judged when it is imported. What is asked
//! for and may not be is here, too.

use harness::an_agent;
use serde_json::{Value, json};

use super::{
    IMPORTS, JOBS, UPLOADS, assert_refused, begin_upload, export, export_of, fetch, file_at, import,
    import_of, send, text, upload,
};
use crate::cases::rest_templates::pointers;
use crate::cases::{Case, case};
use crate::client::Client;
use crate::context::{Context, USER};
use crate::openapi::UNKNOWN_ID;
use crate::target::Kind;

/// The greatest file that is taken.
const UPLOAD_MAX_BYTES: usize = 64 * 1024 * 1024;
/// Every scope that files have to do with.
const SCOPES: [&str; 7] = [
    "agents:read",
    "agents:write",
    "agents:publish",
    "templates:read",
    "templates:write",
    "jobs:read",
    "jobs:write",
];

pub fn cases() -> Vec<Case> {
    vec![
        case!(a_form_is_taken_as_it_was_signed),
        case!(a_file_over_the_bound_is_not_taken)
            .not_on(Kind::Aws, "64 MiB may take longer than the suite waits for an answer"),
        case!(an_upload_is_its_tenant_s_own),
        case!(a_dry_run_of_an_upload_writes_where_each_leaf_goes),
        case!(what_is_no_export_or_upload_is_refused_and_pointed_at),
        case!(files_need_the_scopes_of_what_is_in_them),
    ]
}

/// Checks that nothing can be made of an upload, and why.
async fn assert_fails(context: &Context, client: &Client, upload_id: &Value, code: &str) {
    let (job, _) = import(context, client, upload_id, &json!({})).await;
    assert_eq!((&job["state"], &job["problem"]["code"]), (&json!("failed"), &json!(code)), "{job}");
}

/// The form with another value of a field.
fn with_field(form: &Value, name: &str, value: &str) -> Value {
    let mut form = form.clone();
    form["fields"][name] = json!(value);
    form
}

async fn a_form_is_taken_as_it_was_signed(context: &Context) {
    let client = context.client().await;
    let form = begin_upload(&client).await;
    let key = text(&form["fields"], "key");
    let (another, other_s) = (format!("{key}0"), key.replace(client.tenant.as_str(), "other"));
    let mut unsigned = form.clone();
    unsigned["fields"].as_object_mut().expect("fields").remove("x-amz-signature");
    for (what, changed) in [
        ("another key", with_field(&form, "key", &another)),
        ("another tenant's", with_field(&form, "key", &other_s)),
        ("a field more", with_field(&form, "acl", "public-read")),
        ("no signature", unsigned),
    ] {
        assert_ne!(changed, form, "{what}");
        assert_refused(&send(context, &changed, b"[]").await, what);
    }
    assert_refused(&send(context, &form, b"").await, "nothing is no file");
    assert_fails(context, &client, &form["id"], "upload_missing").await;
    send(context, &form, b"[]").await.expect(204);
    let (job, _) = import(context, &client, &form["id"], &json!({})).await;
    assert_eq!((&job["state"], &job["total"]), (&json!("succeeded"), &json!(0)), "{job}");
}

async fn a_file_over_the_bound_is_not_taken(context: &Context) {
    let client = context.client().await;
    let form = begin_upload(&client).await;
    assert_eq!(form["max_bytes"], UPLOAD_MAX_BYTES);
    let answer = send(context, &form, &vec![b' '; UPLOAD_MAX_BYTES + 1]).await;
    assert_refused(&answer, "a byte too many");
    assert_fails(context, &client, &form["id"], "upload_missing").await;
}

async fn an_upload_is_its_tenant_s_own(context: &Context) {
    let (client, other) = (context.client().await, context.client().await);
    let form = begin_upload(&client).await;
    for (file, code) in [
        (b"{".as_slice(), "malformed_body"),
        (b"\xff\xfe\0".as_slice(), "malformed_body"),
        (br#"{"id": "x"}"#.as_slice(), "validation_failed"),
    ] {
        // What is sent later takes the place of what was sent before.
        send(context, &form, file).await.expect(204);
        assert_fails(context, &client, &form["id"], code).await;
    }
    let agent = an_agent().build().to_string();
    send(context, &form, agent.as_bytes()).await.expect(204);
    assert_fails(context, &other, &form["id"], "upload_missing").await;
    let (job, _) = import(context, &client, &form["id"], &json!({})).await;
    assert_eq!((&job["state"], &job["outcomes"]["changed"]), (&json!("succeeded"), &json!(1)), "{job}");
    assert_eq!((client.used().await, other.used().await), (1, 0));
}

async fn a_dry_run_of_an_upload_writes_where_each_leaf_goes(context: &Context) {
    let client = context.client().await;
    let lines = ["One", "Two"].map(|name| an_agent().named(name).build().to_string());
    let sent = upload(context, &client, lines.join("\n").as_bytes()).await;
    let (job, items) = import(context, &client, &sent, &json!({"dry_run": true})).await;
    assert_eq!((&job["state"], &job["outcomes"]["changed"]), (&json!("succeeded"), &json!(2)), "{job}");
    assert_eq!((&job["file"]["name"], items.len()), (&json!("fidelity.ndjson"), 2), "{job}");
    let report = fetch(context, &client, &job).await;
    let told = report.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    for (index, told) in told.enumerate() {
        assert_eq!(told["record"], format!("/{index}"));
        let mapped = told["fidelity"]["mapped"].as_array().expect("entries");
        let mut from: Vec<_> = mapped.iter().map(|entry| text(entry, "from")).collect();
        from.sort_unstable();
        let leaves = ["/config/instructions", "/config/model/id", "/config/model/provider", "/name"];
        assert_eq!(from, leaves, "{told}");
    }
    assert_eq!((report.lines().count(), client.used().await), (2, 0));
    let (job, _) = import(context, &client, &sent, &json!({})).await;
    assert_eq!((&job["outcomes"]["changed"], &job["file"]), (&json!(2), &json!(null)), "{job}");
    assert_eq!(client.used().await, 2);
}

async fn what_is_no_export_or_upload_is_refused_and_pointed_at(context: &Context) {
    let client = context.client().await;
    let form = begin_upload(&client).await;
    let id = &form["id"];
    let archive = json!({"kind": "archive_agents", "selector": {"filter": {}}, "versions": true});
    let no_file = json!({"format": "agent_management"});
    let two_files = json!({"format": "agent_management", "upload_id": id, "content": []});
    for (path, said, pointer) in [
        (JOBS, export_of(&json!({"format": "csv"})), "/format"),
        (JOBS, export_of(&json!({"versions": 1})), "/versions"),
        (JOBS, export_of(&json!({"templates": "yes"})), "/templates"),
        (JOBS, export_of(&json!({"selector": {}})), "/selector"),
        (JOBS, export_of(&json!({"dry_run": true})), "/dry_run"),
        (JOBS, export_of(&json!({"max_failures": 1})), "/max_failures"),
        (JOBS, export_of(&json!({"wave_size": 1})), "/wave_size"),
        (JOBS, export_of(&json!({"patch": {}})), "/patch"),
        (JOBS, archive, "/versions"),
        (UPLOADS, json!({"robot": 1}), "/robot"),
        (UPLOADS, json!([]), ""),
        (IMPORTS, no_file, "/content"),
        (IMPORTS, two_files, "/upload_id"),
        (IMPORTS, import_of(&json!("upl_1"), &json!({})), "/upload_id"),
        (IMPORTS, import_of(&json!(UNKNOWN_ID), &json!({})), "/upload_id"),
        (IMPORTS, import_of(id, &json!({"versions": 1})), "/versions"),
        (IMPORTS, import_of(id, &json!({"templates": "yes"})), "/templates"),
    ] {
        let refused = client.post(path, &said).send().await.problem(422, "validation_failed");
        assert_eq!(pointers(&refused["errors"]), [pointer], "{said}");
    }
    client.post(&format!("{UPLOADS}?x=1"), &json!({})).send().await.problem(400, "invalid_parameter");
    client.post(UPLOADS, &json!({})).body("{").send().await.problem(400, "malformed_body");
}

async fn files_need_the_scopes_of_what_is_in_them(context: &Context) {
    let client = context.client().await;
    let with_all_but = async |scope: &str| {
        let scopes: Vec<_> = SCOPES.iter().filter(|other| **other != scope).collect();
        context.client_with(&json!({"tenant": client.tenant, "user": USER, "scopes": scopes})).await
    };
    let sent = upload(context, &client, an_agent().build().to_string().as_bytes()).await;
    for (scope, path, said) in [
        ("agents:read", JOBS, export_of(&json!({}))),
        ("templates:read", JOBS, export_of(&json!({"templates": true}))),
        ("agents:write", UPLOADS, json!({})),
        ("agents:write", IMPORTS, import_of(&sent, &json!({}))),
        ("agents:publish", IMPORTS, import_of(&sent, &json!({"versions": true}))),
        ("templates:write", IMPORTS, import_of(&sent, &json!({"templates": true}))),
    ] {
        let refused = with_all_but(scope).await.post(path, &said).send().await;
        let problem = refused.problem(403, "insufficient_scope");
        assert!(text(&problem, "detail").contains(scope), "{refused}");
    }
    // What is not asked for needs none.
    let writer = with_all_but("agents:publish").await;
    let (job, _) = import(context, &writer, &sent, &json!({"templates": true})).await;
    assert_eq!(job["outcomes"]["changed"], 1, "{job}");
    let (job, _) = export(context, &client, &json!({"selector": {"ids": [UNKNOWN_ID]}})).await;
    for scope in ["agents:read", "jobs:read"] {
        let refused = with_all_but(scope).await.get(&file_at(&job)).send().await;
        let problem = refused.problem(403, "insufficient_scope");
        assert!(text(&problem, "detail").contains(scope), "{refused}");
    }
    let reader = json!({"tenant": client.tenant, "user": USER, "scopes": ["agents:read", "jobs:read"]});
    fetch(context, &context.client_with(&reader).await, &job).await;
}
