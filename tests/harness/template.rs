//! template.yaml as CloudFormation sees it, with SAM's transform applied: `tests/template.json`, which
//! `.ci/template --write` makes. What a function's role grants is enforced on every call of every test.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use local::bucket;
use local::queues::{JOBS, PARKED, WEBHOOKS};
use local::table::operation;
use serde_json::Value;

static TEMPLATE: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../template.json")).expect("a template is JSON"));

/// One action on one resource, written as the template names it: `dynamodb:Query` on
/// `Table/index/GSI1`, `execute-api:ManageConnections` on `WebSocketApi/live/POST/@connections/*`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    pub action: String,
    pub resource: String,
}

impl Grant {
    pub fn new(action: impl Into<String>, resource: impl Into<String>) -> Self {
        Self { action: action.into(), resource: resource.into() }
    }
}

/// The whole template.
pub fn template() -> &'static Value {
    &TEMPLATE
}

/// A resource of the template.
///
/// # Panics
/// When there is none.
pub fn resource(logical_id: &str) -> &'static Value {
    let resource = &TEMPLATE["Resources"][logical_id];
    assert!(resource.is_object(), "the template has no {logical_id}");
    resource
}

/// The resources of a type, by their logical ids.
pub fn resources_of(kind: &str) -> Vec<(&'static str, &'static Value)> {
    let all = TEMPLATE["Resources"].as_object().expect("a template has resources").iter();
    all.filter(|(_, resource)| resource["Type"] == kind)
        .map(|(id, resource)| (id.as_str(), resource))
        .collect()
}

/// The functions, by the folders that they are in.
///
/// # Panics
/// When the folder can't be read.
pub fn functions() -> Vec<String> {
    let folders = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../functions")).expect("functions");
    let names = folders.map(|folder| folder.expect("readable").file_name().into_string().expect("a name"));
    names.collect()
}

/// The logical id of a function, whose folder has its name: `StreamFanout` of `stream-fanout`.
pub fn logical_id(function: &str) -> String {
    let words = function.split('-').map(|word| {
        let (first, rest) = word.split_at(1);
        first.to_uppercase() + rest
    });
    words.collect()
}

/// What a function's role lets it do.
///
/// # Panics
/// When the template has no such function, or a role of another shape.
pub fn grants(function: &str) -> BTreeSet<Grant> {
    let role = &resource(&format!("{}Role", logical_id(function)))["Properties"];
    let [policy] = role["Policies"].as_array().map(Vec::as_slice).unwrap_or_default() else {
        panic!("the role of {function} has one policy, and it is its own")
    };
    let statements = policy["PolicyDocument"]["Statement"].as_array().expect("statements");
    let mut grants = BTreeSet::new();
    for statement in statements {
        // A condition would make it less than what is read here.
        let members: Vec<&String> = statement.as_object().expect("a statement").keys().collect();
        assert_eq!(members, ["Action", "Effect", "Resource"]);
        assert_eq!(statement["Effect"], "Allow");
        for action in each(&statement["Action"]) {
            for resource in each(&statement["Resource"]) {
                grants.insert(Grant::new(action.as_str().expect("an action is a text"), named(resource)));
            }
        }
    }
    grants
}

fn each(value: &Value) -> &[Value] {
    value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice)
}

/// A resource of a policy as a name: attributes of other resources without the intrinsics around them.
fn named(resource: &Value) -> String {
    if let Some([id, attribute]) = resource["Fn::GetAtt"].as_array().map(Vec::as_slice) {
        let (id, attribute) = (id.as_str().unwrap_or_default(), attribute.as_str().unwrap_or_default());
        return if attribute == "Arn" { id.to_owned() } else { format!("{id}.{attribute}") };
    }
    let text =
        resource["Fn::Sub"].as_str().or(resource.as_str()).expect("a resource is an attribute or a text");
    let text = text.replace("arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:", "");
    text.replace(".Arn}", "").replace(['$', '{', '}'], "")
}

/// What a call to DynamoDB needs, as its authorization reference has it: a transaction is not an action,
/// its parts are.
pub(crate) fn needs(operation: &str, request: &Value) -> Vec<Grant> {
    if operation != "TransactWriteItems" {
        let index = request["IndexName"].as_str().map(|index| format!("/index/{index}"));
        let resource = format!("Table{}", index.unwrap_or_default());
        return vec![Grant::new(format!("dynamodb:{operation}"), resource)];
    }
    let parts = request["TransactItems"].as_array().map(Vec::as_slice).unwrap_or_default();
    let verbs = parts.iter().filter_map(|part| part.as_object()?.keys().next());
    verbs
        .map(|verb| match verb.as_str() {
            "ConditionCheck" => Grant::new("dynamodb:ConditionCheckItem", "Table"),
            verb => Grant::new(format!("dynamodb:{verb}Item"), "Table"),
        })
        .collect()
}

/// What a call to `@connections`, to the bucket or to a queue needs.
pub(crate) fn need(request: &HttpRequest) -> Grant {
    if request.uri().contains("@connections") {
        let resource = format!("WebSocketApi/live/{}/@connections/*", request.method());
        return Grant::new("execute-api:ManageConnections", resource);
    }
    if let Some((_, key)) = request.uri().split_once(bucket::PATH) {
        // A form goes to the bucket itself, and may put no more than an upload.
        let folder = key.split('/').next().filter(|folder| !folder.is_empty()).unwrap_or("uploads");
        let action = if request.method() == "GET" { "s3:GetObject" } else { "s3:PutObject" };
        return Grant::new(action, format!("FilesBucket/{folder}/*"));
    }
    let body: Value = serde_json::from_slice(request.body().bytes().unwrap_or_default()).unwrap_or_default();
    let queue = body["QueueUrl"].as_str().and_then(|url| url.rsplit('/').next()).unwrap_or_default();
    // A batch is the same action.
    let action = operation(request.headers().get("x-amz-target")).trim_end_matches("Batch");
    let queue = match queue {
        PARKED => "ParkedQueue",
        WEBHOOKS => "WebhookQueue",
        JOBS => "JobQueue",
        _ => "unknown queue",
    };
    Grant::new(format!("sqs:{action}"), queue)
}
