//! The service under test and clients of it.

use std::time::Duration;

use agent_management::clock::Clock;
use agent_management::dynamo::keys;
use agent_management::http::cors::Cors;
use agent_management::http::routes::{self, Found};
use agent_management::id::TenantId;
use agent_management::tenant;
use agent_management::tier::Overrides;
use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request};
use jiff::Timestamp;
use local::clients::{ClientOf, ConnectorOf};
use local::host::{Host, Parts};
use local::issuer::{Issuer, TokenRequest};
use local::mapping::Turn;
use local::table;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::recorder::Recorder;

/// The tenant that most tests are.
pub const TENANT: &str = "acme";

/// The service, with what tests control of it.
#[derive(Debug)]
pub struct App {
    pub host: Host,
    pub recorder: Recorder,
    pub clock: Clock,
}

impl App {
    /// An empty service at the start of 2026.
    pub async fn start() -> Self {
        Self::start_admitting(&[]).await
    }

    /// The same, for scripts of these origins too.
    pub async fn start_admitting(origins: &[&str]) -> Self {
        let clock = Clock::manual("2026-01-01T00:00:00Z".parse::<Timestamp>().expect("a fixed text"));
        let engine = table::open_memory().expect("an empty database opens");
        let recorder = Recorder::new(engine.clone());
        let issuer = Issuer::ephemeral().expect("a random source");
        let mut parts = Parts::new(engine, issuer, clock.clone()).expect("queues in memory");
        let (table, sockets, sends) = (recorder.clone(), recorder.clone(), recorder.clone());
        let (hub, queues, bucket) = (parts.hub.clone(), parts.queues.clone(), parts.bucket.clone());
        let files = recorder.clone();
        parts.files_connector =
            ConnectorOf::new(move |function| files.of(function).connector_before(bucket.clone()));
        parts.table_client = ClientOf::new(move |function| table.of(function).http_client());
        parts.sockets_client = ClientOf::new(move |function| sockets.of(function).before(hub.clone()));
        parts.queues_client = ClientOf::new(move |function| sends.of(function).before(queues.clone()));
        parts.cors = Cors::admitting(origins.iter().copied()).expect("tests admit origins");
        let host = Host::new(parts).await.expect("the embedded tiers are good");
        Self { host, recorder, clock }
    }

    /// Lets the stream bring everything that was written so far.
    pub async fn settle(&self) {
        loop {
            for mapping in [&self.host.fanout, &self.host.indexer] {
                let mut turns = 0..10_000;
                while mapping.turn().await.expect("the stream can be read") != Turn::Idle {
                    assert!(turns.next().is_some(), "the stream does not settle");
                }
            }
            // What the stream brings may start a job, and what a job does comes by the stream.
            if self.host.jobs.turn().await.expect("the queue can be read") == Turn::Idle {
                return;
            }
        }
    }

