//! The OpenAPI 3.1 document, made from the route table and the types: what is not there is not in the
//! API, and what is there can't be missing here.

use std::collections::BTreeMap;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::base_path::BasePath;
use super::problem::{Problem, ProblemCode};
use super::routes::{
    Access, Answer, Body, Content, Function, Operation, Parameter, ParameterSchema, Place, Route, all,
};
use crate::agent::{Agent, AgentView, NewAgent};
use crate::id::AgentId;
use crate::violation::PatchStep;

/// The document of the public API, for a server without a base path.
pub fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    generator.subschema_for::<ProblemDocument>();
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for route in all() {
        let method = route.method.as_str().to_lowercase();
        paths.entry(route.path).or_default().insert(method, operation(route, &mut generator));
    }
    let mut schemas = generator.take_definitions(true);
    for (name, example) in examples() {
        if let Some(schema) = schemas.get_mut(name) {
            schema["examples"] = json!([example]);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Agent Management Service",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The control plane for AI agents' configurations.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": Function::Agents.name(), "description": "Agents, entitlements and health"}],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    })
}

/// What a problem document holds (RFC 9457).
#[derive(Debug, JsonSchema)]
#[schemars(rename = "Problem")]
#[expect(dead_code, reason = "it describes what `Problem::to_json` writes")]
struct ProblemDocument {
    /// A page that explains the code.
    r#type: String,
    title: String,
    status: u16,
    detail: String,
    /// The stable name of the kind of problem.
    code: String,
    request_id: String,
    #[schemars(default)]
    errors: Vec<crate::violation::Violation>,
}

fn operation(route: &Route, generator: &mut SchemaGenerator) -> Value {
    let name = match route.operation {
        Operation::Agents(operation) => format!("{operation:?}"),
        Operation::Templates(operation) => format!("{operation:?}"),
        Operation::Jobs(operation) => format!("{operation:?}"),
        Operation::Webhooks(operation) => format!("{operation:?}"),
    };
    let mut described = json!({
        "operationId": format!("{}{name}", route.operation.function().name()),
        "summary": route.summary,
        "tags": [route.operation.function().name()],
        "parameters": path_parameters(route).chain(route.parameters.iter().map(parameter)).collect::<Vec<_>>(),
        "responses": responses(route, generator),
    });
    match route.access {
        Access::Public => described["security"] = json!([]),
        Access::Scope(scope) => {
            described["description"] = format!("Needs the scope `{}`.", scope.as_str()).into();
        }
    }
    if let Some(body) = request_body(route, generator) {
        described["requestBody"] = body;
    }
    described
}

fn path_parameters(route: &Route) -> impl Iterator<Item = Value> {
    let names = route.path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
    names.map(|name| {
        let schema = match name {
            "id" => json!({"type": "string", "pattern": "^agt_[0-7][0-9A-HJKMNP-TV-Z]{25}$"}),
            "key" => json!({"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"}),
            "version" => json!({"type": "integer", "minimum": 1, "maximum": 999_999_999_999_u64}),
            "alias" => json!({"type": "string", "pattern": "^[a-z][a-z0-9_-]{0,63}$"}),
            "approval_id" => json!({"type": "string", "pattern": "^apv_[0-7][0-9A-HJKMNP-TV-Z]{25}$"}),
            "template_id" => json!({"type": "string", "pattern": "^tpl_[0-7][0-9A-HJKMNP-TV-Z]{25}$"}),
            "job_id" => json!({"type": "string", "pattern": "^job_[0-7][0-9A-HJKMNP-TV-Z]{25}$"}),
            "code" => json!({"type": "string", "enum": ProblemCode::ALL.map(ProblemCode::as_str)}),
            _ => json!({"type": "string", "minLength": 1, "maxLength": 128}),
        };
        json!({"name": name, "in": "path", "required": true, "schema": schema})
    })
}

