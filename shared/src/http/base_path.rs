//! What stands before a route's path in the URL that a client calls: the stage, or what a custom
//! domain maps to it. The routes don't know it, and links that are answered must have it.

/// Nothing, or a slash and what follows, without one at the end: `/prod`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BasePath(String);

impl BasePath {
    /// The base path and the route's own path of a request, by what API Gateway says of it: `resource`
    /// is the route as it is written in the API, `path` the path with the custom domain's mapping and
    /// without the stage, `whole` the path as the client called it.
    pub fn split(resource: &str, path: &str, whole: &str) -> (Self, String) {
        let (count, path) = (segments(resource).count(), path.strip_suffix('/').unwrap_or(path));
        let is_route = !resource.contains('+') && count > 0;
        let Some((before, own)) = is_route.then(|| last(path, count)).flatten() else {
            return (Self::default(), path.to_owned());
        };
        let whole = whole.strip_suffix('/').unwrap_or(whole);
        let base = last(whole, count).map_or(before, |(before, _)| before).trim_end_matches('/');
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
        let is_harmless = base.bytes().all(is_plain) && !base.contains("//");
        (Self(if is_harmless { base.to_owned() } else { String::new() }), own.to_owned())
    }

    /// What the paths of an API description are appended to.
    pub fn server(&self) -> &str {
        if self.0.is_empty() { "/" } else { &self.0 }
    }

    /// A link to `path` of this service.
    pub fn link(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').skip(1).filter(|segment| !segment.is_empty())
}

/// `path` in two: the last `count` segments with their slashes, and what is before.
fn last(path: &str, count: usize) -> Option<(&str, &str)> {
    let (at, _) = path.rmatch_indices('/').nth(count.checked_sub(1)?)?;
    Some(path.split_at(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_before_the_route_is_told_from_it() {
        let split = |resource, path, whole| {
            let (base, own) = BasePath::split(resource, path, whole);
            (base.0, own)
        };
        let told = |base: &str, own: &str| (base.to_owned(), own.to_owned());
        // The default domain, with a stage.
        assert_eq!(split("/v1/agents", "/v1/agents", "/prod/v1/agents"), told("/prod", "/v1/agents"));
        // A custom domain, without and with a base path of two segments.
        assert_eq!(split("/v1/agents/{id}", "/v1/agents/a", "/v1/agents/a"), told("", "/v1/agents/a"));
        let mapped = split("/v1/agents/{id}", "/api/eu/v1/agents/a%2Fb", "/api/eu/v1/agents/a%2Fb");
        assert_eq!(mapped, told("/api/eu", "/v1/agents/a%2Fb"));
        // A path that ends in a slash is the same resource.
        assert_eq!(split("/v1/agents", "/v1/agents/", "/prod/v1/agents/"), told("/prod", "/v1/agents"));
        // An event that does not say what was called, and one of another kind of resource.
        assert_eq!(split("/v1/agents", "/v1/agents", ""), told("", "/v1/agents"));
        assert_eq!(split("/{proxy+}", "/v1/agents", "/prod/v1/agents"), told("", "/v1/agents"));
        assert_eq!(split("", "/v1/agents", "/v1/agents"), told("", "/v1/agents"));
        assert_eq!(split("/v1/agents/{id}", "/agents", "/agents"), told("", "/agents"));
        // Nothing that another host could be read from, or that no header can hold.
        assert_eq!(split("/v1/agents", "//evil/v1/agents", "//evil/v1/agents"), told("", "/v1/agents"));
        assert_eq!(split("/v1/agents", "/\n/v1/agents", "/\n/v1/agents"), told("", "/v1/agents"));
        assert_eq!(split("/v1/agents", "//v1/agents", "//v1/agents"), told("", "/v1/agents"));
        assert_eq!(split("/v1/agents", "/v1/agents", "/live//v1/agents"), told("/live", "/v1/agents"));
        assert_eq!(split("/v1/agents", "/v1/agents", "/a//b/v1/agents"), told("", "/v1/agents"));
    }

    #[test]
    fn a_link_has_the_base_path() {
        assert_eq!(BasePath::split("/a", "/a", "/prod/a").0.link("/problems/x"), "/prod/problems/x");
        assert_eq!(BasePath::default().link("/problems/x"), "/problems/x");
        assert_eq!(BasePath::default().server(), "/");
        assert_eq!(BasePath::split("/a", "/a", "/prod/a").0.server(), "/prod");
    }
}
