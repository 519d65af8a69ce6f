//! The SDK's HTTP client replaced by a call into the database of this process: no socket, and the
//! one place under the SDK where tests count, check and break requests.

use std::fmt;
use std::sync::Arc;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use dynoxide::{Database, DynoxideError, ImportOptions, Item};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;

/// The database as the SDK's HTTP client.
#[derive(Clone)]
pub struct Engine {
    database: Database,
    /// Counts writes, for those who wait for one.
    writes: Arc<watch::Sender<u64>>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl Engine {
    pub fn new(database: Database) -> Self {
        Self { database, writes: Arc::new(watch::Sender::new(0)) }
    }

    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Puts many items at once, past the stream: what tests and benchmarks begin with.
    ///
    /// # Errors
    /// The engine's, as text.
    pub fn import(&self, items: Vec<Item>) -> Result<(), String> {
        let imported = self.database.import_items(super::TABLE_NAME, items, ImportOptions::default());
        imported.map(drop).map_err(|error| error.to_string())
    }

    /// Counts the writes that were made through this engine.
    pub fn writes(&self) -> watch::Receiver<u64> {
        self.writes.subscribe()
    }

    /// Answers one request of DynamoDB's JSON protocol: the HTTP status and the body.
    pub fn call(&self, operation: &str, body: &str) -> (u16, String) {
        let database = &self.database;
        let answer = match operation {
            "GetItem" => reply(body, |request| database.get_item(request)),
            "PutItem" => reply(body, |request| database.put_item(request)),
            "UpdateItem" => reply(body, |request| database.update_item(request)),
            "DeleteItem" => reply(body, |request| database.delete_item(request)),
            "Query" => reply(body, |request| database.query(request)),
            "Scan" => reply(body, |request| database.scan(request)),
            "BatchGetItem" => reply(body, |request| database.batch_get_item(request)),
            "BatchWriteItem" => reply(body, |request| database.batch_write_item(request)),
            "TransactGetItems" => reply(body, |request| database.transact_get_items(request)),
            "TransactWriteItems" => reply(body, |request| database.transact_write_items(request)),
            "CreateTable" => reply(body, |request| database.create_table(request)),
            "DescribeTable" => reply(body, |request| database.describe_table(request)),
            "ListTables" => reply(body, |request| database.list_tables(request)),
            "UpdateTimeToLive" => reply(body, |request| database.update_time_to_live(request)),
            "DescribeTimeToLive" => reply(body, |request| database.describe_time_to_live(request)),
            _ => Err(DynoxideError::ValidationException(format!("{operation} is not offered here"))),
        };
        if is_write(operation) {
            self.writes.send_modify(|count| *count += 1);
        }
        match answer {
            Ok(body) => (200, body),
            Err(error) => (error.status_code(), error.to_json()),
        }
    }
}

fn reply<Q: DeserializeOwned, A: Serialize>(
    body: &str,
    run: impl FnOnce(Q) -> dynoxide::Result<A>,
) -> dynoxide::Result<String> {
    let malformed = |error: serde_json::Error| DynoxideError::ValidationException(error.to_string());
    let answer = run(serde_json::from_str(body).map_err(malformed)?)?;
    serde_json::to_string(&answer).map_err(malformed)
}

fn is_write(operation: &str) -> bool {
    matches!(operation, "PutItem" | "UpdateItem" | "DeleteItem" | "BatchWriteItem" | "TransactWriteItems")
}

/// The operation that a request's target header names.
pub fn operation(target: Option<&str>) -> &str {
    target.and_then(|target| target.split_once('.')).map_or("", |(_, operation)| operation)
}

impl HttpConnector for Engine {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body =
            request.body().bytes().and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default();
        let (status, answer) = Self::call(self, operation(request.headers().get("x-amz-target")), body);
        let status = status.try_into().unwrap_or_else(|_| http::StatusCode::INTERNAL_SERVER_ERROR.into());
        let mut response = HttpResponse::new(status, SdkBody::from(answer));
        response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
        HttpConnectorFuture::ready(Ok(response))
    }
}

impl HttpClient for Engine {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
