//! Agents as this service answers them: one, a list, a page of a list, or one a line. What only the service
//! writes is left behind.

use super::Reader;
use super::fidelity::Place;
use crate::agent::FIELDS;
use crate::error::Result;

const OWN: &str = "only the service writes it";
/// What of an agent is read.
const READ: [&str; 7] = ["id", "key", "name", "description", "tags", "metadata", "config"];

pub(super) fn read(record: &Place<'_>, reader: &mut Reader) -> Result<()> {
    if record.member("config").is_none()
        && let Some(page) = record.member("items").or_else(|| record.member("agents"))
    {
        for agent in page.items() {
            read_one(&agent, reader)?;
        }
        return Ok(());
    }
    read_one(record, reader)
}

fn read_one(record: &Place<'_>, reader: &mut Reader) -> Result<()> {
    let is_other = ["assistant_id", "graph_id"].iter().any(|name| record.member(name).is_some());
    if record.member("config").is_none() || is_other {
        return Err(super::unlike(record, "an agent has a configuration"));
    }
    let mut draft = reader.draft()?;
    draft.name(record);
    draft.description(record);
    if let Some(key) = record.member("key").filter(|key| key.text().is_some()) {
        draft.copy(&key, "/key");
    }
    for tag in record.member("tags").into_iter().flat_map(|tags| tags.items()) {
        draft.tag(&tag);
    }
    if let Some(metadata) = record.member("metadata") {
        draft.metadata(&metadata);
    }
    if let Some(config) = record.member("config") {
        draft.tree(&config, "/config");
    }
    for name in FIELDS.iter().filter(|name| !READ.contains(name)) {
        if let Some(part) = record.member(name) {
            draft.drop(&part, OWN);
        }
    }
    draft.source_id(record.member("id"));
    draft.finish();
    Ok(())
}
