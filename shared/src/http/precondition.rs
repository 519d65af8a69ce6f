//! Conditional requests (RFC 9110 §13): entity tags are the quoted `rev`, strong.

use http::HeaderMap;
use http::header::{HeaderName, IF_NONE_MATCH};

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
