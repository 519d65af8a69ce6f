//! Under the SDK, over the engine: counts every call with its capacity and keys, holds it against what
//! the template lets its function do, and breaks calls on demand. It asks for consumed capacity itself,
//! so that the service need not.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_dynamodb::config::SharedHttpClient;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use local::bucket;
use local::table::{Engine, operation};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::recorded::{Recorded, collect_partitions, consumed, items_read};
use crate::template::{self, Grant};

/// What happens to a call instead of what should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It takes effect and its answer is lost.
    AnswerLost,
    /// It does not take effect: the database can't be reached.
    Unreachable,
    /// A transaction meets another one.
    TransactionConflict,
    /// Nothing: a call that the list of faults passes over.
    None,
}

#[derive(Debug, Clone)]
pub struct Recorder {
    engine: Engine,
    /// Who calls, if it is a function, and what its role grants.
    function: Option<(&'static str, Arc<BTreeSet<Grant>>)>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    recorded: Vec<Recorded>,
    used: BTreeSet<(&'static str, Grant)>,
    faults: VecDeque<Fault>,
    /// Where calls step aside for each other, if they do.
    interleaving: Option<fastrand::Rng>,
    /// Counts writes, if every second one is to meet a transaction.
    conflicting: Option<u64>,
    /// The writes whose answer was lost already, if each one's is to be lost once.
    losing: Option<HashSet<String>>,
    /// Whether transactions come without the token by which the database itself knows them again.
    without_tokens: bool,
    /// Where the caller is to stop for good, if it is.
    stop: Option<Stop>,
}

/// A point between two effects of whoever makes the calls: where a process ends, or stalls.
#[derive(Debug, Clone)]
pub struct Stop {
    /// So many calls go through before.
    pub after_calls: usize,
    /// Whether the call that it stops at takes effect.
    pub takes_effect: bool,
    gate: Arc<Gate>,
}

#[derive(Debug, Default)]
struct Gate {
    reached: Notify,
    opened: Notify,
}

impl Stop {
    pub fn new(after_calls: usize, takes_effect: bool) -> Self {
        Self { after_calls, takes_effect, gate: Arc::default() }
    }

    /// Waits until the caller stands there.
    pub async fn reached(&self) {
        self.gate.reached.notified().await;
    }

    /// Lets the caller go on.
    pub fn release(&self) {
        self.gate.opened.notify_one();
    }

    async fn hold(&self) {
        self.gate.reached.notify_one();
        self.gate.opened.notified().await;
    }
}

impl Recorder {
    pub fn new(engine: Engine) -> Self {
        Self { engine, function: None, state: Arc::default() }
    }

    /// The same recorder for the calls of a function.
    pub fn of(&self, function: &'static str) -> Self {
        // The host itself is no function, and has no role.
        let caller = (function != "local").then(|| (function, Arc::new(template::grants(function))));
        Self { function: caller, ..self.clone() }
    }

    pub fn http_client(&self) -> SharedHttpClient {
        SharedHttpClient::new(self.clone())
    }

    /// What was recorded since the last call, which forgets it.
    pub fn take(&self) -> Vec<Recorded> {
        std::mem::take(&mut self.locked().recorded)
    }

    /// Everything that a function's role was used for so far.
    pub fn used(&self) -> BTreeSet<(&'static str, Grant)> {
        self.locked().used.clone()
    }

    fn caller(&self) -> &'static str {
        self.function.as_ref().map_or("local", |(name, _)| name)
    }

    /// What a function's calls were since the last call, which forgets all.
    pub fn take_of(&self, function: &str) -> Vec<Recorded> {
        self.take().into_iter().filter(|call| call.function == function).collect()
    }

    /// Notes what a call needs.
    ///
    /// # Panics
    /// When the function's role does not grant it.
    fn hold_against_the_role(&self, needs: Vec<Grant>) {
        let Some((function, grants)) = &self.function else {
            return;
        };
        for need in needs {
            assert!(grants.contains(&need), "template.yaml does not let {function} use {need:?}");
            self.locked().used.insert((*function, need));
        }
    }

    /// The next calls meet these faults, one each.
    pub fn break_next(&self, faults: impl IntoIterator<Item = Fault>) {
        self.locked().faults.extend(faults);
    }

    /// From now on calls wait for each other's turns at random, before and after they take effect:
    /// concurrent requests meet in an order that `seed` decides.
    pub fn interleave(&self, seed: u64) {
        self.locked().interleaving = Some(fastrand::Rng::with_seed(seed));
    }

    /// From now on every second attempt at a write meets a transaction.
    pub fn conflict_every_second(&self) {
        self.locked().conflicting = Some(0);
    }

    /// From now on each write loses its answer once: it takes effect, and is sent again.
    pub fn lose_every_answer_once(&self) {
        self.locked().losing = Some(HashSet::new());
    }

    /// From now on the database does not know a transaction again that is sent twice, as ten minutes
    /// after the first time.
    pub fn forget_tokens(&self) {
        self.locked().without_tokens = true;
    }

    /// The caller is held at this point until it is released, which may be never.
    pub fn stop_at(&self, stop: &Stop) {
        self.locked().stop = Some(stop.clone());
    }

    /// Nobody is held any more who has not come to the point yet.
    pub fn go_on(&self) {
        self.locked().stop = None;
    }

    /// The stop, if this call is the one to stop at.
    fn stop(&self) -> Option<Stop> {
        let mut state = self.locked();
        let stop = state.stop.as_mut()?;
        if stop.after_calls > 0 {
            stop.after_calls -= 1;
            return None;
        }
        state.stop.take()
    }

    /// Lets a call of another service through, as one of this recorder's.
    pub fn before<C: HttpConnector + Clone + 'static>(&self, inner: C) -> SharedHttpClient {
        SharedHttpClient::new(Relay { recorder: self.clone(), inner })
    }

