//! What clients search for: a filter, which an agent's card fulfils or not, and which rows of the index
//! have every agent that may fulfil it.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Card, Kind, PREFIX_MIN, Sort, Term, words};
use crate::error::{Error, Result};
use crate::id::AgentKey;
use crate::json;
use crate::page::{LIMIT_DEFAULT, LIMIT_MAX};
use crate::violation::Violation;

/// The most conditions of a filter, counted over all of its parts.
const CONDITIONS_MAX: usize = 32;
/// How deep `and` and `or` may nest.
const DEPTH_MAX: usize = 8;
/// A value's greatest length in characters.
const VALUE_MAX: usize = 256;

/// A search.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchDocument {
    /// Absent means every agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<FilterDocument>,
    /// The order; a minus means descending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["-created_at", "created_at", "-updated_at", "updated_at", "name", "-name", null], "default" = "-created_at"))]
    pub sort: Option<String>,
    /// The most rows of a page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100), extend("default" = 20))]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before, of the same search.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// What is to be counted.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CountDocument {
    /// Absent means every agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<FilterDocument>,
    /// `next_cursor` of the count before, of the same filter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl CountDocument {
    /// Reads what is to be counted, as a search by creation.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn read(document: Value) -> Result<Search> {
        let Self { filter, cursor } = json::read(document)?;
        SearchDocument { filter, cursor, ..SearchDocument::default() }.check()
    }
}

/// Conditions that must all hold. Of a list of values any will do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FilterDocument {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Values>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Values>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<Values>,
    /// `provider/id`, as the model or as a fallback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Values>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<Values>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<Values>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Values>,
    /// Words that name and description must have between them; one that ends in `*` is the beginning of a
    /// word, of at least two characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub text: Option<String>,
    /// All of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    pub and: Option<Vec<FilterDocument>>,
    /// Any of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    pub or: Option<Vec<FilterDocument>>,
}

/// A value, or several of which any will do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Values {
    One(#[schemars(length(min = 1, max = 256))] String),
    Any(#[schemars(length(min = 1, max = 32))] Vec<String>),
}

/// A condition on an agent.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Term(Term),
    /// The beginning of a word.
    Prefix(String),
    Key(AgentKey),
    /// No agent: a key that can't be one.
    Nothing,
}

/// What has every agent that may fulfil a condition.
#[derive(Debug, Clone, PartialEq)]
pub enum Cover {
    /// The rows of a term.
    Term(Term),
    /// The rows of all words with this beginning.
    Prefix(String),
    /// One agent.
    Key(AgentKey),
}

/// A search that has been read.
#[derive(Debug)]
pub struct Search {
    pub filter: Filter,
    pub sort: Sort,
    pub limit: u32,
    pub cursor: Option<String>,
    /// The filter as text: equal for equal filters.
    pub said: String,
}

impl SearchDocument {
    /// Reads a search.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn read(document: Value) -> Result<Search> {
        json::read::<Self>(document)?.check()
    }

    fn check(self) -> Result<Search> {
        let document = self;
        let mut found = Vec::new();
        let sort = document.sort.as_deref().unwrap_or(Sort::NAMES[0]).parse::<Sort>();
        if sort.is_err() {
            let detail = format!("must be one of {}", Sort::NAMES.join(", "));
            found.push(Violation::new("/sort", "invalid", detail));
        }
        let limit = document.limit.unwrap_or(LIMIT_DEFAULT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            let violation =
                Violation::new("/limit", "out_of_range", format!("must be from 1 to {LIMIT_MAX}"));
            found.push(violation.exceeding(LIMIT_MAX, limit));
        }
        let filter = document.filter.unwrap_or_default();
        let mut reader = Reader { found, conditions: 0 };
        let read = reader.filter(&filter, "/filter", 0);
        if reader.conditions > CONDITIONS_MAX {
            let violation = Violation::new("/filter", "too_many", "the filter has too many conditions");
            reader.found.push(violation.exceeding(CONDITIONS_MAX, reader.conditions));
        }
        match (sort, reader.found) {
            (Ok(sort), found) if found.is_empty() => {
                let said =
                    serde_json::to_string(&filter).map_err(|_| Error::internal("a filter is no JSON"))?;
                Ok(Search { filter: read, sort, limit, cursor: document.cursor, said })
            }
            (_, found) => Err(Error::Invalid(found)),
        }
    }
}

/// Reads filters, and remembers what is wrong with them.
struct Reader {
    found: Vec<Violation>,
    conditions: usize,
}