    /// A client of [`TENANT`] with every scope.
    pub fn client(&self) -> Client<'_> {
        self.client_of(TENANT)
    }

    pub fn client_of(&self, tenant: &str) -> Client<'_> {
        self.client_with(&TokenRequest::for_tenant(tenant))
    }

    pub fn client_with(&self, token: &TokenRequest) -> Client<'_> {
        let token = self.host.issuer.token(token, self.clock.now());
        Client { app: self, authorization: Some(format!("Bearer {token}")) }
    }

    /// A client that sends this Authorization header, or none.
    pub fn client_sending(&self, authorization: Option<&str>) -> Client<'_> {
        Client { app: self, authorization: authorization.map(str::to_owned) }
    }

    /// Puts the tenant on `tier` past the stream, as if it had always been there, and lets the authorizer's
    /// cache forget it. What the tenant is told of such a change is for [`Host::entitle`].
    pub async fn set_tier(&self, tenant: &str, tier: &str, overrides: Overrides) {
        let tenant: TenantId = tenant.parse().expect("a tenant");
        let store = &self.host.store;
        let known = tenant::store::get(store, &tenant).await.expect("readable").unwrap_or_default();
        let rev = known.entitlements.map_or(1, |entitlements| entitlements.rev + 1);
        let place = keys::tenant_in_index(&tenant);
        let key = keys::tenant(&tenant);
        let mut item = self.item(&key.pk, &key.sk).unwrap_or_else(|| json!({}));
        let overrides = serde_json::to_string(&overrides).expect("JSON");
        for (name, value) in [("PK", key.pk), ("SK", key.sk), ("GSI2PK", place.pk), ("GSI2SK", place.sk)] {
            item[name] = json!({"S": value});
        }
        item["entity"] = json!({"S": "tenant"});
        item["tier"] = json!({"S": tier});
        item["overrides"] = json!({"S": overrides});
        item["entitlements_rev"] = json!({"N": rev.to_string()});
        let item = serde_json::from_value(item).expect("an item");
        self.host.engine.import(vec![item]).expect("imported");
        self.host.gateway.forget(&tenant);
    }

    /// A client of another user of [`TENANT`].
    pub fn client_as(&self, user: &str) -> Client<'_> {
        self.client_with(&TokenRequest { user: Some(user.to_owned()), ..TokenRequest::for_tenant(TENANT) })
    }

    /// What an item of the table has, by its keys.
    pub fn item(&self, pk: &str, sk: &str) -> Option<Value> {
        let key = json!({"PK": {"S": pk}, "SK": {"S": sk}});
        let request = json!({"TableName": table::TABLE_NAME, "Key": key});
        let (_, answer) = self.host.engine.call("GetItem", &request.to_string());
        let answer: Value = serde_json::from_str(&answer).expect("the engine answers JSON");
        answer.get("Item").cloned()
    }

    /// The sort keys of a partition that begin with `prefix`.
    pub fn sort_keys(&self, pk: &str, prefix: &str) -> Vec<String> {
        let request = json!({
            "TableName": table::TABLE_NAME,
            "KeyConditionExpression": "PK = :pk AND begins_with(SK, :prefix)",
            "ExpressionAttributeValues": {":pk": {"S": pk}, ":prefix": {"S": prefix}},
        });
        let (_, answer) = self.host.engine.call("Query", &request.to_string());
        let answer: Value = serde_json::from_str(&answer).expect("the engine answers JSON");
        let items = answer["Items"].as_array().cloned().unwrap_or_default();
        items.iter().map(|item| item["SK"]["S"].as_str().expect("a key").to_owned()).collect()
    }

    /// Breaks the stored head of an agent of [`TENANT`], as a defect would.
    ///
    /// # Panics
    /// When there is no such agent.
    pub fn spoil(&self, id: &str) {
        let request = json!({
            "TableName": table::TABLE_NAME,
            "Key": {"PK": {"S": format!("T#{TENANT}#A#{id}")}, "SK": {"S": "#H"}},
            "UpdateExpression": "SET config = :no, rev = rev + :one",
            "ExpressionAttributeValues": {":no": {"S": "{"}, ":one": {"N": "1"}},
        });
        let (status, answer) = self.host.engine.call("UpdateItem", &request.to_string());
        assert_eq!(status, 200, "{answer}");
    }

    /// What a signed URL answers: its status and the file. Whose role signed it is the function's.
    pub async fn fetch(&self, function: &'static str, url: &str) -> (u16, Vec<u8>) {
        self.send_signed(function, "GET", url, &[], Vec::new()).await
    }

    /// Posts a file by a form, as an upload's answer has it. The status.
    pub async fn upload(&self, form: &Value, file: &[u8]) -> (u16, Vec<u8>) {
        let boundary = "a-boundary-that-is-in-no-file";
        let mut body = Vec::new();
        for (name, value) in form["fields"].as_object().expect("fields") {
            let value = value.as_str().expect("a text");
            let part =
                format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
            body.extend(part.into_bytes());
        }
        let part =
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n");
        body.extend(part.into_bytes());
        body.extend(file);
        body.extend(format!("\r\n--{boundary}--\r\n").into_bytes());
        let content_type = format!("multipart/form-data; boundary={boundary}");
        let url = form["url"].as_str().expect("a URL");
        self.send_signed("jobs", "POST", url, &[("content-type", &content_type)], body).await
    }

    async fn send_signed(
        &self,
        function: &'static str,
        method: &str,
        url: &str,
        headers: &[(&'static str, &str)],
        body: Vec<u8>,
    ) -> (u16, Vec<u8>) {
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.set_method(method).expect("a method");
        request.set_uri(url).expect("a URL");
        for (name, value) in headers {
            request.headers_mut().insert(*name, (*value).to_owned());
        }
        let connector = self.recorder.of(function).connector_before(self.host.bucket.clone());
        let response = connector.call(request).await.expect("the bucket answers");
        let status = response.status().as_u16();
        let body = response.into_body();
        (status, body.bytes().map(<[u8]>::to_vec).unwrap_or_default())
    }

    pub fn advance(&self, step: Duration) {
        self.clock.advance(step);
    }
}

/// Someone who sends requests.
#[derive(Debug, Clone)]
pub struct Client<'app> {
    app: &'app App,
    authorization: Option<String>,
}

