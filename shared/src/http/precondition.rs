//! Conditional requests (RFC 9110 §13): entity tags are the quoted `rev`, strong.

use http::HeaderMap;
use http::header::{IF_MATCH, IF_NONE_MATCH};

use crate::error::{Error, Result};

/// What `If-Match` demands of a resource's `rev`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Precondition {
    /// The header is absent.
    None,
    /// `*`: whatever is there.
    Any,
    /// One of these. Weak tags never match (RFC 9110 §13.1.1), so they are left out.
    Revs(Vec<u64>),
}

impl Precondition {
    /// Reads `If-Match`. An empty one says as much as none.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] for what is no list of entity tags.
    pub fn read(headers: &HeaderMap) -> Result<Self> {
        let invalid = || Error::InvalidParameter {
            name: "If-Match",
            detail: "must be entity tags in double quotes, such as \"7\", or *".to_owned(),
        };
        let mut revs = Vec::new();
        let mut is_present = false;
        for value in headers.get_all(IF_MATCH) {
            for tag in tags(value.to_str().map_err(|_| invalid())?).ok_or_else(invalid)? {
                is_present = true;
                match tag {
                    Tag::Any => return Ok(Self::Any),
                    Tag::Weak(_) => {}
                    // Tags are compared as they are written: "01" is another tag than "1".
                    Tag::Strong(opaque) => {
                        revs.extend(opaque.parse::<u64>().ok().filter(|rev| rev.to_string() == opaque));
                    }
                }
            }
        }
        Ok(if is_present { Self::Revs(revs) } else { Self::None })
    }

    /// Whether `If-None-Match: *` asks for a creation, so that nothing that is there may change. A change
    /// on condition that the resource is another one than some has no use, and is no request here.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] for any other value than `*`.
    pub fn only_creates(headers: &HeaderMap) -> Result<bool> {
        let mut values = headers.get_all(IF_NONE_MATCH).into_iter();
        match (values.next(), values.next()) {
            (None, _) => Ok(false),
            (Some(only), None) if only.as_bytes().trim_ascii() == b"*" => Ok(true),
            _ => Err(Error::InvalidParameter { name: "If-None-Match", detail: "must be *".to_owned() }),
        }
    }

    /// This, unless the header is absent.
    ///
    /// # Errors
    /// [`Error::PreconditionRequired`].
    pub fn required(self) -> Result<Self> {
        if self == Self::None { Err(Error::PreconditionRequired) } else { Ok(self) }
    }

    /// # Errors
    /// [`Error::PreconditionFailed`] unless `rev` is one that it admits.
    pub fn check(&self, rev: u64) -> Result<()> {
        match self {
            Self::None | Self::Any => Ok(()),
            Self::Revs(revs) if revs.contains(&rev) => Ok(()),
            Self::Revs(_) => Err(Error::PreconditionFailed),
        }
    }

    /// Whether it admits any rev, so that a change that came too late may be made again.
    pub fn is_open(&self) -> bool {
        match self {
            Self::None | Self::Any => true,
            Self::Revs(_) => false,
        }
    }
}

/// The entity tag of a `rev`.
pub fn etag(rev: u64) -> String {
    format!("\"{rev}\"")
}

/// Whether `If-None-Match` names the entity tag of `rev`, so that a read has nothing new to say. The
/// comparison is weak, as RFC 9110 §13.1.2 asks.
pub fn is_unchanged(headers: &HeaderMap, rev: u64) -> bool {
    is_same(headers, &rev.to_string())
}

/// The same for an entity tag of another kind, given without its quotes.
pub fn is_same(headers: &HeaderMap, current: &str) -> bool {
    let values = headers.get_all(IF_NONE_MATCH).into_iter().filter_map(|value| value.to_str().ok());
    values.filter_map(tags).flatten().any(|tag| match tag {
        Tag::Any => true,
        Tag::Weak(opaque) | Tag::Strong(opaque) => opaque == current,
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tag<'a> {
    /// `*`.
    Any,
    Weak(&'a str),
    Strong(&'a str),
}

/// A list of entity tags (RFC 9110 §8.8.3), or none if it is not one. Commas may stand in a tag, and
/// empty items between them count for nothing.
fn tags(list: &str) -> Option<Vec<Tag<'_>>> {
    let mut found = Vec::new();
    let mut rest = list.trim_matches([' ', '\t', ',']);
    if rest == "*" {
        return Some(vec![Tag::Any]);
    }
    while !rest.is_empty() {
        let (is_weak, quoted) = rest.strip_prefix("W/").map_or((false, rest), |quoted| (true, quoted));
        let (opaque, after) = quoted.strip_prefix('"')?.split_once('"')?;
        found.push(if is_weak { Tag::Weak(opaque) } else { Tag::Strong(opaque) });
        let after = after.trim_start_matches([' ', '\t']);
        if !after.is_empty() && !after.starts_with(',') {
            return None;
        }
        rest = after.trim_start_matches([' ', '\t', ',']);
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn if_match(value: &str) -> Result<Precondition> {
        Precondition::read(&HeaderMap::from_iter([(IF_MATCH, value.parse().unwrap())]))
    }

    #[test]
    fn if_match_compares_strongly_over_lists() {
        assert_eq!(if_match("\"7\"").unwrap(), Precondition::Revs(vec![7]));
        assert_eq!(if_match("\"1\", \"2\"").unwrap(), Precondition::Revs(vec![1, 2]));
        assert_eq!(if_match("W/\"7\", \"x\"").unwrap(), Precondition::Revs(vec![]));
        assert_eq!(if_match("*").unwrap(), Precondition::Any);
        assert_eq!(if_match("\"a,b\" ,, \"3\",").unwrap(), Precondition::Revs(vec![3]));
        assert_eq!(if_match(" , ").unwrap(), Precondition::None);
        assert_eq!(Precondition::read(&HeaderMap::new()).unwrap(), Precondition::None);
        assert_eq!(if_match("\"+1\", \"01\"").unwrap(), Precondition::Revs(vec![]));
        for bad in ["7", "\"7", "\"1\" \"2\"", "*, \"1\"", "w/\"1\""] {
            assert!(if_match(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn if_none_match_compares_weakly_over_lists() {
        let unchanged = |value: &str| {
            let headers = HeaderMap::from_iter([(IF_NONE_MATCH, value.parse().unwrap())]);
            is_unchanged(&headers, 7)
        };
        assert!(unchanged("\"7\""));
        assert!(unchanged("\"6\", W/\"7\""));
        assert!(unchanged("*"));
        assert!(!unchanged("\"70\""));
        assert!(!unchanged("7"));
        assert!(!is_unchanged(&HeaderMap::new(), 7));
    }
}