    /// The same for what calls without an SDK.
    pub fn connector_before<C: HttpConnector + Clone + 'static>(&self, inner: C) -> SharedHttpConnector {
        SharedHttpConnector::new(Relay { recorder: self.clone(), inner })
    }

    /// Passes a call through: it steps aside, stops and is recorded as the recorder is told.
    async fn pass<T>(&self, effect: impl AsyncFnOnce() -> T) -> T {
        let (before, after) = self.turns();
        for _ in 0..before {
            tokio::task::yield_now().await;
        }
        let stop = self.stop();
        if let Some(stop) = stop.as_ref().filter(|stop| !stop.takes_effect) {
            stop.hold().await;
        }
        let answer = effect().await;
        if let Some(stop) = stop.as_ref().filter(|stop| stop.takes_effect) {
            stop.hold().await;
        }
        for _ in 0..after {
            tokio::task::yield_now().await;
        }
        answer
    }

    fn next_fault(&self, operation: &str, body: &str) -> Fault {
        let mut state = self.locked();
        if let Some(fault) = state.faults.pop_front() {
            return fault;
        }
        let is_write = matches!(operation, "TransactWriteItems" | "UpdateItem");
        if let Some(count) = state.conflicting.as_mut().filter(|_| is_write) {
            *count += 1;
            if *count % 2 == 1 {
                return Fault::TransactionConflict;
            }
        }
        let lost = state.losing.as_mut().filter(|_| is_write);
        if lost.is_some_and(|lost| lost.insert(body.to_owned())) {
            return Fault::AnswerLost;
        }
        Fault::None
    }

    /// How often the next call steps aside, before and after it takes effect.
    fn turns(&self) -> (usize, usize) {
        let mut state = self.locked();
        state.interleaving.as_mut().map_or((0, 0), |rng| (rng.usize(0..6), rng.usize(0..6)))
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, operation: &str, body: &str) -> (u16, String) {
        let mut request: Value = serde_json::from_str(body).unwrap_or_default();
        self.hold_against_the_role(template::needs(operation, &request));
        request["ReturnConsumedCapacity"] = json!("TOTAL");
        if let Some(members) = request.as_object_mut().filter(|_| self.locked().without_tokens) {
            members.remove("ClientRequestToken");
        }
        let (status, answer) = self.engine.call(operation, &request.to_string());
        let document: Value = serde_json::from_str(&answer).unwrap_or_default();
        let units = consumed(&document["ConsumedCapacity"]);
        let is_read = operation.contains("Get") || matches!(operation, "Query" | "Scan");
        let mut partitions = Vec::new();
        collect_partitions(&request, &mut partitions);
        self.locked().recorded.push(Recorded {
            function: self.caller(),
            operation: operation.to_owned(),
            read_units: if is_read { units } else { 0.0 },
            write_units: if is_read { 0.0 } else { units },
            items_read: items_read(operation, &request, &document),
            partitions,
        });
        (status, answer)
    }
}

