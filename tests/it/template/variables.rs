//! The environment: each variable that a function reads is set, and no other.

use std::collections::BTreeSet;
use std::path::Path;

use harness::template::{functions, logical_id, resource};
use serde_json::json;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// What of `lambda::init` a `main.rs` uses, and the variables that this reads.
const READERS: &[(&str, &str)] = &[
    ("init_tracing(", "RUST_LOG"),
    ("store_from_env(", "TABLE_NAME"),
    (".store(", "TABLE_NAME"),
    (".sockets(", "CONNECTIONS_URL"),
    (".signer(", "FILES_BUCKET"),
    (".files(", "FILES_BUCKET"),
    ("cors_from_env(", "CORS_ORIGINS"),
];

#[test]
fn each_variable_that_a_function_reads_is_set_and_no_other() {
    for function in functions() {
        let id = logical_id(&function);
        let set = resource(&id)["Properties"]["Environment"]["Variables"].as_object().expect("variables");
        let set: BTreeSet<&str> = set.keys().map(String::as_str).collect();
        let read = read_by(&function);
        assert_eq!(set, read.iter().map(String::as_str).collect(), "{function}");
    }
}

#[test]
fn a_variable_that_names_a_resource_names_the_right_one() {
    let variables = |function: &str| &resource(function)["Properties"]["Environment"]["Variables"];
    for function in functions() {
        assert_eq!(variables(&logical_id(&function))["TABLE_NAME"], json!({"Ref": "Table"}), "{function}");
        assert_eq!(variables(&logical_id(&function))["RUST_LOG"], json!({"Ref": "LogLevel"}), "{function}");
    }
    let fanout = variables("StreamFanout");
    assert_eq!(fanout["PARKED_QUEUE_URL"], json!({"Ref": "ParkedQueue"}));
    assert_eq!(variables("SearchIndexer")["PARKED_QUEUE_URL"], json!({"Ref": "ParkedQueue"}));
    assert_eq!(fanout["WEBHOOK_QUEUE_URL"], json!({"Ref": "WebhookQueue"}));
    assert_eq!(fanout["CONNECTIONS_URL"], variables("Websocket")["CONNECTIONS_URL"]);
    let on_aws = &fanout["CONNECTIONS_URL"]["Fn::If"][2]["Fn::Sub"];
    assert_eq!(on_aws, "https://${WebSocketApi}.execute-api.${AWS::Region}.${AWS::URLSuffix}/live");
    for function in ["Jobs", "JobWorker"] {
        assert_eq!(variables(function)["FILES_BUCKET"], json!({"Ref": "FilesBucket"}));
    }
    for function in ["Agents", "Templates", "Webhooks"] {
        assert_eq!(variables(function)["CORS_ORIGINS"], json!({"Ref": "CorsOrigins"}));
    }
    let authorizer = variables("Authorizer");
    let parameters = [
        ("JWT_ISSUER", "JwtIssuer"),
        ("JWT_AUDIENCE", "JwtAudience"),
        ("JWT_TENANT_CLAIM", "JwtTenantClaim"),
        ("JWKS", "Jwks"),
        ("JWKS_URL", "JwksUrl"),
    ];
    for (variable, parameter) in parameters {
        assert_eq!(authorizer[variable], json!({"Ref": parameter}));
    }
}

#[test]
fn what_reads_the_environment_is_known_here() {
    let init = text("shared/src/lambda/init.rs");
    let known: BTreeSet<&str> = READERS.iter().map(|(_, variable)| *variable).collect();
    let mut read: BTreeSet<String> = named_in(&init);
    // Lambda sets these, or a person who points the SDK elsewhere.
    read.retain(|name| !name.starts_with("AWS_") && name != "SSL_CERT_FILE");
    assert_eq!(read.iter().map(String::as_str).collect::<BTreeSet<_>>(), known);
}

/// The variables that a function reads: by what it uses of `lambda::init`, and by name.
fn read_by(function: &str) -> BTreeSet<String> {
    let main = text(&format!("functions/{function}/src/main.rs"));
    let settings =
        std::fs::read_to_string(Path::new(ROOT).join(format!("functions/{function}/src/settings.rs")));
    let used = READERS
        .iter()
        .filter(|(reader, _)| main.contains(reader))
        .map(|(_, variable)| (*variable).to_owned());
    let mut read: BTreeSet<String> = used.collect();
    read.append(&mut named_in(&main));
    read.append(&mut named_in(&settings.unwrap_or_default()));
    read
}

/// The names in quotes that look like a variable's.
fn named_in(source: &str) -> BTreeSet<String> {
    let is_variable = |text: &&str| {
        text.len() > 3
            && text.starts_with(|c: char| c.is_ascii_uppercase())
            && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
    };
    source.split('"').skip(1).step_by(2).filter(is_variable).map(str::to_owned).collect()
}

fn text(path: &str) -> String {
    std::fs::read_to_string(Path::new(ROOT).join(path)).expect("a source")
}
