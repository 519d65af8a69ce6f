//! The table's definition, as `CreateTable` takes it.

use agent_management::dynamo::keys;
use serde_json::{Value, json};

use super::TABLE_NAME;

/// What a row of a list needs beyond its keys.
const SUMMARY_ATTRIBUTES: [&str; 9] =
    ["key", "name", "status", "tags", "model", "rev", "published_version", "updated_at", "brief"];

/// The request that creates the table.
pub fn table_definition() -> Value {
    let keys = [keys::PK, keys::SK, keys::GSI1_PK, keys::GSI1_SK, keys::GSI2_PK, keys::GSI2_SK];
    json!({
        "TableName": TABLE_NAME,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions":
            keys.map(|name| json!({"AttributeName": name, "AttributeType": "S"})),
        "KeySchema": key_schema(keys::PK, keys::SK),
        "GlobalSecondaryIndexes": [
            {
                "IndexName": keys::GSI1,
                "KeySchema": key_schema(keys::GSI1_PK, keys::GSI1_SK),
                "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": SUMMARY_ATTRIBUTES},
            },
            {
                "IndexName": keys::GSI2,
                "KeySchema": key_schema(keys::GSI2_PK, keys::GSI2_SK),
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            },
        ],
        "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    })
}

fn key_schema(hash: &str, range: &str) -> Value {
    json!([{"AttributeName": hash, "KeyType": "HASH"}, {"AttributeName": range, "KeyType": "RANGE"}])
}
