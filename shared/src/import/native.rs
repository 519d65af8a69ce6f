//! What this service answers and exports: an agent, a list, a page of a list, a record a line, or a document
//! of templates and agents. With agents come their versions, aliases and links to templates. What only the
//! service writes is left behind.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::fidelity::Place;
use super::{Draft, Format, ImportedTemplate, ImportedVersion, Reader, unlike};
use crate::agent::FIELDS;
use crate::error::Result;
use crate::violation::pointer_segment;

/// The most tags of an agent, and of a template.
const TAGS_MAX: usize = 16;
const OWN: &str = "only the service writes it";
const NO_VERSIONS: &str = "versions are taken only where that is asked for";
const NO_TEMPLATES: &str = "templates are taken only where that is asked for";
/// What of an agent is read, and told where it is read.
const READ: [&str; 8] = ["id", "key", "name", "description", "tags", "metadata", "config", "template"];
/// What only the service writes of a version.
const OF_VERSIONS: [&str; 5] = ["agent_id", "template_id", "previous", "config_hash", "pins"];
/// What only the service writes of a template.
const OF_TEMPLATES: [&str; 8] = [
    "visibility",
    "rev",
    "published_version",
    "unpublished_changes",
    "created_at",
    "created_by",
    "updated_at",
    "updated_by",
];

/// What has versions.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Agent,
    Template,
}

pub(super) fn read(record: &Place<'_>, reader: &mut Reader) -> Result<()> {
    // A template has an agent's document in a member of that name, but never alone.
    match record.members().as_slice() {
        [("agent", one)] => return agent(one, reader),
        [("template", one)] => return template(one, reader),
        _ => {}
    }
    let templates = record.member("templates");
    let agents = record.member("items").or_else(|| record.member("agents"));
    if record.member("config").is_some() || (templates.is_none() && agents.is_none()) {
        return agent(record, reader);
    }
    if let Some(format) = record.member("format") {
        if format.value.as_str() != Some(Format::AgentManagement.as_str()) {
            return Err(unlike(&format, "is another format than agent_management"));
        }
        reader.tracker.drop(&format, "says what the file is");
    }
    if let Some(exported) = record.member("exported_at") {
        reader.tracker.drop(&exported, "says what the file is");
    }
    for one in templates.into_iter().flat_map(|list| list.items()) {
        template(&one, reader)?;
    }
    for one in agents.into_iter().flat_map(|list| list.items()) {
        agent(&one, reader)?;
    }
    Ok(())
}

fn agent(record: &Place<'_>, reader: &mut Reader) -> Result<()> {
    let is_other = ["assistant_id", "graph_id"].iter().any(|name| record.member(name).is_some());
    if record.member("config").is_none() || is_other {
        return Err(unlike(record, "an agent has a configuration"));
    }
    let mut draft = reader.draft()?;
    agent_content(&mut draft, record);
    if let Some(key) = record.member("key").filter(|key| key.text().is_some()) {
        draft.copy(&key, "/key");
    }
    draft.beside.versions = versions(&mut draft, record, Kind::Agent);
    draft.beside.aliases = aliases(&mut draft, record);
    draft.beside.template = link(&mut draft, record);
    let own = FIELDS.iter().filter(|name| !READ.contains(name));
    for part in own.filter_map(|name| record.member(name)) {
        draft.drop(&part, OWN);
    }
    draft.source_id(record.member("id"));
    draft.finish();
    Ok(())
}

/// What an agent has, and each version of it.
fn agent_content(draft: &mut Draft<'_>, record: &Place<'_>) {
    draft.name(record);
    draft.description(record);
    draft.tags(record);
    if let Some(metadata) = record.member("metadata") {
        draft.metadata(&metadata);
    }
    if let Some(config) = record.member("config") {
        draft.tree(&config, "/config");
    }
}

fn template(record: &Place<'_>, reader: &mut Reader) -> Result<()> {
    if !reader.takes_templates {
        reader.tracker.drop(record, NO_TEMPLATES);
        return Ok(());
    }
    let has_agent = record.member("agent").is_some_and(|agent| agent.value.is_object());
    if !has_agent {
        return Err(unlike(record, "a template has an agent's document"));
    }
    let at = format!("/templates/{}", reader.templates.len());
    let mut draft = reader.draft_at(at)?;
    template_content(&mut draft, record);
    let versions = versions(&mut draft, record, Kind::Template);
    for part in OF_TEMPLATES.iter().filter_map(|name| record.member(name)) {
        draft.drop(&part, OWN);
    }
    let id = record.member("id").and_then(|id| Some((id.clone(), id.text()?)));
    if let Some((id, _)) = &id {
        draft.drop(id, "identifies the template in its source only");
    }
    let source_id = id.map(|(_, text)| text.to_owned());
    let document = draft.document;
    reader.templates.push(ImportedTemplate { source_id, document, versions });
    Ok(())
}

