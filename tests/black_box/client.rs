//! Someone who uses the service: a tenant's user with a token, or nobody in particular.

use harness::an_agent;
use serde_json::{Value, json};

use crate::context::{Context, eventually};
use crate::http::{Answer, Sent};
use crate::socket::Socket;

pub const MERGE: &str = "application/merge-patch+json";
pub const OPERATIONS: &str = "application/json-patch+json";

#[derive(Debug, Clone)]
pub struct Client {
    context: Context,
    pub tenant: String,
    /// The Authorization header, if it sends one.
    pub authorization: Option<String>,
}

impl Client {
    pub fn new(context: Context, tenant: &str, authorization: Option<&str>) -> Self {
        Self { context, tenant: tenant.to_owned(), authorization: authorization.map(str::to_owned) }
    }

    /// The same, with another Authorization header.
    pub fn sending(&self, authorization: &str) -> Self {
        Self { authorization: Some(authorization.to_owned()), ..self.clone() }
    }

    /// A request for a path of the service, or for a whole URL.
    pub fn request(&self, method: &str, at: &str) -> Outgoing {
        let outgoing = Outgoing { context: self.context.clone(), sent: Sent::new(method, at) };
        match &self.authorization {
            Some(authorization) => outgoing.header("authorization", authorization),
            None => outgoing,
        }
    }

    pub fn get(&self, at: &str) -> Outgoing {
        self.request("GET", at)
    }

    pub fn post(&self, at: &str, body: &Value) -> Outgoing {
        self.request("POST", at).json(body)
    }

    pub fn put(&self, at: &str, body: &Value) -> Outgoing {
        self.request("PUT", at).json(body)
    }

    /// A PATCH, without a precondition.
    pub fn patch(&self, at: &str, media_type: &str, body: &Value) -> Outgoing {
        self.request("PATCH", at).header("content-type", media_type).body(body.to_string())
    }

    /// A merge patch of whatever is there.
    pub fn merge(&self, at: &str, body: &Value) -> Outgoing {
        self.patch(at, MERGE, body).header("if-match", "*")
    }

    /// A DELETE of whatever is there.
    pub fn delete(&self, at: &str) -> Outgoing {
        self.request("DELETE", at).header("if-match", "*")
    }

    /// Creates an agent and gives it.
    pub async fn create(&self, document: &Value) -> Value {
        self.post("/v1/agents", document).send().await.expect(201).json()
    }

    /// Creates an agent and gives its path.
    pub async fn create_at(&self, document: &Value) -> String {
        path_of(&self.create(document).await)
    }

    /// Creates an agent and publishes it with each of these instructions: its path, and the versions.
    pub async fn create_published(&self, instructions: &[&str]) -> (String, Vec<u64>) {
        let path = self.create_at(&an_agent().build()).await;
        let mut versions = Vec::new();
        for text in instructions {
            self.instruct(&path, text).await;
            versions.push(self.publish(&path).await);
        }
        (path, versions)
    }

    /// Gives an agent other instructions.
    pub async fn instruct(&self, path: &str, text: &str) {
        self.merge(path, &json!({"config": {"instructions": text}})).send().await.expect(200);
    }

    /// Makes a version of an agent's draft and gives its number.
    pub async fn publish(&self, path: &str) -> u64 {
        let published = self.request("POST", &format!("{path}/publish")).send().await.expect(201).json();
        published["version"]["version"].as_u64().expect("a number")
    }

    /// What an agent resolves to, once it is this version: what `live` leads to is read from a copy.
    pub async fn resolved(&self, path: &str, version: u64) -> Answer {
        eventually("the version that live leads to", async || {
            let answer = self.get(&format!("{path}/resolved")).send().await;
            (answer.status == 200 && answer.json()["version"] == version).then_some(answer)
        })
        .await
    }

    /// How many agents count.
    pub async fn used(&self) -> u64 {
        let usage = self.get("/v1/usage").send().await.expect(200).json();
        usage["agents"]["used"].as_u64().expect("a number")
    }

    /// The tenant's events, once there are as many.
    pub async fn events(&self, count: usize) -> Vec<Value> {
        eventually("that many events", async || {
            let events = self.get("/v1/events?limit=100").send().await.expect(200).items();
            (events.len() >= count).then_some(events)
        })
        .await
    }

    pub async fn ticket(&self) -> String {
        let answer = self.request("POST", "/v1/ws-tickets").send().await;
        answer.expect(201).text("/ticket")
    }

    /// Asks for a socket with a new ticket.
    pub async fn try_socket(&self) -> Result<Socket, u16> {
        let ticket = self.ticket().await;
        self.context.handshake(&format!("?ticket={ticket}"), None).await
    }

    pub async fn socket(&self) -> Socket {
        match self.try_socket().await {
            Ok(socket) => socket,
            Err(status) => panic!("the handshake is refused with {status}"),
        }
    }

    /// A socket, once the tier has room for it.
    pub async fn socket_when_free(&self) -> Socket {
        eventually("a place for a socket", async || match self.try_socket().await {
            Ok(socket) => Some(socket),
            Err(403) => None,
            Err(status) => panic!("the handshake is refused with {status}"),
        })
        .await
    }
}

/// The path of an agent.
pub fn path_of(agent: &Value) -> String {
    format!("/v1/agents/{}", id_of(agent))
}

pub fn id_of(agent: &Value) -> &str {
    agent["id"].as_str().expect("an agent's id")
}

/// A request that has not been sent yet.
#[derive(Debug, Clone)]
pub struct Outgoing {
    context: Context,
    sent: Sent,
}

impl Outgoing {
    /// One more header, also where one of that name is there.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.sent.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.sent.body = body.into();
        self
    }

    pub async fn send(self) -> Answer {
        self.context.send(self.sent).await
    }

    /// Sends the request again for as long as the service is too busy for it.
    pub async fn send_until_answered(self) -> Answer {
        eventually("an answer that is not 503", async || {
            let answer = self.clone().send().await;
            (answer.status != 503).then_some(answer)
        })
        .await
    }
}
