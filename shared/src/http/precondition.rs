//! Conditional requests (RFC 9110 §13): entity tags are the quoted `rev`, strong.

use http::HeaderMap;
use http::header::{HeaderName, IF_MATCH, IF_NONE_MATCH};

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
    /// Reads `If-Match`.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] for what is no list of entity tags.
    pub fn read(headers: &HeaderMap) -> Result<Self> {
        let mut revs = Vec::new();
        let mut is_present = false;
        for tag in tags(headers, IF_MATCH) {
            is_present = true;
            match tag {
                "*" => return Ok(Self::Any),
                weak if weak.starts_with("W/\"") => {}
                strong => revs.extend(opaque(strong)?.parse::<u64>().ok()),
            }
        }
        Ok(if is_present { Self::Revs(revs) } else { Self::None })
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

fn opaque(tag: &str) -> Result<&str> {
    let inner = tag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.ok_or_else(|| Error::InvalidParameter {
        name: "If-Match",
        detail: "must be entity tags in double quotes, such as \"7\", or *".to_owned(),
    })
}

/// The entity tag of a `rev`.
pub fn etag(rev: u64) -> String {
    format!("\"{rev}\"")
}

/// Whether `If-None-Match` names `etag`, so that a read has nothing new to say. The comparison is
/// weak, as RFC 9110 §13.1.2 asks.
pub fn is_unchanged(headers: &HeaderMap, etag: &str) -> bool {
    tags(headers, IF_NONE_MATCH).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

fn tags(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
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
        assert_eq!(Precondition::read(&HeaderMap::new()).unwrap(), Precondition::None);
        for bad in ["7", "", "\"7", "\"1\" \"2"] {
            assert!(if_match(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn if_none_match_compares_weakly_over_lists() {
        let unchanged = |value: &str| {
            let headers = HeaderMap::from_iter([(IF_NONE_MATCH, value.parse().unwrap())]);
            is_unchanged(&headers, "\"7\"")
        };
        assert!(unchanged("\"7\""));
        assert!(unchanged("\"6\", W/\"7\""));
        assert!(unchanged("*"));
        assert!(!unchanged("\"70\""));
        assert!(!unchanged("7"));
        assert!(!is_unchanged(&HeaderMap::new(), "\"7\""));
    }
}