impl Reader {
    fn filter(&mut self, document: &FilterDocument, pointer: &str, depth: usize) -> Filter {
        if depth > DEPTH_MAX {
            self.found.push(Violation::new(pointer, "too_deep", "the filter nests too deep"));
            return Filter::Nothing;
        }
        let mut all = Vec::new();
        let kinds = [
            ("status", Kind::Status, &document.status),
            ("owner", Kind::Owner, &document.owner),
            ("tag", Kind::Tag, &document.tag),
            ("model", Kind::Model, &document.model),
            ("tool", Kind::Tool, &document.tool),
            ("template", Kind::Template, &document.template),
        ];
        for (name, kind, values) in kinds {
            let term = |value: &str| Filter::Term(Term::new(kind, value));
            all.extend(self.values(values.as_ref(), &format!("{pointer}/{name}"), term));
        }
        let key = |value: &str| value.parse().map_or(Filter::Nothing, Filter::Key);
        all.extend(self.values(document.key.as_ref(), &format!("{pointer}/key"), key));
        if let Some(text) = &document.text {
            all.push(self.text(text, &format!("{pointer}/text")));
        }
        for (name, parts, is_any) in [("and", &document.and, false), ("or", &document.or, true)] {
            let Some(parts) = parts else { continue };
            let pointer = format!("{pointer}/{name}");
            if !(1..=CONDITIONS_MAX).contains(&parts.len()) {
                let detail = format!("must have 1 to {CONDITIONS_MAX} items");
                let violation = Violation::new(pointer, "length", detail);
                self.found.push(violation.exceeding(CONDITIONS_MAX, parts.len()));
                continue;
            }
            let each = parts.iter().enumerate();
            let read = each.map(|(index, part)| self.filter(part, &format!("{pointer}/{index}"), depth + 1));
            let read: Vec<Filter> = read.collect();
            all.push(if is_any { Filter::Any(read) } else { Filter::All(read) });
        }
        if all.len() == 1 { all.remove(0) } else { Filter::All(all) }
    }

    fn values(
        &mut self,
        values: Option<&Values>,
        pointer: &str,
        condition: impl Fn(&str) -> Filter,
    ) -> Option<Filter> {
        match values? {
            Values::One(value) => Some(self.value(value, pointer, condition)),
            Values::Any(values) => {
                if values.is_empty() {
                    let detail = format!("must have 1 to {CONDITIONS_MAX} items");
                    self.found.push(Violation::new(pointer, "length", detail));
                }
                let each = values.iter().enumerate();
                let read =
                    each.map(|(index, value)| self.value(value, &format!("{pointer}/{index}"), &condition));
                Some(Filter::Any(read.collect()))
            }
        }
    }

    fn value(&mut self, value: &str, pointer: &str, condition: impl Fn(&str) -> Filter) -> Filter {
        self.conditions += 1;
        if !(1..=VALUE_MAX).contains(&value.chars().count()) {
            let detail = format!("must have 1 to {VALUE_MAX} characters");
            self.found.push(Violation::new(pointer, "length", detail));
            return Filter::Nothing;
        }
        condition(value)
    }

    fn text(&mut self, text: &str, pointer: &str) -> Filter {
        let mut all = Vec::new();
        if text.chars().count() > VALUE_MAX {
            let detail = format!("must have 1 to {VALUE_MAX} characters");
            self.found.push(Violation::new(pointer, "length", detail));
            return Filter::Nothing;
        }
        for part in text.split_whitespace() {
            let mut found: Vec<String> = words(part).collect();
            if part.ends_with('*')
                && let Some(prefix) = found.pop()
            {
                if prefix.chars().count() < PREFIX_MIN {
                    let detail = format!("a beginning of a word must have {PREFIX_MIN} characters or more");
                    self.found.push(Violation::new(pointer, "prefix_length", detail));
                }
                all.push(Filter::Prefix(prefix));
            }
            all.extend(found.into_iter().map(|word| Filter::Term(Term::new(Kind::Word, word))));
        }
        if all.is_empty() {
            self.found.push(Violation::new(pointer, "blank", "must have a word"));
        }
        self.conditions += all.len();
        Filter::All(all)
    }
}