fn parameter(parameter: &Parameter) -> Value {
    let mut described = json!({
        "name": parameter.name,
        "in": match parameter.place { Place::Query => "query", Place::Header => "header" },
        "required": parameter.is_required,
        "description": parameter.description,
    });
    match parameter.schema {
        ParameterSchema::Json(schema) => {
            described["schema"] = serde_json::from_str(schema).expect("the table's schemas are JSON");
        }
        ParameterSchema::SomeOf(names) => {
            described["schema"] = json!({"type": "array", "items": {"enum": names}, "minItems": 1});
            described["style"] = "form".into();
            described["explode"] = false.into();
        }
    }
    described
}

fn request_body(route: &Route, generator: &mut SchemaGenerator) -> Option<Value> {
    let json_of = |schema: Value| json!({"application/json": {"schema": schema}});
    match route.body {
        Body::None => None,
        Body::Optional(schema) => {
            Some(json!({"required": false, "content": json_of(schema(generator).to_value())}))
        }
        Body::Json(schema) => {
            Some(json!({"required": true, "content": json_of(schema(generator).to_value())}))
        }
        Body::Patch => Some(json!({
            "required": true,
            "content": {
                "application/merge-patch+json": {
                    "schema": {"type": "object"},
                    "example": {"description": "Answers questions about orders.", "tags": ["support"]},
                },
                "application/json-patch+json": {
                    "schema": {"type": "array", "items": generator.subschema_for::<PatchStep>()},
                    "example": [{"op": "add", "path": "/tags/-", "value": "support"}],
                },
            },
        })),
    }
}

fn responses(route: &Route, generator: &mut SchemaGenerator) -> Value {
    let mut responses = Map::new();
    for answer in route.answers {
        responses.insert(answer.status.to_string(), success(answer, generator));
    }
    let mut by_status: BTreeMap<u16, Vec<ProblemCode>> = BTreeMap::new();
    for code in route.problems() {
        by_status.entry(code.status().as_u16()).or_default().push(code);
    }
    for (status, codes) in by_status {
        let titles: Vec<_> =
            codes.iter().map(|code| format!("`{}`: {}.", code.as_str(), code.title())).collect();
        let examples: Map<String, Value> = codes.iter().map(|code| problem_example(*code)).collect();
        responses.insert(
            status.to_string(),
            json!({
                "description": titles.join(" "),
                "content": {"application/problem+json": {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "examples": examples,
                }},
            }),
        );
    }
    Value::Object(responses)
}

fn problem_example(code: ProblemCode) -> (String, Value) {
    let document = Problem::new(code, code.advice()).to_json("3f1c", &BasePath::default());
    let value: Value = serde_json::from_str(&document).unwrap_or_default();
    (code.as_str().to_owned(), json!({"value": value}))
}

fn success(answer: &Answer, generator: &mut SchemaGenerator) -> Value {
    let mut described = json!({"description": answer.description});
    match answer.content {
        Content::None => {}
        Content::Html => described["content"] = json!({"text/html": {"schema": {"type": "string"}}}),
        Content::Json(schema) => {
            described["content"] = json!({"application/json": {"schema": schema(generator).to_value()}});
        }
    }
    let text = |description: &str| json!({"description": description, "schema": {"type": "string"}});
    if answer.has_etag {
        described["headers"] = json!({"ETag": text("The resource's rev, in double quotes")});
    }
    if answer.status == 201 {
        described["headers"]["Location"] = text("The resource's path");
    }
    described
}

/// An example of each schema that people read first; the agent is one that the code itself made.
fn examples() -> [(&'static str, Value); 5] {
    let document = json!({
        "key": "support",
        "name": "Support",
        "config": {
            "model": {"provider": "anthropic", "id": "claude-haiku-4-5"},
            "instructions": "Answer questions about orders.",
            "tools": [{"tool_id": "order-search", "approval": "never"}],
        },
    });
    let new = NewAgent::read(document.clone()).expect("the example is a valid agent");
    let user: crate::id::UserId = "dev".parse().expect("a user");
    let agent = Agent::create(AgentId::derived(&["example"]), new, user, jiff::Timestamp::UNIX_EPOCH);
    [
        ("AgentDocument", document),
        ("Agent", json!(AgentView::from(&agent))),
        ("TransferDocument", json!({"owner": "ann"})),
        ("DuplicateDocument", json!({"name": "Support, second try"})),
        ("ToolSettings", json!({"version": "1.2", "approval": "always"})),
    ]
}
