//! Assistants of OpenAI's Assistants API (version 2): one, a list as the API answers it, or one a line. Its
//! tools, parameters and response formats are also what the other formats have, by other names.

use super::fidelity::Place;
use super::{Draft, Reader, unlike};
use crate::error::Result;

pub(super) fn read(record: &Place<'_>, reader: &mut Reader) -> Result<()> {
    match record.member("data").filter(|list| list.value.is_array()) {
        Some(list) => list.items().iter().try_for_each(|place| assistant(place, reader)),
        None => assistant(record, reader),
    }
}

fn assistant(place: &Place<'_>, reader: &mut Reader) -> Result<()> {
    let has = |name: &str| place.member(name).is_some();
    let is_one = match place.member("object").as_ref().and_then(|kind| kind.value.as_str()) {
        Some(kind) => kind == "assistant",
        // What creates one says no kind.
        None => has("model") && !has("agent_type") && !has("llm_config") && !has("skills"),
    };
    if !is_one {
        return Err(unlike(place, "an assistant of OpenAI has the object `assistant`, or at least a model"));
    }
    let mut draft = reader.draft()?;
    draft.source_id(place.member("id"));
    draft.name(place);
    draft.description(place);
    if let Some(metadata) = place.member("metadata") {
        draft.metadata(&metadata);
    }
    match place.member("model") {
        Some(model) if model.text().is_some() => {
            draft.add("/config/model/provider", "openai", "an assistant of OpenAI has a model of OpenAI");
            draft.copy(&model, "/config/model/id");
        }
        model => draft.model(model.as_ref()),
    }
    for name in ["temperature", "top_p", "reasoning_effort"] {
        draft.parameter(name, place.member(name));
    }
    if let Some(instructions) = place.member("instructions").filter(|said| said.value.is_string()) {
        draft.copy(&instructions, "/config/instructions");
    }
    for item in place.member("tools").into_iter().flat_map(|tools| tools.items()) {
        tool(&mut draft, &item);
    }
    let stores = place.at(&["tool_resources", "file_search", "vector_store_ids"]);
    for id in stores.into_iter().flat_map(|ids| ids.items()) {
        draft.knowledge(&id);
    }
    if let Some(format) = place.member("response_format") {
        draft.response_format(&format);
    }
    draft.finish();
    Ok(())
}

fn tool(draft: &mut Draft<'_>, tool: &Place<'_>) {
    let Some((kind, text)) = tool.member("type").and_then(|kind| Some((kind.clone(), kind.text()?))) else {
        return;
    };
    if text != "function" {
        let at = draft.tool(tool, &kind);
        let settings = tool.member(text).filter(|settings| settings.value.is_object());
        if let Some((at, settings)) = at.zip(settings) {
            draft.tree(&settings, &format!("{at}/config"));
        }
        return;
    }
    draft.drop(&kind, "every tool is one of the registry");
    let Some(function) = tool.member("function") else { return };
    let Some(at) = function.member("name").and_then(|name| draft.tool(tool, &name)) else { return };
    for name in ["description", "strict"] {
        if let Some(said) =
            function.member(name).filter(|said| said.value.is_string() || said.value.is_boolean())
        {
            draft.copy(&said, &format!("{at}/config/{name}"));
        }
    }
    if let Some(parameters) = function.member("parameters").filter(|schema| schema.value.is_object()) {
        draft.tree(&parameters, &format!("{at}/config/parameters"));
    }
}

/// What assistants have, and other systems by other names.
impl Draft<'_> {
    /// The model that a text names, or the default one.
    pub(super) fn model(&mut self, named: Option<&Place<'_>>) {
        let split = named.and_then(|place| Some((place, split_model(place.text()?)?)));
        if let Some((place, (provider, id))) = split {
            self.put(&[place], "/config/model/provider", provider);
            self.put(&[place], "/config/model/id", id);
        } else if let Some((provider, id)) = self.reader.default_model.clone() {
            const REASON: &str = "the file names no model";
            self.add("/config/model/provider", provider, REASON);
            match named.filter(|place| place.is_leaf()) {
                Some(place) => {
                    self.default(place, "/config/model/id", id, "does not name a provider and its model");
                }
                None => self.add("/config/model/id", id, REASON),
            }
        }
    }

    /// A parameter of the model, if there is a model and no such parameter yet.
    pub(super) fn parameter(&mut self, name: &str, said: Option<Place<'_>>) {
        let Some(said) = said else { return };
        let to = format!("/config/model/parameters/{name}");
        let has = |to: &str| self.document.pointer(to).is_some();
        if !has("/config/model/id") || has(&to) {
            return;
        }
        let value = said.value;
        let is_one = match name {
            "max_output_tokens" => value.as_u64().is_some_and(|count| u32::try_from(count).is_ok()),
            "seed" => value.as_i64().is_some(),
            "reasoning_effort" => {
                let efforts = ["none", "minimal", "low", "medium", "high"];
                value.as_str().is_some_and(|effort| efforts.contains(&effort))
            }
            _ => value.is_number(),
        };
        if is_one {
            self.copy(&said, &to);
        } else if name == "reasoning_effort" && matches!(value.as_str(), Some("xhigh" | "max")) {
            self.default(&said, &to, "high", "is more than the greatest effort that there is here");
        }
    }

    /// A tool by its name: where it is, unless it has no name or an earlier one has it.
    pub(super) fn tool(&mut self, tool: &Place<'_>, name: &Place<'_>) -> Option<String> {
        let text = name.text()?;
        let is_allowed = |character: char| character.is_ascii_graphic() && character != '/';
        let id: String =
            text.chars().map(|character| if is_allowed(character) { character } else { '_' }).collect();
        let (at, is_new) = self.item("/config/tools", &id);
        if !is_new {
            self.drop(tool, "an earlier tool has its name");
            return None;
        }
        let to = format!("{at}/tool_id");
        if id == text {
            self.copy(name, &to);
        } else {
            self.default(name, &to, id, "a tool's id is visible ASCII without slash");
        }
        Some(at)
    }

    pub(super) fn knowledge(&mut self, id: &Place<'_>) {
        let Some(text) = id.text() else { return };
        match self.item("/config/knowledge", text) {
            (at, true) => self.copy(id, &format!("{at}/id")),
            (at, false) => self.map(id, &format!("{at}/id")),
        }
    }

    /// The response format as OpenAI's API has it, and others have taken over from it.
    pub(super) fn response_format(&mut self, format: &Place<'_>) {
        const TYPE: &str = "/config/response_format/type";
        let Some(kind) = format.member("type") else { return };
        match kind.value.as_str() {
            Some("text" | "json_schema") => self.copy(&kind, TYPE),
            Some("json_object") => return self.default(&kind, TYPE, "json", "is called json here"),
            Some(_) | None => return,
        }
        let schema = format.at(&["json_schema", "schema"]).filter(|schema| schema.value.is_object());
        if let Some(schema) = schema.filter(|_| kind.value.as_str() == Some("json_schema")) {
            self.tree(&schema, "/config/response_format/schema");
        }
    }
}

/// A model as `provider/id` or `provider:id`.
fn split_model(text: &str) -> Option<(&str, &str)> {
    text.split_once(['/', ':']).filter(|(provider, id)| !provider.is_empty() && !id.is_empty())
}