impl HttpConnector for Recorder {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let recorder = self.clone();
        HttpConnectorFuture::new(async move {
            let operation = operation(request.headers().get("x-amz-target")).to_owned();
            let body = request.body().bytes().map(<[u8]>::to_vec).unwrap_or_default();
            let body = String::from_utf8(body).unwrap_or_default();
            recorder.pass(async || recorder.answer(&operation, &body)).await
        })
    }
}

/// Another service's client behind a recorder.
#[derive(Debug, Clone)]
struct Relay<C> {
    recorder: Recorder,
    inner: C,
}

impl<C: HttpConnector + Clone + 'static> HttpConnector for Relay<C> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let relay = self.clone();
        HttpConnectorFuture::new(async move {
            let operation = format!("{} {}", request.method(), service(&request));
            relay.recorder.hold_against_the_role(vec![template::need(&request)]);
            relay.recorder.locked().recorded.push(Recorded {
                function: relay.recorder.caller(),
                operation,
                read_units: 0.0,
                write_units: 0.0,
                items_read: 0,
                partitions: Vec::new(),
            });
            relay.recorder.pass(async || relay.inner.call(request).await).await
        })
    }
}

fn service(request: &HttpRequest) -> &'static str {
    if request.uri().contains("@connections") {
        "@connections"
    } else if request.uri().contains(bucket::PATH) {
        "file"
    } else {
        "queue"
    }
}

impl<C: HttpConnector + Clone + 'static> HttpClient for Relay<C> {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl Recorder {
    fn answer(&self, operation: &str, body: &str) -> Result<HttpResponse, ConnectorError> {
        let lost = || Err(ConnectorError::io("the connection was reset".into()));
        let (status, answer) = match self.next_fault(operation, body) {
            Fault::Unreachable => return lost(),
            Fault::AnswerLost => {
                self.run(operation, body);
                return lost();
            }
            Fault::TransactionConflict if operation == "TransactWriteItems" => (400, conflict(body)),
            Fault::TransactionConflict if operation == "UpdateItem" => (400, met_a_transaction()),
            Fault::TransactionConflict | Fault::None => self.run(operation, body),
        };
        let status = status.try_into().expect("the engine answers valid statuses");
        Ok(HttpResponse::new(status, SdkBody::from(answer)))
    }
}

impl HttpClient for Recorder {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// DynamoDB's answer to a single write on an item that a transaction holds.
fn met_a_transaction() -> String {
    json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionConflictException",
        "message": "Transaction is ongoing for the item",
    })
    .to_string()
}

/// DynamoDB's answer to a transaction whose first item another one holds.
fn conflict(body: &str) -> String {
    let request: Value = serde_json::from_str(body).unwrap_or_default();
    let count = request["TransactItems"].as_array().map_or(1, Vec::len);
    let mut reasons = vec![json!({"Code": "None"}); count];
    reasons[0] = json!({"Code": "TransactionConflict", "Message": "Transaction is ongoing for the item"});
    json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": "Transaction cancelled, please refer cancellation reasons for specific reasons",
        "CancellationReasons": reasons,
    })
    .to_string()
}
