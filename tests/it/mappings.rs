//! The event source mappings of the local host, held against what Lambda's documentation says of them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use agent_management::clock::Clock;
use aws_sdk_dynamodb::config::SharedHttpClient;
use jiff::Timestamp;
use local::mapping::queue::{QueueMapping, Settings as QueueSettings};
use local::mapping::stream::{Settings, StreamMapping};
use local::mapping::{Function, Turn};
use local::queues::Queues;
use local::table::{self, Engine};
use serde_json::{Value, json};

/// A function that answers as it is told, and remembers what it got.
#[derive(Clone, Default)]
struct Scripted {
    answers: Arc<Mutex<VecDeque<Result<Value, String>>>>,
    got: Arc<Mutex<Vec<Vec<String>>>>,
}

impl Scripted {
    fn answering(answers: impl IntoIterator<Item = Result<Value, String>>) -> Self {
        let scripted = Self::default();
        scripted.answers.lock().expect("unpoisoned").extend(answers);
        scripted
    }

    /// As a function; each item is known by `name`.
    fn function(&self, name: fn(&Value) -> String) -> Function {
        let scripted = self.clone();
        Function::new(move |event| {
            let records = event["Records"].as_array().expect("records");
            scripted.got.lock().expect("unpoisoned").push(records.iter().map(name).collect());
            let answer = scripted.answers.lock().expect("unpoisoned").pop_front();
            async move { answer.unwrap_or(Ok(json!({"batchItemFailures": []}))).map_err(Into::into) }
        })
    }

    fn got(&self) -> Vec<String> {
        self.got.lock().expect("unpoisoned").iter().map(|batch| batch.join(" ")).collect()
    }
}

fn clock() -> Clock {
    Clock::manual("2026-01-01T00:00:00Z".parse::<Timestamp>().expect("a fixed text"))
}

fn put(engine: &Engine, name: &str, entity: &str) {
    let item = json!({"PK": {"S": format!("T#t#{name}")}, "SK": {"S": "#"}, "entity": {"S": entity}});
    let request = json!({"TableName": table::TABLE_NAME, "Item": item});
    let (status, answer) = engine.call("PutItem", &request.to_string());
    assert_eq!(status, 200, "{answer}");
}

const SETTINGS: Settings = Settings {
    name: "a-function",
    batch_size: 4,
    maximum_retry_attempts: 2,
    maximum_record_age: Duration::from_hours(12),
    bisect_batch_on_function_error: true,
    filter: |record| record["dynamodb"]["NewImage"]["entity"]["S"] == "agent",
};

fn record(record: &Value) -> String {
    let key = record["dynamodb"]["Keys"]["PK"]["S"].as_str().unwrap_or_default();
    key.rsplit('#').next().unwrap_or_default().to_owned()
}

/// The sequence number of the record with this place in the stream.
fn number(engine: &Engine, place: usize) -> String {
    let all = table::stream::records(engine, 0, 100).expect("records");
    all[place].sequence_number().to_owned()
}

fn failing(engine: &Engine, places: &[usize]) -> Value {
    let failures: Vec<_> =
        places.iter().map(|place| json!({"itemIdentifier": number(engine, *place)})).collect();
    json!({"batchItemFailures": failures})
}

struct Stream {
    engine: Engine,
    scripted: Scripted,
    mapping: StreamMapping,
    clock: Clock,
}

/// Six records, `a` to `f`, and a function that answers as `answers` says of their engine.
fn stream(answers: impl FnOnce(&Engine) -> Vec<Result<Value, String>>) -> Stream {
    let engine = table::open_memory().expect("an empty database");
    for name in ["a", "b", "c", "d", "e", "f"] {
        put(&engine, name, "agent");
    }
    let (scripted, clock) = (Scripted::answering(answers(&engine)), clock());
    let mapping =
        StreamMapping::new(engine.clone(), SETTINGS, scripted.function(record), clock.clone(), None);
    Stream { engine, scripted, mapping, clock }
}

impl Stream {
    async fn run(&self) -> Vec<String> {
        for _ in 0..100 {
            if self.mapping.turn().await.expect("a turn") == Turn::Idle {
                return self.scripted.got();
            }
        }
        panic!("it does not come to an end");
    }

    fn failed(&self) -> Vec<String> {
        self.mapping.failed().iter().map(record).collect()
    }
}

fn error() -> Result<Value, String> {
    Err("the function ended".to_owned())
}

#[tokio::test]
async fn records_come_in_order_in_batches_and_only_those_that_the_filter_admits() {
    let stream = stream(|_| Vec::new());
    put(&stream.engine, "x", "other");
    put(&stream.engine, "g", "agent");
    assert_eq!(stream.run().await, ["a b c d", "e f g"]);
    put(&stream.engine, "h", "agent");
    assert_eq!(stream.run().await, ["a b c d", "e f g", "h"]);
}

#[tokio::test]
async fn the_stream_resumes_at_the_lowest_record_that_failed() {
    let stream = stream(|engine| vec![Ok(failing(engine, &[3, 1])), Ok(json!(null))]);
    assert_eq!(stream.run().await, ["a b c d", "b c d e", "f"]);
}