impl Filter {
    /// Whether an agent fulfils it.
    pub fn admits(&self, card: &Card) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.admits(card)),
            Self::Any(parts) => parts.iter().any(|part| part.admits(card)),
            Self::Term(term) => card.terms.contains(term),
            Self::Prefix(prefix) => begins(&card.terms, prefix),
            Self::Key(key) => card.key.as_ref() == Some(key),
            Self::Nothing => false,
        }
    }

    /// Ways to come by every agent that may fulfil it, each a list of covers of which all are needed; those
    /// that are expected to have the fewest come first. None where only a walk over all agents will do.
    pub fn ways(&self) -> Vec<Vec<Cover>> {
        let mut ways = match self {
            Self::All(parts) => parts.iter().flat_map(Self::ways).collect(),
            Self::Any(parts) => {
                // Of each part its best way, and all of them together.
                let best: Option<Vec<Vec<Cover>>> =
                    parts.iter().map(|part| part.ways().into_iter().next()).collect();
                best.map(|ways| vec![ways.concat()]).unwrap_or_default()
            }
            Self::Term(term) => vec![vec![Cover::Term(term.clone())]],
            Self::Prefix(prefix) => vec![vec![Cover::Prefix(prefix.clone())]],
            Self::Key(key) => vec![vec![Cover::Key(key.clone())]],
            Self::Nothing => vec![Vec::new()],
        };
        ways.sort_by_key(|way| (way.iter().map(breadth).max(), way.len()));
        ways
    }
}

fn breadth(cover: &Cover) -> u8 {
    match cover {
        Cover::Key(_) => 0,
        Cover::Term(term) => 1 + term.kind.breadth(),
        Cover::Prefix(_) => 6,
    }
}

fn begins(terms: &BTreeSet<Term>, prefix: &str) -> bool {
    let first = Term::new(Kind::Word, prefix);
    terms.range(first..).next().is_some_and(|term| term.kind == Kind::Word && term.value.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(filter: &Value) -> Result<Filter> {
        SearchDocument::read(json!({"filter": filter})).map(|search| search.filter)
    }

    fn term(kind: Kind, value: &str) -> Filter {
        Filter::Term(Term::new(kind, value))
    }

    #[test]
    fn members_must_all_hold_and_of_values_any() {
        let filter = read(&json!({"status": "active", "tag": ["a", "b"], "text": "Refund pol*"})).unwrap();
        let tags = Filter::Any(vec![term(Kind::Tag, "a"), term(Kind::Tag, "b")]);
        let text = Filter::All(vec![term(Kind::Word, "refund"), Filter::Prefix("pol".to_owned())]);
        assert_eq!(filter, Filter::All(vec![term(Kind::Status, "active"), tags, text]));
        assert_eq!(read(&json!({})).unwrap(), Filter::All(Vec::new()));
        let nested = read(&json!({"or": [{"tag": "a"}, {"and": [{"tool": "t"}, {"owner": "o"}]}]})).unwrap();
        let and = Filter::All(vec![term(Kind::Tool, "t"), term(Kind::Owner, "o")]);
        assert_eq!(nested, Filter::Any(vec![term(Kind::Tag, "a"), and]));
    }

    #[test]
    fn the_narrowest_way_comes_first() {
        let ways = |filter| read(&filter).unwrap().ways();
        let first = |filter| ways(filter).into_iter().next();
        let cover = |kind, value: &str| Cover::Term(Term::new(kind, value));
        assert_eq!(first(json!({"status": "active", "tool": "t"})), Some(vec![cover(Kind::Tool, "t")]));
        assert_eq!(
            first(json!({"or": [{"status": "active", "tag": "a"}, {"tag": "b"}]})),
            Some(vec![cover(Kind::Tag, "a"), cover(Kind::Tag, "b")])
        );
        assert_eq!(first(json!({})), None);
        assert_eq!(first(json!({"or": [{}, {"tag": "b"}]})), None, "one part admits everything");
        assert_eq!(first(json!({"key": "no key"})), Some(Vec::new()), "nothing is covered by nothing");
    }

    #[test]
    fn what_is_too_much_or_empty_is_refused() {
        let deep = |depth: usize| (0..depth).fold(json!({"tag": "a"}), |inner, _| json!({"and": [inner]}));
        assert!(read(&deep(8)).is_ok());
        for (bad, pointer) in [
            (deep(9), "/filter/and/0/and/0/and/0/and/0/and/0/and/0/and/0/and/0/and/0"),
            (json!({"tag": vec!["a"; 33]}), "/filter"),
            (json!({"tag": []}), "/filter/tag"),
            (json!({"tag": ["a", ""]}), "/filter/tag/1"),
            (json!({"or": []}), "/filter/or"),
            (json!({"or": vec![json!({}); 33]}), "/filter/or"),
            (json!({"text": "a*"}), "/filter/text"),
            (json!({"text": " ! "}), "/filter/text"),
            (json!({"text": "x".repeat(257)}), "/filter/text"),
        ] {
            let Err(Error::Invalid(found)) = read(&bad) else { panic!("{bad} is taken") };
            assert_eq!(found[0].pointer, pointer, "{bad}");
        }
    }
}
