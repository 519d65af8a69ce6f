//! The local host through its socket: what it keeps, what it controls, whom it answers.

use std::path::Path;

use local::cli::Options;
use local::server::{Running, start};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn options(data: &Path) -> Options {
    Options { port: 0, data: data.to_owned(), cors_origins: Vec::new(), ephemeral: false }
}

fn address(host: &Running) -> &str {
    host.base_url.trim_start_matches("http://")
}

/// Sends a request with these lines of headers, and gives the status and the body.
async fn send(host: &Running, method: &str, path: &str, headers: &[&str], body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address(host)).await.expect("it listens");
    let mut request =
        format!("{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    if !headers.iter().any(|header| header.starts_with("Host:")) {
        request.push_str(&format!("Host: {}\r\n", address(host)));
    }
    for header in headers {
        request.push_str(&format!("{header}\r\n"));
    }
    stream.write_all(format!("{request}\r\n{body}").as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer in UTF-8");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, body.to_owned())
}

async fn token(host: &Running, said: &Value) -> String {
    let (status, body) = send(host, "POST", "/_local/token", &[], &said.to_string()).await;
    assert_eq!(status, 200, "{body}");
    let answer: Value = serde_json::from_str(&body).expect("JSON");
    format!("Authorization: Bearer {}", answer["token"].as_str().expect("a token"))
}

const AN_AGENT: &str = r#"{"name":"A","config":{"model":{"provider":"anthropic","id":"claude-haiku-4-5"}}}"#;
const JSON: &str = "Content-Type: application/json";

#[tokio::test]
async fn agents_and_tokens_outlive_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let host = start(&options(folder.path())).await.expect("it starts");
    let token = token(&host, &json!({"tenant": "acme"})).await;
    let (status, created) = send(&host, "POST", "/v1/agents", &[&token, JSON], AN_AGENT).await;
    assert_eq!(status, 201, "{created}");
    let created: Value = serde_json::from_str(&created).expect("JSON");
    host.stop().await.expect("it stops");
    let host = start(&options(folder.path())).await.expect("it starts again");
    let path = format!("/v1/agents/{}", created["id"].as_str().expect("an id"));
    let (status, got) = send(&host, "GET", &path, &[&token], "").await;
    assert_eq!((status, serde_json::from_str::<Value>(&got).expect("JSON")), (200, created));
    host.stop().await.expect("it stops");
}

#[tokio::test]
async fn one_process_has_the_data_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = start(&options(folder.path())).await.expect("it starts");
    let second = start(&options(folder.path())).await.expect_err("the folder is taken");
    assert!(second.contains("--data"), "{second}");
    first.stop().await.expect("it stops");
    start(&options(folder.path())).await.expect("it starts").stop().await.expect("it stops");
}

#[tokio::test]
async fn the_signing_key_is_its_owner_s_alone() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().expect("a folder");
    start(&options(folder.path())).await.expect("it starts").stop().await.expect("it stops");
    let mode = std::fs::metadata(folder.path().join("issuer.pk8")).expect("the key").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn the_banner_has_a_good_token_for_each_tier() {
    let folder = tempfile::tempdir().expect("a folder");
    let host = start(&options(folder.path())).await.expect("it starts");
    for tier in ["free", "pro", "enterprise"] {
        let line =
            host.banner.lines().find_map(|line| line.trim().strip_prefix(tier)).expect("a line per tier");
        let header = format!("Authorization: Bearer {}", line.trim());
        let (status, body) = send(&host, "GET", "/v1/entitlements", &[&header], "").await;
        assert_eq!(status, 200, "{body}");
        let entitlements: Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!(entitlements["tier"], tier);
    }
    host.stop().await.expect("it stops");
}