#[tokio::test]
async fn a_batch_is_halved_when_the_whole_function_fails() {
    let stream = stream(|_| vec![error(), error(), Ok(json!({}))]);
    assert_eq!(stream.run().await, ["a b c d", "a b", "a", "b c d e", "f"]);
    assert_eq!(stream.failed(), [] as [&str; 0]);
}

#[tokio::test]
async fn an_answer_that_names_a_record_that_was_not_sent_fails_the_batch() {
    let stream = stream(|engine| {
        vec![
            Ok(failing(engine, &[5])),
            Ok(json!({"batchItemFailures": [{"itemIdentifier": ""}]})),
            Ok(json!({})),
        ]
    });
    assert_eq!(stream.run().await, ["a b c d", "a b", "a", "b c d e", "f"]);
}

#[tokio::test]
async fn a_record_that_fails_too_often_is_set_aside_and_passed() {
    let stream = stream(|engine| (0..3).map(|_| Ok(failing(engine, &[1]))).collect());
    assert_eq!(stream.run().await, ["a b c d", "b c d e", "b c d e", "c d e f"]);
    assert_eq!(stream.failed(), ["b"]);
}

#[tokio::test]
async fn a_record_that_is_too_old_is_set_aside_and_passed() {
    let stream = stream(|engine| vec![Ok(failing(engine, &[0])), Ok(failing(engine, &[0]))]);
    assert_eq!(stream.mapping.turn().await, Ok(Turn::Retry));
    stream.clock.advance(Duration::from_hours(13));
    assert_eq!(stream.run().await, ["a b c d", "a b c d", "b c d e", "f"]);
    assert_eq!(stream.failed(), ["a"]);
}

struct Queue {
    queues: Queues,
    scripted: Scripted,
    mapping: QueueMapping,
    clock: Clock,
}

fn queue(answers: impl IntoIterator<Item = Result<Value, String>>) -> Queue {
    let clock = clock();
    let queues = Queues::open(None, clock.clone()).expect("in memory");
    let scripted = Scripted::answering(answers);
    let settings =
        QueueSettings { batch_size: 3, visibility_timeout: Duration::from_secs(30), max_receive_count: 2 };
    let function = scripted.function(|record| record["body"].as_str().unwrap_or_default().to_owned());
    let mapping = QueueMapping::new(queues.clone(), "work", "work-dead", settings, function);
    Queue { queues, scripted, mapping, clock }
}

impl Queue {
    fn send(&self, body: &str) -> i64 {
        self.queues.send("work", body, None, Duration::ZERO).expect("sent")
    }

    async fn run(&self) -> Vec<String> {
        while self.mapping.turn().await.expect("a turn") != Turn::Idle {}
        self.scripted.got()
    }
}

#[tokio::test]
async fn only_the_messages_that_failed_come_again_after_their_timeout() {
    let queue = queue([]);
    let ids: Vec<_> = ["a", "b", "c", "d"].map(|body| queue.send(body)).into();
    let failure = json!({"batchItemFailures": [{"itemIdentifier": ids[1].to_string()}]});
    queue.scripted.answers.lock().expect("unpoisoned").push_back(Ok(failure));
    assert_eq!(queue.run().await, ["a b c", "d"]);
    queue.clock.advance(Duration::from_secs(29));
    assert_eq!(queue.run().await, ["a b c", "d"], "not visible yet");
    queue.clock.advance(Duration::from_secs(1));
    assert_eq!(queue.run().await, ["a b c", "d", "b"]);
}

#[tokio::test]
async fn a_message_that_was_received_too_often_goes_to_the_dead_letters() {
    let queue = queue([error(), error()]);
    queue.send("poison");
    for _ in 0..3 {
        queue.run().await;
        queue.clock.advance(Duration::from_secs(30));
    }
    assert_eq!(queue.scripted.got(), ["poison", "poison"]);
    assert_eq!(
        (queue.queues.visible("work").ok(), queue.queues.visible("work-dead").ok()),
        (Some(0), Some(1))
    );
}

#[tokio::test]
async fn a_delayed_message_waits_and_the_rest_does_not() {
    let queue = queue([]);
    queue.queues.send("work", "later", None, Duration::from_mins(5)).expect("sent");
    queue.send("now");
    assert_eq!(queue.run().await, ["now"]);
    queue.clock.advance(Duration::from_mins(5));
    assert_eq!(queue.run().await, ["now", "later"]);
}

#[tokio::test]
async fn messages_outlive_the_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("queues.sqlite");
    let queues = Queues::open(Some(&file), clock()).expect("opens");
    let queue = Queues::queue("work", SharedHttpClient::new(queues.clone()));
    queue.send(&json!({"a": 1})).await.expect("sent through the SDK");
    drop(queues);
    let queues = Queues::open(Some(&file), clock()).expect("opens again");
    let received = queues.receive("work", 10, Duration::from_secs(30)).expect("received");
    assert_eq!(received.iter().map(|message| message.body.as_str()).collect::<Vec<_>>(), [r#"{"a":1}"#]);
}