/// What a template has, and each version of it.
fn template_content(draft: &mut Draft<'_>, record: &Place<'_>) {
    draft.named(record, "Imported template", "a template has a name");
    draft.description(record);
    draft.tags(record);
    for name in ["variables", "agent", "example"] {
        if let Some(part) = record.member(name).filter(|part| !part.value.is_null()) {
            draft.tree(&part, &format!("/{name}"));
        }
    }
}

/// The versions that can be told apart, by number.
fn versions(draft: &mut Draft<'_>, record: &Place<'_>, kind: Kind) -> Vec<ImportedVersion> {
    let Some(list) = record.member("versions") else { return Vec::new() };
    // A template without its versions is none that an agent could have been made from.
    if !draft.reader.takes_versions && matches!(kind, Kind::Agent) {
        draft.drop(&list, NO_VERSIONS);
        return Vec::new();
    }
    let (content, lacks) = match kind {
        Kind::Agent => ("config", "a version of an agent has a configuration"),
        Kind::Template => ("agent", "a version of a template has an agent's document"),
    };
    let mut numbered: BTreeMap<u64, Place<'_>> = BTreeMap::new();
    for version in list.items() {
        let number = version.member("version").and_then(|number| number.value.as_u64());
        let has_content = version.member(content).is_some_and(|part| part.value.is_object());
        let reason = match number.filter(|number| *number > 0) {
            None => "a version has a number",
            Some(_) if !has_content => lacks,
            Some(number) if numbered.contains_key(&number) => "an earlier version has its number",
            Some(number) => {
                numbered.insert(number, version);
                continue;
            }
        };
        draft.drop(&version, reason);
    }
    let versions = numbered.into_iter().enumerate();
    versions.map(|(index, (number, place))| version(draft, index, number, &place, kind)).collect()
}

fn version(
    draft: &mut Draft<'_>,
    index: usize,
    number: u64,
    place: &Place<'_>,
    kind: Kind,
) -> ImportedVersion {
    const TEXTS: [&str; 4] = ["title", "notes", "published_at", "published_by"];
    let mut part = draft.part(&format!("/versions/{index}"));
    match kind {
        Kind::Agent => {
            agent_content(&mut part, place);
            part.configure();
        }
        Kind::Template => template_content(&mut part, place),
    }
    if let Some(said) = place.member("version") {
        part.copy(&said, "/version");
    }
    for name in TEXTS {
        if let Some(said) = place.member(name).filter(|said| said.text().is_some()) {
            part.copy(&said, &format!("/{name}"));
        }
    }
    for own in OF_VERSIONS.iter().filter_map(|name| place.member(name)) {
        part.drop(&own, OWN);
    }
    let mut document = part.document;
    // What is told beside the content is not in what makes an agent or a template.
    let mut taken = |name: &str| document.as_object_mut()?.remove(name);
    taken("version");
    let [title, notes, published_at, published_by] =
        TEXTS.map(|name| taken(name)?.as_str().map(str::to_owned));
    ImportedVersion { version: number, title, notes, published_at, published_by, document }
}

/// The aliases whose routes all lead to versions that are read.
fn aliases(draft: &mut Draft<'_>, record: &Place<'_>) -> BTreeMap<String, Value> {
    let mut read = BTreeMap::new();
    let Some(aliases) = record.member("aliases") else { return read };
    if !draft.reader.takes_versions {
        draft.drop(&aliases, NO_VERSIONS);
        return read;
    }
    for (name, alias) in aliases.members() {
        let routes = alias.member("routes").map(|routes| routes.items()).unwrap_or_default();
        let versions = &draft.beside.versions;
        let leads = |route: &Place<'_>| {
            let number = route.member("version").and_then(|number| number.value.as_u64());
            number.is_some_and(|number| versions.binary_search_by_key(&number, |one| one.version).is_ok())
        };
        if routes.is_empty() || !routes.iter().all(leads) {
            draft.drop(&alias, "leads to a version that is not read, or to none");
            continue;
        }
        let mut part = draft.part(&format!("/aliases/{}", pointer_segment(name)));
        for (index, route) in routes.iter().enumerate() {
            for member in ["version", "weight"] {
                if let Some(said) = route.member(member) {
                    part.tree(&said, &format!("/routes/{index}/{member}"));
                }
            }
        }
        if let Some(paused) = alias.member("paused").filter(|paused| !paused.value.is_null()) {
            part.tree(&paused, "/paused");
        }
        if let Some(policy) = alias.member("policy") {
            if policy.value.is_null() || *policy.value == json!({}) {
                part.drop(&policy, "says nothing");
            } else {
                part.tree(&policy, "/policy");
            }
        }
        read.insert(name.to_owned(), part.document);
    }
    read
}

