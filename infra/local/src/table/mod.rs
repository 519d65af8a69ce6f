//! The table on one machine: dynoxide, an embedded DynamoDB on SQLite, behind the ordinary SDK
//! client. [`Engine`] is what the SDK talks to instead of a socket.

mod engine;
mod schema;
pub mod stream;

use std::path::Path;

use agent_management::dynamo::{Store, keys};
use aws_sdk_dynamodb::config::{BehaviorVersion, Region, SharedHttpClient};
use aws_smithy_runtime::client::retries::{RetryPartition, TokenBucket};
use serde_json::json;

pub use dynoxide::{AttributeValue, Item};
pub use engine::{Engine, operation};
pub use schema::table_definition;

pub const TABLE_NAME: &str = "agent-management";

/// The engine of a database file, with the table in it.
///
/// # Errors
/// The engine's, as text: a file that can't be opened or is no database.
pub fn open_file(path: &Path) -> Result<Engine, String> {
    let path = path.to_str().ok_or("the data folder's name is not UTF-8")?;
    let engine = Engine::new(dynoxide::Database::new(path).map_err(|error| error.to_string())?);
    // The pair leaves WAL with synchronous = NORMAL: safe when the process dies, at twice the
    // speed; only a power cut can lose the last moments.
    engine.database().enable_bulk_loading().map_err(|error| error.to_string())?;
    engine.database().disable_bulk_loading().map_err(|error| error.to_string())?;
    index_stream_records(path).map_err(|error| error.to_string())?;
    create_table(&engine)?;
    Ok(engine)
}

/// An engine in memory, with the table in it. It slows down as its stream grows, so it is for
/// tests that write little.
///
/// # Errors
/// The engine's, as text.
pub fn open_memory() -> Result<Engine, String> {
    let engine = Engine::new(dynoxide::Database::memory().map_err(|error| error.to_string())?);
    create_table(&engine)?;
    Ok(engine)
}

/// A store whose SDK client sends its requests to `http_client`: the engine, or what stands
/// before it.
pub fn store(http_client: SharedHttpClient) -> Store {
    // The SDK shares one bounded budget of retries in a process, to spare a service that is far
    // away. This one is in the process, and tests of several hosts must not starve each other.
    let retries = RetryPartition::custom("embedded").token_bucket(TokenBucket::unlimited()).build();
    let config = aws_sdk_dynamodb::Config::builder()
        .retry_partition(retries)
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .allow_no_auth()
        .endpoint_url("http://dynamodb.localhost")
        .http_client(http_client)
        .build();
    Store::new(aws_sdk_dynamodb::Client::from_conf(config), TABLE_NAME)
}

fn create_table(engine: &Engine) -> Result<(), String> {
    let (status, answer) = engine.call("CreateTable", &table_definition().to_string());
    match status {
        200 => {
            let ttl = json!({"AttributeName": keys::TTL, "Enabled": true});
            let request = json!({"TableName": TABLE_NAME, "TimeToLiveSpecification": ttl});
            match engine.call("UpdateTimeToLive", &request.to_string()) {
                (200, _) => Ok(()),
                (_, answer) => Err(answer),
            }
        }
        _ if answer.contains("ResourceInUseException") => refuse_other_schema(engine),
        _ => Err(answer),
    }
}

/// A table that an earlier build made lacks what its lists have to say.
fn refuse_other_schema(engine: &Engine) -> Result<(), String> {
    let request = json!({"TableName": TABLE_NAME});
    let (_, answer) = engine.call("DescribeTable", &request.to_string());
    let described: serde_json::Value = serde_json::from_str(&answer).map_err(|error| error.to_string())?;
    let indexes = |table: &serde_json::Value| -> Option<Vec<serde_json::Value>> {
        let indexes = table["GlobalSecondaryIndexes"].as_array()?;
        Some(indexes.iter().map(|index| index["Projection"].clone()).collect())
    };
    if indexes(&described["Table"]) == indexes(&table_definition()) {
        return Ok(());
    }
    let advice =
        "the folder has a table that an earlier build made, with other indexes: remove it, or name another";
    Err(advice.to_owned())
}

/// Without this index every write scans the whole stream to number its record.
fn index_stream_records(path: &str) -> rusqlite::Result<()> {
    rusqlite::Connection::open(path)?.execute_batch(
        "CREATE INDEX IF NOT EXISTS stream_records_by_number
         ON _stream_records (table_name, CAST(sequence_number AS INTEGER))",
    )
}
