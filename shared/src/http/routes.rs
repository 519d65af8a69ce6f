//! The route table: every route, with the function that serves it, who may call it and which
//! problems it answers. The gateway, the functions, the OpenAPI document and the authorization
//! tests are all made from it.

use std::sync::LazyLock;

use super::caller::Scope;
use super::problem::ProblemCode;

/// One route.
#[derive(Debug)]
pub struct Route {
    pub method: Method,
    /// As API Gateway writes it: parameters in braces.
    pub path: &'static str,
    pub operation: Operation,
    pub access: Access,
    pub quota_class: QuotaClass,
    /// What it answers beyond what every route may: see [`Route::problems`].
    pub own_problems: &'static [ProblemCode],
    pub summary: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl Method {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anyone, without a token.
    Public,
    /// A caller whose token has the scope.
    Scope(Scope),
}

/// What a request counts as against the tier's requests per minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaClass {
    /// Not counted: health and documents.
    Exempt,
    Read,
    Write,
}

/// A Lambda function that serves REST routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    Agents,
}

impl Function {
    pub fn name(self) -> &'static str {
        match self {
            Self::Agents => "agents",
        }
    }
}

/// What a route does, by the function that does it: a function matches its own operations
/// exhaustively, so a route without a handler does not compile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Agents(AgentsOperation),
}

impl Operation {
    pub fn function(self) -> Function {
        match self {
            Self::Agents(_) => Function::Agents,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentsOperation {
    Live,
    Ready,
    Create,
    Get,
    List,
}

use AgentsOperation as Agents;
use ProblemCode as P;

/// Every route of the public API.
pub static ROUTES: &[Route] = &[
    Route {
        method: Method::Get,
        path: "/health/live",
        operation: Operation::Agents(Agents::Live),
        access: Access::Public,
        quota_class: QuotaClass::Exempt,
        own_problems: &[],
        summary: "Whether the process answers",
    },
    Route {
        method: Method::Get,
        path: "/health/ready",
        operation: Operation::Agents(Agents::Ready),
        access: Access::Public,
        quota_class: QuotaClass::Exempt,
        own_problems: &[P::NotReady],
        summary: "Whether what the service depends on answers",
    },
    Route {
        method: Method::Post,
        path: "/v1/agents",
        operation: Operation::Agents(Agents::Create),
        access: Access::Scope(Scope::AgentsWrite),
        quota_class: QuotaClass::Write,
        own_problems: &[
            P::MalformedBody,
            P::InvalidParameter,
            P::PayloadTooLarge,
            P::UnsupportedMediaType,
            P::ValidationFailed,
            P::EntitlementExceeded,
            P::KeyTaken,
            P::Deleted,
            P::IdempotencyKeyReused,
        ],
        summary: "Create an agent",
    },
    Route {
        method: Method::Get,
        path: "/v1/agents",
        operation: Operation::Agents(Agents::List),
        access: Access::Scope(Scope::AgentsRead),
        quota_class: QuotaClass::Read,
        own_problems: &[P::InvalidParameter, P::InvalidCursor],
        summary: "List agents by time of creation",
    },
    Route {
        method: Method::Get,
        path: "/v1/agents/{id}",
        operation: Operation::Agents(Agents::Get),
        access: Access::Scope(Scope::AgentsRead),
        quota_class: QuotaClass::Read,
        own_problems: &[P::InvalidParameter, P::NotFound],
        summary: "Get an agent",
    },
];

impl Route {
    /// Every problem that the route may answer.
    pub fn problems(&self) -> Vec<ProblemCode> {
        let mut problems = vec![P::Internal, P::Unavailable];
        if let Access::Scope(_) = self.access {
            problems.extend([P::Unauthorized, P::InsufficientScope]);
        }
        problems.extend(self.own_problems);
        problems
    }
}

/// A route and the parameters of its path, still percent-encoded.
pub type Matched = (&'static Route, Vec<(String, String)>);

/// What a method and path lead to.
#[derive(Debug)]
pub enum Found {
    Route(Matched),
    /// The path exists with these methods.
    OtherMethods(Vec<Method>),
    Nothing,
}

static ROUTER: LazyLock<matchit::Router<Vec<&'static Route>>> = LazyLock::new(|| {
    let mut by_path: Vec<(&str, Vec<&'static Route>)> = Vec::new();
    for route in ROUTES {
        match by_path.iter_mut().find(|(path, _)| *path == route.path) {
            Some((_, routes)) => routes.push(route),
            None => by_path.push((route.path, vec![route])),
        }
    }
    let mut router = matchit::Router::new();
    for (path, routes) in by_path {
        router.insert(path, routes).expect("the paths of the route table do not overlap");
    }
    router
});

/// Finds the route of a method and path.
pub fn find(method: &str, path: &str) -> Found {
    let Ok(matched) = ROUTER.at(path) else {
        return Found::Nothing;
    };
    match matched.value.iter().find(|route| route.method.as_str() == method) {
        Some(route) => {
            let params = matched.params.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
            Found::Route((route, params.collect()))
        }
        None => Found::OtherMethods(matched.value.iter().map(|route| route.method).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_found_by_its_own_path() {
        for route in ROUTES {
            let Found::Route((found, _)) = find(route.method.as_str(), route.path) else {
                panic!("{} is not found", route.path)
            };
            assert!(std::ptr::eq(found, route));
        }
    }

    #[test]
    fn other_methods_and_paths_are_told_apart() {
        assert!(
            matches!(find("DELETE", "/v1/agents"), Found::OtherMethods(methods) if methods == [Method::Post, Method::Get])
        );
        for unknown in ["", "/", "/v1/agents/", "/v1//agents", "/v2/agents", "/v1/agents/a/b"] {
            assert!(matches!(find("GET", unknown), Found::Nothing), "{unknown}");
        }
    }
}