/// Which template the agent was made from, and with what.
fn link(draft: &mut Draft<'_>, record: &Place<'_>) -> Option<Value> {
    let link = record.member("template")?;
    let id = link.member("id").filter(|id| id.text().is_some());
    let version = link.member("version").filter(|version| version.value.as_u64().is_some());
    let (Some(id), Some(version)) = (id, version) else {
        draft.drop(&link, "names no version of a template");
        return None;
    };
    let mut part = draft.part("/template");
    part.copy(&id, "/id");
    part.copy(&version, "/version");
    if let Some(name) = link.member("name").filter(|name| name.text().is_some()) {
        part.copy(&name, "/name");
    }
    if let Some(variables) = link.member("variables").filter(|variables| variables.value.is_object()) {
        part.tree(&variables, "/variables");
    }
    if part.document.pointer("/variables").is_none() {
        part.add("/variables", json!({}), "a link to a template has variables");
    }
    Some(part.document)
}

/// What agents have by these names in all formats, and templates have too.
impl Draft<'_> {
    /// Begins a part of what is beside the document, which is a document itself.
    fn part(&mut self, to: &str) -> Draft<'_> {
        let at = self.place(to);
        Draft::new(self.reader, at)
    }

    /// Sees to it that there is a configuration.
    pub(super) fn configure(&mut self) {
        if self.document.pointer("/config").is_none() {
            self.add("/config", json!({}), "an agent has a configuration");
        }
    }

    pub(super) fn source_id(&mut self, id: Option<Place<'_>>) {
        if let Some(id) = id
            && let Some(text) = id.text()
        {
            self.source_id = Some(text.to_owned());
            self.drop(&id, "identifies the agent in its source only");
        }
    }

    pub(super) fn name(&mut self, agent: &Place<'_>) {
        self.named(agent, "Imported agent", "an agent has a name");
    }

    /// What a part is called, or what it is called where it has no name.
    fn named(&mut self, place: &Place<'_>, otherwise: &'static str, reason: &'static str) {
        match place.member("name") {
            Some(name) if name.text().is_some() => self.copy(&name, "/name"),
            Some(name) if name.is_leaf() => self.default(&name, "/name", otherwise, reason),
            Some(_) | None => self.add("/name", otherwise, reason),
        }
    }

    pub(super) fn description(&mut self, place: &Place<'_>) {
        if let Some(description) = place.member("description").filter(|said| said.value.is_string()) {
            self.copy(&description, "/description");
        }
    }

    fn tags(&mut self, place: &Place<'_>) {
        for tag in place.member("tags").into_iter().flat_map(|tags| tags.items()) {
            self.tag(&tag);
        }
    }

    pub(super) fn tag(&mut self, tag: &Place<'_>) {
        let Some(text) = tag.text() else { return };
        let count = self.document.pointer("/tags").and_then(Value::as_array).map_or(0, Vec::len);
        if count >= TAGS_MAX && !self.known.contains_key(&format!("/tags/{text}")) {
            return self.drop(tag, "an agent has at most 16 tags");
        }
        match self.item("/tags", text) {
            (at, true) => self.copy(tag, &at),
            (at, false) => self.map(tag, &at),
        }
    }

    /// Where an item of this name is in a list, or goes; whether it is new.
    pub(super) fn item(&mut self, list: &str, name: &str) -> (String, bool) {
        let key = format!("{list}/{name}");
        if let Some(at) = self.known.get(&key) {
            return (at.clone(), false);
        }
        let count = self.document.pointer(list).and_then(Value::as_array).map_or(0, Vec::len);
        let at = format!("{list}/{count}");
        self.known.insert(key, at.clone());
        (at, true)
    }
}