#[tokio::test]
async fn control_answers_a_loopback_host_without_a_foreign_origin_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let host = start(&options(folder.path())).await.expect("it starts");
    let own = format!("Origin: {}", host.base_url);
    for headers in [vec![], vec![own.as_str()], vec!["Host: localhost:1"], vec!["Host: [::1]:9400"]] {
        assert_eq!(send(&host, "GET", "/_local", &headers, "").await.0, 200, "{headers:?}");
    }
    for headers in [
        vec!["Host: evil.example.com"],
        vec!["Host: 127.0.0.1.evil.example.com"],
        vec!["Host: localhost@evil.example.com"],
        vec!["Host:"],
        vec!["Origin: https://evil.example.com"],
        vec!["Origin: null"],
        vec!["Origin: http://localhost:1"],
    ] {
        for (method, path) in [
            ("GET", "/_local"),
            ("POST", "/_local/token"),
            ("POST", "/_local/dynamodb"),
            ("PUT", "/_local/tenants/a"),
        ] {
            let (status, body) = send(&host, method, path, &headers, r#"{"tenant":"a"}"#).await;
            assert_eq!(status, 404, "{method} {path} {headers:?} {body}");
        }
    }
    host.stop().await.expect("it stops");
}

#[tokio::test]
async fn tiers_and_the_clock_are_set_through_control() {
    let folder = tempfile::tempdir().expect("a folder");
    let host = start(&options(folder.path())).await.expect("it starts");
    let token = token(&host, &json!({"tenant": "acme", "ttl_s": 100})).await;
    let tier = async || {
        let (status, body) = send(&host, "GET", "/v1/entitlements", &[&token], "").await;
        (status, serde_json::from_str::<Value>(&body).expect("JSON")["tier"].clone())
    };
    assert_eq!(tier().await, (200, json!("free")));
    let said = r#"{"tier":"pro","overrides":{"requests_per_minute":null}}"#;
    assert_eq!(send(&host, "PUT", "/_local/tenants/acme", &[], said).await.0, 200);
    assert_eq!(tier().await, (200, json!("pro")));
    assert_eq!(send(&host, "POST", "/_local/clock", &[], r#"{"advance_s":100}"#).await.0, 200);
    assert_eq!(tier().await.0, 401, "the token has expired");
    for (method, path, said) in [
        ("PUT", "/_local/tenants/acme", r#"{"tier":"gold"}"#),
        ("PUT", "/_local/tenants/acme", r#"{"tier":"pro","overrides":{"robots":1}}"#),
        ("POST", "/_local/clock", r#"{"advance_s":-1}"#),
        ("POST", "/_local/clock", r#"{"advance_s":99999999999}"#),
        ("POST", "/_local/token", r#"{"tenant":"a#b"}"#),
        ("POST", "/_local/token", r#"{"tenant":"a","robot":1}"#),
    ] {
        assert_eq!(send(&host, method, path, &[], said).await.0, 422, "{path} {said}");
    }
    host.stop().await.expect("it stops");
}

#[tokio::test]
async fn the_reference_and_the_table_are_served() {
    let folder = tempfile::tempdir().expect("a folder");
    let host = start(&options(folder.path())).await.expect("it starts");
    for (path, part) in
        [("/docs", "<html"), ("/docs/docs.js", "openapi.json"), ("/docs/docs.css", "color-scheme")]
    {
        let (status, body) = send(&host, "GET", path, &[], "").await;
        assert!(status == 200 && body.contains(part), "{path}: {status}");
    }
    let target = "X-Amz-Target: DynamoDB_20120810.DescribeTable";
    let (status, body) =
        send(&host, "POST", "/_local/dynamodb/", &[target], r#"{"TableName":"agent-management"}"#).await;
    let table: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!((status, &table["Table"]["GlobalSecondaryIndexes"].as_array().map(Vec::len)), (200, &Some(2)));
    host.stop().await.expect("it stops");
}

#[tokio::test]
async fn a_body_over_the_gateway_s_limit_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let host = start(&options(folder.path())).await.expect("it starts");
    let token = token(&host, &json!({"tenant": "acme"})).await;
    let large = " ".repeat(384 * 1024 + 1);
    let (status, body) = send(&host, "POST", "/v1/agents", &[&token, JSON], &large).await;
    assert!(status == 413 && body.contains("payload_too_large"), "{status} {body}");
    host.stop().await.expect("it stops");
}
