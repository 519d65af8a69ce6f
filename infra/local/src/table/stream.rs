//! The table's stream: one shard, read from a position that its reader keeps. Records that every
//! reader has passed are trimmed, and what is left after a restart is where reading goes on; so the
//! last ones come again, as they may on AWS.

use std::collections::BTreeMap;
use std::path::Path;

use dynoxide::actions::get_records::GetRecordsRequest;
use dynoxide::actions::get_shard_iterator::encode_shard_iterator;
use dynoxide::streams::shard_id;
use rusqlite::Connection;
use serde_json::Value;

use super::{Engine, TABLE_NAME};

/// What public sequence numbers are above stored ones, which gives them their 21 digits.
const SEQUENCE_NUMBER_OFFSET: u128 = 100_000_000_000_000_000_000;

/// A record, as Lambda's events have it.
#[derive(Debug, Clone)]
pub struct Record {
    pub position: i64,
    pub json: Value,
}

impl Record {
    /// The number by which a function names the record.
    pub fn sequence_number(&self) -> &str {
        self.json["dynamodb"]["SequenceNumber"].as_str().unwrap_or_default()
    }
}

/// Up to `limit` records after `position`; 0 is before the first.
///
/// # Errors
/// The engine's, as text.
pub fn records(engine: &Engine, position: i64, limit: usize) -> Result<Vec<Record>, String> {
    let shard_iterator = encode_shard_iterator(TABLE_NAME, &shard_id(TABLE_NAME), position);
    let request = GetRecordsRequest { shard_iterator, limit: Some(limit) };
    let answer = engine.database().get_records(request).map_err(|error| error.to_string())?;
    answer
        .records
        .iter()
        .map(|record| {
            let mut json = serde_json::to_value(record).map_err(|error| error.to_string())?;
            json["eventSourceARN"] =
                format!("arn:aws:dynamodb:local:000000000000:table/{TABLE_NAME}/stream/1").into();
            let public: u128 = record.dynamodb.sequence_number.parse().unwrap_or(SEQUENCE_NUMBER_OFFSET);
            let position = public.saturating_sub(SEQUENCE_NUMBER_OFFSET);
            Ok(Record { position: i64::try_from(position).unwrap_or(i64::MAX), json })
        })
        .collect()
}

/// Removes the records of a database file that all readers have passed.
#[derive(Debug)]
pub struct Trimmer {
    connection: Connection,
    /// How far each reader has come.
    passed: BTreeMap<&'static str, i64>,
}

impl Trimmer {
    /// # Errors
    /// As the file's.
    pub fn open(path: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        Ok(Self { connection, passed: BTreeMap::new() })
    }

    /// From now on nothing is removed that `reader` has not passed.
    pub fn wait_for(&mut self, reader: &'static str) {
        self.passed.insert(reader, 0);
    }

    /// Notes that `reader` has passed all before `position`, and removes what everyone has passed. The last
    /// one stays: the next number follows from it.
    ///
    /// # Errors
    /// As the file's.
    pub fn trim(&mut self, reader: &'static str, position: i64) -> rusqlite::Result<usize> {
        self.passed.insert(reader, position);
        let position = self.passed.values().copied().min().unwrap_or_default();
        self.connection.execute(
            "DELETE FROM _stream_records WHERE table_name = ?1 AND CAST(sequence_number AS INTEGER) < ?2",
            rusqlite::params![TABLE_NAME, position],
        )
    }
}
