//! Letta's agent files (`.af`): several agents that refer to the file's blocks and tools, and the older form
//! that is one agent with everything in it. Memory becomes part of the instructions. Conversations, code and
//! what the tools are given as environment stay behind.

use std::collections::{HashMap, HashSet};

use super::fidelity::{Place, SECRET};
use super::secrets::is_secret_name;
use super::{Draft, Reader, unlike};
use crate::error::Result;

const UNKNOWN: &str = "refers to nothing in the file";
const CODE: &str = "code is not imported";
const CONVERSATION: &str = "a conversation is not imported";

/// What agents refer to by id.
#[derive(Debug, Default)]
struct Shared<'f> {
    blocks: HashMap<&'f str, Place<'f>>,
    tools: HashMap<&'f str, Place<'f>>,
}

pub(super) fn read<'f>(record: &Place<'f>, reader: &mut Reader) -> Result<()> {
    let Some(agents) = record.member("agents").filter(|agents| agents.value.is_array()) else {
        let marks = ["agent_type", "llm_config", "core_memory", "system"];
        if marks.iter().all(|name| record.member(name).is_none()) {
            return Err(unlike(record, "a Letta agent file has agents, or is one agent"));
        }
        return agent(record, &Shared::default(), reader);
    };
    let by_id = |list: &str| -> HashMap<&'f str, Place<'f>> {
        let parts = items(record, list).into_iter();
        parts.filter_map(|part| Some((part.member("id")?.text()?, part))).collect()
    };
    let shared = Shared { blocks: by_id("blocks"), tools: by_id("tools") };
    for place in agents.items() {
        if !place.value.is_object() {
            return Err(unlike(&place, "an agent is an object"));
        }
        agent(&place, &shared, reader)?;
    }
    drop_code(reader, record);
    if let Some(servers) = record.member("mcp_servers") {
        reader.tracker.drop(&servers, "the file does not say which agent uses it");
    }
    Ok(())
}

/// The items of a member that is a list.
fn items<'f>(place: &Place<'f>, list: &str) -> Vec<Place<'f>> {
    place.member(list).map(|list| list.items()).unwrap_or_default()
}

/// A member that is a text, and says something.
fn said<'f>(place: &Place<'f>, name: &str) -> Option<(Place<'f>, &'f str)> {
    let member = place.member(name)?;
    let text = member.text()?;
    Some((member, text))
}

fn drop_code(reader: &mut Reader, place: &Place<'_>) {
    for tool in items(place, "tools") {
        if let Some(code) = tool.member("source_code") {
            reader.tracker.drop(&code, CODE);
        }
    }
}

fn agent<'f>(place: &Place<'f>, shared: &Shared<'f>, reader: &mut Reader) -> Result<()> {
    let mut draft = reader.draft()?;
    draft.source_id(place.member("id"));
    draft.name(place);
    draft.description(place);
    for name in ["metadata", "metadata_"] {
        if let Some(metadata) = place.member(name) {
            draft.metadata(&metadata);
        }
    }
    for tag in items(place, "tags") {
        // The older form has an object for each.
        draft.tag(&tag.member("tag").unwrap_or(tag));
    }
    model(&mut draft, place);
    instructions(&mut draft, place, shared);
    tools(&mut draft, place, shared);
    let formats = [&["response_format"][..], &["llm_config", "response_format"]];
    if let Some(format) = formats.iter().filter_map(|names| place.at(names)).find(|it| it.value.is_object()) {
        draft.response_format(&format);
    }
    if let Some(messages) = place.member("messages") {
        draft.drop(&messages, CONVERSATION);
    }
    drop_code(draft.reader, place);
    draft.finish();
    Ok(())
}

fn model(draft: &mut Draft<'_>, agent: &Place<'_>) {
    let config = agent.member("llm_config");
    let of_config = |name: &str| config.as_ref().and_then(|config| said(config, name));
    match (of_config("model_endpoint_type"), of_config("model")) {
        (Some((provider, _)), Some((id, _))) => {
            draft.copy(&provider, "/config/model/provider");
            draft.copy(&id, "/config/model/id");
        }
        (_, _) => {
            let handle = said(agent, "model").or_else(|| of_config("handle")).map(|(handle, _)| handle);
            draft.model(handle.or_else(|| agent.member("model")).as_ref());
        }
    }
    let settings = agent.member("model_settings");
    for part in config.iter().chain(&settings) {
        draft.parameter("temperature", part.member("temperature"));
        draft.parameter("top_p", part.member("top_p"));
        draft.parameter("max_output_tokens", part.member("max_output_tokens"));
        draft.parameter("max_output_tokens", part.member("max_tokens"));
        draft.parameter("reasoning_effort", part.member("reasoning_effort"));
        draft.parameter("reasoning_effort", part.at(&["reasoning", "reasoning_effort"]));
    }
    draft.parameter("max_output_tokens", agent.member("max_tokens"));
}

