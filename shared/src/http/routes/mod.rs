//! The route table: every route, with the function that serves it, who may call it and which
//! problems it answers. The gateway, the functions, the OpenAPI document and the authorization
//! tests are all made from it.

mod table;

use std::sync::LazyLock;

use schemars::{Schema, SchemaGenerator};

use super::caller::Scope;
use super::problem::ProblemCode;

pub use table::all;

/// One route.
#[derive(Debug)]
pub struct Route {
    pub method: Method,
    /// As API Gateway writes it: parameters in braces.
    pub path: &'static str,
    pub operation: Operation,
    pub access: Access,
    pub quota_class: QuotaClass,
    pub summary: &'static str,
    pub body: Body,
    /// Parameters of the query and headers; those of the path are in `path`.
    pub parameters: &'static [Parameter],
    pub answers: &'static [Answer],
    /// What it answers beyond what every route may: see [`Route::problems`].
    own_problems: &'static [&'static [ProblemCode]],
}

/// Makes the schema of a type.
pub type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// What a route reads.
#[derive(Debug, Clone, Copy)]
pub enum Body {
    None,
    /// JSON, or nothing at all.
    Optional(SchemaOf),
    Json(SchemaOf),
    /// A merge patch or a JSON Patch.
    Patch,
}

/// A parameter of the query, or a header.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    pub name: &'static str,
    pub place: Place,
    pub is_required: bool,
    pub schema: ParameterSchema,
    pub description: &'static str,
}

/// What a parameter may be.
#[derive(Debug, Clone, Copy)]
pub enum ParameterSchema {
    /// A schema, as JSON.
    Json(&'static str),
    /// Some of these names, separated by commas.
    SomeOf(&'static [&'static str]),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Query,
    Header,
}

/// A success.
#[derive(Debug, Clone, Copy)]
pub struct Answer {
    pub status: u16,
    pub description: &'static str,
    pub content: Content,
    pub has_etag: bool,
}

#[derive(Debug, Clone, Copy)]
pub enum Content {
    None,
    Json(SchemaOf),
    Html,
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
    Templates,
    Jobs,
    Webhooks,
}

impl Function {
    pub fn name(self) -> &'static str {
        match self {
            Self::Agents => "agents",
            Self::Templates => "templates",
            Self::Jobs => "jobs",
            Self::Webhooks => "webhooks",
        }
    }
}

/// What a route does, by the function that does it: a function matches its own operations
/// exhaustively, so a route without a handler does not compile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Agents(AgentsOperation),
    Templates(TemplatesOperation),
    Jobs(JobsOperation),
    Webhooks(WebhooksOperation),
}

impl Operation {
    pub fn function(self) -> Function {
        match self {
            Self::Agents(_) => Function::Agents,
            Self::Templates(_) => Function::Templates,
            Self::Jobs(_) => Function::Jobs,
            Self::Webhooks(_) => Function::Webhooks,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentsOperation {
    Live,
    Ready,
    OpenApi,
    Problems,
    Problem,
    Create,
    Get,
    GetByKey,
    List,
    Patch,
    Delete,
    Upsert,
    Archive,
    Restore,
    Duplicate,
    Transfer,
    Validate,
    ValidateDraft,
    PutTool,
    DeleteTool,
    Publish,
    Versions,
    Version,
    RestoreVersion,
    Diff,
    Rollback,
    Aliases,
    PutAlias,
    DeleteAlias,
    Resolved,
    Approvals,
    Approval,
    Accept,
    Reject,
    Search,
    Count,
    Dependents,
    Tiers,
    Models,
    Entitlements,
    Usage,
    PreviewEntitlements,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TemplatesOperation {
    Create,
    List,
    Get,
    Patch,
    Delete,
    Publish,
    Versions,
    Version,
    Render,
    Instantiate,
    Agents,
    Drift,
    Upgrade,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobsOperation {
    Start,
    List,
    Get,
    Items,
    Cancel,
    RetryFailed,
    Revert,
    Import,
    BeginUpload,
    PreviewImport,
    File,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhooksOperation {
    Events,
    Audit,
    CreateTicket,
}

impl Route {
    pub(super) const fn public(path: &'static str, operation: Operation, summary: &'static str) -> Self {
        Self {
            method: Method::Get,
            path,
            operation,
            access: Access::Public,
            quota_class: QuotaClass::Exempt,
            summary,
            body: Body::None,
            parameters: &[],
            answers: &[],
            own_problems: &[],
        }
    }

    /// A route for callers with `scope`; it counts as a read if it is a GET, else as a write.
    pub(super) const fn scoped(
        method: Method,
        path: &'static str,
        operation: Operation,
        scope: Scope,
        summary: &'static str,
    ) -> Self {
        let quota_class = if matches!(method, Method::Get) { QuotaClass::Read } else { QuotaClass::Write };
        Self { method, access: Access::Scope(scope), quota_class, ..Self::public(path, operation, summary) }
    }

    /// A POST that changes nothing.
    pub(super) const fn only_reading(self) -> Self {
        Self { quota_class: QuotaClass::Read, ..self }
    }

    pub(super) const fn reading(self, body: Body) -> Self {
        Self { body, ..self }
    }

    pub(super) const fn with(self, parameters: &'static [Parameter]) -> Self {
        Self { parameters, ..self }
    }

    pub(super) const fn answering(self, answers: &'static [Answer]) -> Self {
        Self { answers, ..self }
    }

    pub(super) const fn refusing(self, own_problems: &'static [&'static [ProblemCode]]) -> Self {
        Self { own_problems, ..self }
    }

    /// Every problem that the route may answer.
    pub fn problems(&self) -> Vec<ProblemCode> {
        use ProblemCode as P;
        let mut problems = vec![P::InvalidParameter, P::RateLimited, P::Internal, P::Unavailable];
        if let Access::Scope(_) = self.access {
            problems.extend([P::Unauthorized, P::InsufficientScope]);
        }
        match self.body {
            Body::None => {}
            Body::Optional(_) | Body::Json(_) | Body::Patch => problems.extend([
                P::MalformedBody,
                P::PayloadTooLarge,
                P::UnsupportedMediaType,
                P::ValidationFailed,
            ]),
        }
        problems.extend(self.own_problems.iter().copied().flatten());
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
    for route in all() {
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
        for route in all() {
            let Found::Route((found, _)) = find(route.method.as_str(), route.path) else {
                panic!("{} is not found", route.path)
            };
            assert!(std::ptr::eq(found, route));
        }
    }

    #[test]
    fn a_key_is_no_id() {
        let Found::Route((route, params)) = find("PUT", "/v1/agents/by-key/a.b") else { panic!("not found") };
        assert_eq!(route.operation, Operation::Agents(AgentsOperation::Upsert));
        assert_eq!(params, [("key".to_owned(), "a.b".to_owned())]);
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
