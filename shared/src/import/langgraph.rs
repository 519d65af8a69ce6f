//! Assistants of LangGraph Platform: one, a list, a page of a search, or one a line. A graph's code says
//! what its settings mean; those that are called as everywhere are taken for what they are called, others
//! are kept as metadata.

use super::fidelity::Place;
use super::{Draft, Reader, unlike};
use crate::error::Result;

const SYSTEM: &str = "langgraph";
/// What a system prompt is called, the surest first.
const PROMPTS: [&str; 3] = ["system_prompt", "prompt", "instructions"];
/// What parameters are called in settings and here.
const PARAMETERS: [(&str, &str); 6] = [
    ("temperature", "temperature"),
    ("top_p", "top_p"),
    ("max_output_tokens", "max_output_tokens"),
    ("max_tokens", "max_output_tokens"),
    ("reasoning_effort", "reasoning_effort"),
    ("seed", "seed"),
];

pub(super) fn read(record: &Place<'_>, reader: &mut Reader) -> Result<()> {
    match record.member("assistants").filter(|page| page.value.is_array()) {
        Some(page) => page.items().iter().try_for_each(|place| assistant(place, reader)),
        None => assistant(record, reader),
    }
}

fn assistant(place: &Place<'_>, reader: &mut Reader) -> Result<()> {
    if ["assistant_id", "graph_id"].iter().all(|name| place.member(name).is_none()) {
        return Err(unlike(place, "an assistant of LangGraph has an assistant_id or a graph_id"));
    }
    let mut draft = reader.draft()?;
    draft.source_id(place.member("assistant_id"));
    draft.name(place);
    draft.description(place);
    if let Some(metadata) = place.member("metadata") {
        draft.metadata(&metadata);
    }
    if let Some(graph) = place.member("graph_id") {
        draft.note(SYSTEM, "graph_id", &graph);
    }
    for (name, said) in place.member("config").iter().flat_map(Place::members) {
        match name {
            "configurable" => {}
            "tags" => {
                for tag in said.items() {
                    draft.tag(&tag);
                }
            }
            _ => draft.note(SYSTEM, name, &said),
        }
    }
    // A server repeats one of them as the other.
    let parts = [place.at(&["config", "configurable"]), place.member("context")];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    known_settings(&mut draft, &parts);
    other_settings(&mut draft, &parts);
    draft.finish();
    Ok(())
}

fn known_settings(draft: &mut Draft<'_>, parts: &[Place<'_>]) {
    let said = |name: &str| {
        let mut said = parts.iter().filter_map(|part| part.member(name));
        said.find(|said| !said.value.is_null())
    };
    let prompt = PROMPTS.into_iter().find_map(|name| said(name).filter(|prompt| prompt.text().is_some()));
    if let Some(prompt) = prompt {
        draft.copy(&prompt, "/config/instructions");
    }
    draft.model(said("model").as_ref());
    for (name, parameter) in PARAMETERS {
        draft.parameter(parameter, said(name));
    }
    let has_model = draft.document.pointer("/config/model/id").is_some();
    if let Some(stop) = said("stop").filter(|_| has_model) {
        let texts = if stop.value.is_string() { vec![stop] } else { stop.items() };
        for (index, text) in texts.iter().filter(|text| text.value.is_string()).enumerate() {
            draft.copy(text, &format!("/config/model/parameters/stop/{index}"));
        }
    }
}

fn other_settings(draft: &mut Draft<'_>, parts: &[Place<'_>]) {
    let mut earlier: Option<&Place<'_>> = None;
    for part in parts {
        for (name, said) in part.members() {
            if !draft.reader.tracker.is_open(&said.pointer) {
                continue;
            }
            match earlier.and_then(|part| part.member(name)) {
                Some(same) if same.value == said.value => draft.reader.tracker.mirror(&same, &said),
                Some(_) | None => draft.note(SYSTEM, name, &said),
            }
        }
        earlier = Some(part);
    }
}
