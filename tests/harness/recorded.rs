//! What is known of a call once it is made.

use serde_json::Value;

/// One call that reached the engine.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The function that made it; `local` for what none did.
    pub function: &'static str,
    pub operation: String,
    pub read_units: f64,
    pub write_units: f64,
    /// Items that the database looked at, whether or not it gave them.
    pub items_read: usize,
    /// Every partition that the call names, of the table and of its indexes.
    pub partitions: Vec<String>,
}

/// The items that a read looked at.
pub(crate) fn items_read(operation: &str, request: &Value, answer: &Value) -> usize {
    let count =
        |value: &Value| value.as_u64().and_then(|count| usize::try_from(count).ok()).unwrap_or_default();
    match operation {
        "Query" | "Scan" => count(&answer["ScannedCount"]),
        "GetItem" => 1,
        "BatchGetItem" => {
            let tables = request["RequestItems"].as_object().into_iter().flatten();
            tables.map(|(_, table)| table["Keys"].as_array().map_or(0, Vec::len)).sum()
        }
        _ => 0,
    }
}

pub(crate) fn consumed(capacity: &Value) -> f64 {
    match capacity {
        Value::Array(tables) => tables.iter().map(consumed).sum(),
        table => table["CapacityUnits"].as_f64().unwrap_or_default(),
    }
}

/// Every partition key in a request: of keys and items, and of key conditions.
pub(crate) fn collect_partitions(request: &Value, found: &mut Vec<String>) {
    match request {
        Value::Object(members) => {
            for (name, member) in members {
                if name.ends_with("PK") {
                    found.extend(member["S"].as_str().map(str::to_owned));
                }
                collect_partitions(member, found);
            }
            let condition = request["KeyConditionExpression"].as_str().unwrap_or_default();
            if let Some((_, value)) = condition.split_once("PK = ") {
                let name = value.split_whitespace().next().unwrap_or_default();
                found.extend(request["ExpressionAttributeValues"][name]["S"].as_str().map(str::to_owned));
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_partitions(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
