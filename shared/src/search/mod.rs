//! Finding agents: the terms that an agent is found by, and the card that the index keeps of it. An agent
//! has one card, which says what it is filed under, and a row for each term; both follow its head from the
//! stream. Search reads rows for candidates and believes the card. It knows no store, HTTP or clock.

mod filter;
pub mod store;
mod view;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

pub use filter::{CountDocument, Cover, Filter, FilterDocument, Search, SearchDocument};
pub use view::{CountView, Dependent};

use crate::agent::config::ModelRef;
use crate::agent::{Agent, Summary};
use crate::clock::rfc3339;
use crate::id::{AgentId, AgentKey};

/// The most words of an agent's name and description that it is found by: the first ones.
pub const WORDS_MAX: usize = 64;
/// A word's greatest length in characters; a longer one is found by its beginning.
const WORD_MAX: usize = 32;
/// A prefix's least length in characters: rows of words are kept together by so many.
pub const PREFIX_MIN: usize = 2;
/// How much of a name decides its place in the order, in bytes.
const NAME_KEY_MAX_BYTES: usize = 256;

/// What a term is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Status,
    Owner,
    Tag,
    /// `provider/id` of the model and of each fallback.
    Model,
    Tool,
    Template,
    /// A word of the name or the description.
    Word,
    /// An agent that this one hands work to, in its draft or in a version that an alias leads to.
    Uses,
    /// The same with the alias, as `id/alias`.
    UsesAlias,
}

impl Kind {
    const ALL: [Self; 9] = [
        Self::Status,
        Self::Owner,
        Self::Tag,
        Self::Model,
        Self::Tool,
        Self::Template,
        Self::Word,
        Self::Uses,
        Self::UsesAlias,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Owner => "owner",
            Self::Tag => "tag",
            Self::Model => "model",
            Self::Tool => "tool",
            Self::Template => "template",
            Self::Word => "word",
            Self::Uses => "uses",
            Self::UsesAlias => "alias",
        }
    }

    /// How many agents have a term of the kind in common, by experience: 0 the fewest.
    fn breadth(self) -> u8 {
        match self {
            Self::Uses | Self::UsesAlias => 0,
            Self::Template => 1,
            Self::Tool => 2,
            Self::Tag => 3,
            Self::Word => 4,
            Self::Owner => 5,
            Self::Model => 6,
            Self::Status => 7,
        }
    }
}

/// Something that an agent is found by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Term {
    pub kind: Kind,
    pub value: String,
}

impl Term {
    pub fn new(kind: Kind, value: impl Into<String>) -> Self {
        Self { kind, value: value.into() }
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.kind.as_str(), self.value)
    }
}

/// The text is no term.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoTerm;

impl FromStr for Term {
    type Err = NoTerm;

    fn from_str(text: &str) -> Result<Self, NoTerm> {
        let (name, value) = text.split_once('#').ok_or(NoTerm)?;
        let kind = Kind::ALL.into_iter().find(|kind| kind.as_str() == name).ok_or(NoTerm)?;
        Ok(Self::new(kind, value))
    }
}

/// The order of what is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sort {
    pub by: SortBy,
    pub is_descending: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortBy {
    Created,
    Updated,
    Name,
}

impl Sort {
    /// As clients write them; the first is the one that is meant by none.
    pub const NAMES: [&'static str; 6] =
        ["-created_at", "created_at", "-updated_at", "updated_at", "name", "-name"];
}

impl FromStr for Sort {
    type Err = NoTerm;

    fn from_str(text: &str) -> Result<Self, NoTerm> {
        let (is_descending, name) = text.strip_prefix('-').map_or((false, text), |name| (true, name));
        let by = match name {
            "created_at" => SortBy::Created,
            "updated_at" => SortBy::Updated,
            "name" => SortBy::Name,
            _ => return Err(NoTerm),
        };
        Ok(Self { by, is_descending })
    }
}

/// What the index keeps of an agent.
#[derive(Debug, Clone, PartialEq)]
pub struct Card {
    pub id: AgentId,
    pub key: Option<AgentKey>,
    pub summary: Summary,
    pub terms: BTreeSet<Term>,
}

impl Card {
    pub fn of(agent: &Agent) -> Self {
        let content = &agent.content;
        let model = &content.config.model;
        Self {
            id: agent.id.clone(),
            key: agent.key.clone(),
            summary: Summary {
                id: agent.id.to_string(),
                key: agent.key.as_ref().map(ToString::to_string),
                name: content.name.clone(),
                status: agent.status.name().to_owned(),
                tags: content.tags.clone(),
                model: ModelRef { provider: model.provider.clone(), id: model.id.clone() },
                rev: agent.rev,
                published_version: agent.published_version(),
                created_at: rfc3339(agent.created.at),
                updated_at: rfc3339(agent.updated.at),
            },
            terms: terms(agent),
        }
    }