/// The system prompt, and after it each block of memory under its label.
fn instructions<'f>(draft: &mut Draft<'_>, agent: &Place<'f>, shared: &Shared<'f>) {
    let (mut text, mut from) = (String::new(), Vec::new());
    if let Some((system, said)) = said(agent, "system") {
        text.push_str(said);
        from.push(system);
    }
    for block in [items(agent, "core_memory"), items(agent, "memory_blocks")].concat() {
        from.extend(section(draft, &block, &mut text));
    }
    let mut known = HashSet::new();
    for reference in items(agent, "block_ids") {
        let Some(block) = reference.text().and_then(|id| shared.blocks.get(id)) else {
            draft.drop(&reference, UNKNOWN);
            continue;
        };
        // A block that is referred to again is there already.
        if !known.insert(&block.pointer) {
            continue;
        }
        let parts = section(draft, block, &mut text);
        if !parts.is_empty() {
            from.push(reference);
            from.extend(parts);
        }
    }
    if !from.is_empty() {
        draft.put(&from.iter().collect::<Vec<_>>(), "/config/instructions", text);
    }
}

/// Appends a block to the instructions; the leaves that it is made of. None of one that is empty or a
/// secret.
fn section<'f>(draft: &mut Draft<'_>, block: &Place<'f>, text: &mut String) -> Vec<Place<'f>> {
    let Some((value, said_value)) = said(block, "value") else { return Vec::new() };
    let label = said(block, "label");
    if label.as_ref().is_some_and(|(_, label)| is_secret_name(label)) {
        draft.drop(&value, SECRET);
        return Vec::new();
    }
    if !text.is_empty() {
        text.push_str("\n\n");
    }
    let mut from = Vec::new();
    if let Some((place, label)) = label {
        text.push_str(&format!("## {label}\n"));
        from.push(place);
    }
    text.push_str(said_value);
    from.push(value);
    from
}

fn tools<'f>(draft: &mut Draft<'_>, agent: &Place<'f>, shared: &Shared<'f>) {
    let rules = items(agent, "tool_rules").into_iter().filter_map(|rule| {
        let (kind, text) = said(&rule, "type")?;
        let (_, tool) = said(&rule, "tool_name")?;
        (text == "requires_approval").then_some((tool, kind))
    });
    let approvals: HashMap<&str, Place<'_>> = rules.collect();
    for item in items(agent, "tools") {
        tool(draft, &item, &approvals);
    }
    for reference in items(agent, "tool_ids") {
        let Some(item) = reference.text().and_then(|id| shared.tools.get(id)) else {
            draft.drop(&reference, UNKNOWN);
            continue;
        };
        if let Some(at) = tool(draft, item, &approvals) {
            draft.map(&reference, &at);
        }
    }
}

/// A tool, or the name of one; where it is.
fn tool(draft: &mut Draft<'_>, tool: &Place<'_>, approvals: &HashMap<&str, Place<'_>>) -> Option<String> {
    let schema = tool.member("json_schema");
    let of_schema = |name: &str| schema.as_ref().and_then(|schema| schema.member(name));
    let is_text = |place: &Place<'_>| place.text().is_some();
    let own = if tool.value.is_string() { Some(tool.clone()) } else { tool.member("name").filter(is_text) };
    let name = own.or_else(|| of_schema("name"))?;
    let at = draft.tool(tool, &name)?;
    let described = tool.member("description").filter(is_text);
    if let Some(description) = described.or_else(|| of_schema("description").filter(is_text)) {
        draft.copy(&description, &format!("{at}/config/description"));
        if let Some(same) = of_schema("description") {
            draft.reader.tracker.mirror(&description, &same);
        }
    }
    if let Some(same) = of_schema("name") {
        draft.reader.tracker.mirror(&name, &same);
    }
    let parameters = of_schema("parameters").filter(|parameters| parameters.value.is_object());
    let arguments = tool.member("args_json_schema").filter(|arguments| arguments.value.is_object());
    if let Some(parameters) = parameters.or(arguments) {
        draft.tree(&parameters, &format!("{at}/config/parameters"));
    }
    let own = tool.member("default_requires_approval").filter(|said| said.value.as_bool() == Some(true));
    let rule = name.text().and_then(|name| approvals.get(name)).cloned();
    if let Some(approval) = own.or(rule) {
        draft.default(&approval, &format!("{at}/approval"), "always", "is called `always` here");
    }
    Some(at)
}
