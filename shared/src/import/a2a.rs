//! Agent cards of the Agent2Agent protocol (0.3, and 1.0 where it says the same elsewhere): one, a list, or
//! one a line. A card says what an agent offers and where, not what it is made of: it becomes a description,
//! and the model is the default one.

use super::fidelity::Place;
use super::secrets::holds_secret;
use super::{Draft, PAIR_TEXT_MAX, Reader, unlike};
use crate::error::Result;

const SYSTEM: &str = "a2a";

pub(super) fn read(record: &Place<'_>, reader: &mut Reader) -> Result<()> {
    let has = |name: &str| record.member(name).is_some();
    if has("agents") || !(has("skills") || has("capabilities")) {
        return Err(unlike(record, "an agent card has skills or capabilities"));
    }
    let mut draft = reader.draft()?;
    draft.name(record);
    draft.description(record);
    let interfaces = record.member("supportedInterfaces").map(|list| list.items()).unwrap_or_default();
    let first = interfaces.first().and_then(|interface| interface.member("url"));
    let url = record.member("url").or(first).filter(|url| url.text().is_some());
    if let Some(url) = &url {
        draft.note(SYSTEM, "url", url);
    }
    let safe = url.and_then(|url| url.text()).filter(|url| !holds_secret(url));
    let name = record.member("name").and_then(|name| name.text());
    draft.source_id = safe.or(name).map(str::to_owned);
    for skill in record.member("skills").into_iter().flat_map(|skills| skills.items()) {
        for tag in skill.member("tags").into_iter().flat_map(|tags| tags.items()) {
            draft.tag(&tag);
        }
        note_skill(&mut draft, &skill);
    }
    draft.model(None);
    draft.finish();
    Ok(())
}

/// A skill as a pair of metadata: its id, and what it is called and does.
fn note_skill(draft: &mut Draft<'_>, skill: &Place<'_>) {
    let said = |name: &str| skill.member(name).and_then(|place| Some((place.clone(), place.text()?)));
    let Some((id, id_text)) = said("id") else { return };
    let (mut from, mut texts) = (vec![&id], Vec::new());
    let [name, description] = ["name", "description"].map(said);
    for (place, text) in name.iter().chain(&description) {
        from.push(place);
        texts.push(*text);
    }
    let is_long = texts.join(": ").chars().count() > PAIR_TEXT_MAX;
    if is_long
        && texts.len() > 1
        && let Some(description) = from.pop()
    {
        draft.drop(description, "is too long for metadata");
        texts.pop();
    }
    if !texts.is_empty() {
        draft.noted(&format!("skill:{id_text}"), &from, texts.join(": "));
    }
}