    /// Where the agent stands in an order: texts compare as the places do.
    pub fn place(&self, by: SortBy) -> String {
        match by {
            SortBy::Created => place(&self.summary.created_at, &self.id),
            SortBy::Updated => place(&self.summary.updated_at, &self.id),
            SortBy::Name => name_place(&self.summary.name, &self.id),
        }
    }
}

/// A place in an order of times.
fn place(at: &str, id: &AgentId) -> String {
    format!("{at}#{id}")
}

/// A place in the order of names, whatever their case. Nothing in a name sorts before what ends it.
fn name_place(name: &str, id: &AgentId) -> String {
    let folded = name.to_lowercase().replace(['\n', '\t'], " ");
    let kept = folded.floor_char_boundary(NAME_KEY_MAX_BYTES);
    format!("{}\u{1}{id}", &folded[..kept])
}

/// The agent in a place.
pub fn placed(place: &str) -> Option<AgentId> {
    let start = place.len().checked_sub(AgentId::PREFIX.len() + 26)?;
    place.get(start..)?.parse().ok()
}

/// Everything that an agent is found by.
pub fn terms(agent: &Agent) -> BTreeSet<Term> {
    let content = &agent.content;
    let config = &content.config;
    let model = &config.model;
    let mut terms = BTreeSet::from([
        Term::new(Kind::Status, agent.status.name()),
        Term::new(Kind::Owner, agent.owner.as_str()),
        Term::new(Kind::Model, format!("{}/{}", model.provider, model.id)),
    ]);
    let fallbacks = model.fallbacks.iter().map(|model| format!("{}/{}", model.provider, model.id));
    terms.extend(fallbacks.map(|model| Term::new(Kind::Model, model)));
    terms.extend(content.tags.iter().map(|tag| Term::new(Kind::Tag, tag)));
    terms.extend(config.tools.iter().map(|tool| Term::new(Kind::Tool, &tool.tool_id)));
    let texts = [Some(content.name.as_str()), content.description.as_deref()];
    let all = texts.into_iter().flatten().flat_map(words);
    let mut found: Vec<String> = Vec::new();
    for word in all {
        if found.len() == WORDS_MAX {
            break;
        }
        if !found.contains(&word) {
            found.push(word);
        }
    }
    terms.extend(found.into_iter().map(|word| Term::new(Kind::Word, word)));
    terms.extend(agent.template.iter().map(|link| Term::new(Kind::Template, link.id.as_str())));
    let uses = config.sub_agents.iter().chain(agent.aliases.values().flat_map(|alias| &alias.uses));
    for used in uses.filter(|used| used.id != agent.id) {
        let alias = used.alias.as_deref().unwrap_or("live");
        terms.insert(Term::new(Kind::Uses, used.id.as_str()));
        terms.insert(Term::new(Kind::UsesAlias, format!("{}/{alias}", used.id)));
    }
    terms
}

/// The words of a text, in lower case: letters and digits without a break.
pub fn words(text: &str) -> impl Iterator<Item = String> {
    let words = text.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(|word| word.to_lowercase().chars().take(WORD_MAX).collect())
}

/// A row of the index: a term, and where the agent stands by its creation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    pub term: Term,
    pub place: String,
}

/// The rows that an agent with these terms has.
pub fn rows(id: &AgentId, created: Timestamp, terms: &BTreeSet<Term>) -> BTreeSet<Row> {
    let place = place(&rfc3339(created), id);
    terms.iter().map(|term| Row { term: term.clone(), place: place.clone() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_what_people_take_for_words() {
        let of = |text: &str| words(text).collect::<Vec<_>>();
        assert_eq!(of("Refunds & RETURNS (e-mail)"), ["refunds", "returns", "e", "mail"]);
        assert_eq!(of("Größe 4°, naïve"), ["größe", "4", "naïve"]);
        assert_eq!(of(&"x".repeat(40)), ["x".repeat(32)]);
        assert_eq!(of(" \n#"), Vec::<String>::new());
    }

    #[test]
    fn a_term_comes_back_from_its_text() {
        for kind in Kind::ALL {
            let term = Term::new(kind, "a#b/c");
            assert_eq!(term.to_string().parse(), Ok(term));
        }
        assert_eq!("nonsense#x".parse::<Term>(), Err(NoTerm));
        assert_eq!("tag".parse::<Term>(), Err(NoTerm));
    }

    #[test]
    fn a_shorter_name_stands_before_a_longer_one_that_it_begins() {
        let (one, other) = (AgentId::derived(&["1"]), AgentId::derived(&["2"]));
        let mut places = [name_place("ab", &one), name_place("a", &other), name_place("A b", &one)];
        places.sort();
        assert_eq!(places, [name_place("a", &other), name_place("A b", &one), name_place("ab", &one)]);
        assert_eq!(placed(&places[0]), Some(other));
        assert_eq!(placed("short"), None);
        assert!(name_place(&"İ".repeat(200), &one).len() < 300);
    }
}