impl<'app> Client<'app> {
    pub fn get(&self, path: &str) -> Outgoing<'app> {
        self.request(Method::GET, path)
    }

    pub fn post(&self, path: &str, body: &Value) -> Outgoing<'app> {
        self.request(Method::POST, path).json(body)
    }

    /// A merge patch of whatever is there.
    pub fn patch(&self, path: &str, body: &Value) -> Outgoing<'app> {
        let patch = self.request(Method::PATCH, path).json(body);
        patch.header("content-type", "application/merge-patch+json").header("if-match", "*")
    }

    /// A put over whatever is there.
    pub fn put(&self, path: &str, body: &Value) -> Outgoing<'app> {
        self.request(Method::PUT, path).json(body).header("if-match", "*")
    }

    pub fn delete(&self, path: &str) -> Outgoing<'app> {
        self.request(Method::DELETE, path).header("if-match", "*")
    }

    pub fn request(&self, method: Method, path: &str) -> Outgoing<'app> {
        let mut request = Request::new(Bytes::new());
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().expect("tests send paths that are URIs");
        let outgoing = Outgoing { app: self.app, request };
        match &self.authorization {
            Some(authorization) => outgoing.header("authorization", authorization),
            None => outgoing,
        }
    }
}

/// A request that has not been sent yet.
#[derive(Debug)]
pub struct Outgoing<'app> {
    app: &'app App,
    request: Request<Bytes>,
}

impl Outgoing<'_> {
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        let value = HeaderValue::from_str(value).expect("tests send valid headers");
        self.request.headers_mut().insert(HeaderName::from_static(name), value);
        self
    }

    /// The header once more, beside those that are there.
    pub fn also_header(mut self, name: &'static str, value: &str) -> Self {
        let value = HeaderValue::from_str(value).expect("tests send valid headers");
        self.request.headers_mut().append(HeaderName::from_static(name), value);
        self
    }

    pub fn raw_header(mut self, name: &'static str, value: HeaderValue) -> Self {
        self.request.headers_mut().insert(HeaderName::from_static(name), value);
        self
    }

    pub fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        *self.request.body_mut() = body.into();
        self
    }

    pub async fn send(self) -> Answer {
        let (method, path) = (self.request.method().clone(), self.request.uri().path().to_owned());
        let answer = Answer::new(self.app.host.gateway.answer(self.request).await);
        assert_documented(&method, &path, &answer);
        answer
    }
}

/// Every answer of every test is one that the route table names: its status, or its problem's code.
fn assert_documented(method: &Method, path: &str, answer: &Answer) {
    let Found::Route((route, _)) = routes::find(method.as_str(), path) else {
        return;
    };
    if answer.header("content-type") == Some("application/problem+json") {
        let code = answer.text("/code");
        let is_known = route.problems().iter().any(|problem| problem.as_str() == code);
        assert!(is_known, "{method} {} does not name {code}: {answer}", route.path);
    } else {
        let status = answer.status.as_u16();
        let is_known = route.answers.iter().any(|known| known.status == status);
        assert!(is_known, "{method} {} does not name {status}: {answer}", route.path);
    }
}
