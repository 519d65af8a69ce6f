//! The rules of the architecture, read off the sources, so that they stay true. Each rule is a
//! function from a file to its offences; the last test shows every one of them a file that offends.

use std::path::{Path, PathBuf};

use harness::template::functions;

/// Lines in a `main.rs`, which only wires.
const MAIN_LINES_MAX: usize = 30;
/// Lines in any source file: more than one concept by then.
const FILE_LINES_MAX: usize = 400;

struct Source {
    /// Relative to the workspace, with forward slashes.
    path: String,
    text: String,
}

impl Source {
    fn is_in(&self, folder: &str) -> bool {
        self.path.starts_with(folder)
    }

    /// A feature's own types and rules: they know no SDK, HTTP, clock or environment.
    fn is_pure(&self) -> bool {
        let feature = self.path.strip_prefix("shared/src/").and_then(|rest| rest.split_once('/'));
        feature.is_some_and(|(folder, rest)| {
            let file = rest.rsplit('/').next().unwrap_or(rest);
            !matches!(folder, "dynamo" | "http" | "lambda" | "usecase")
                && !matches!(file, "store.rs" | "queue.rs" | "post.rs")
                && !rest.starts_with("store/")
        })
    }

    /// The product itself, as opposed to what hosts and tests it.
    fn is_product(&self) -> bool {
        self.is_in("shared/") || self.is_in("functions/")
    }

    fn uses(&self, words: &[&str]) -> Vec<String> {
        let lines = self.text.lines().enumerate();
        let code = lines.filter(|(_, line)| !line.trim_start().starts_with("//"));
        code.filter(|(_, line)| words.iter().any(|word| line.contains(word)))
            .map(|(number, line)| format!("{}:{}: {}", self.path, number + 1, line.trim()))
            .collect()
    }
}

type Rule = (&'static str, fn(&Source) -> Vec<String>);

const RULES: &[Rule] = &[
    ("only dynamo/ and store.rs know AttributeValue", |source| {
        let is_store = source.path.ends_with("/store.rs") || source.path.contains("/store/");
        let knows = source.is_in("shared/src/dynamo/") || is_store;
        if knows || !source.is_product() {
            Vec::new()
        } else {
            source.uses(&["AttributeValue", "aws_sdk_dynamodb::types"])
        }
    }),
    ("only http/ and routes know StatusCode", |source| {
        let knows = source.is_in("shared/src/http/") || source.path.contains("/src/routes");
        if knows || !source.is_product() { Vec::new() } else { source.uses(&["StatusCode"]) }
    }),
    ("features know no SDK, HTTP, clock or environment", |source| {
        if source.is_pure() {
            source.uses(&["aws_", "lambda_", "crate::http", "crate::dynamo", "Clock", "std::env", "tokio"])
        } else {
            Vec::new()
        }
    }),
    ("the time comes from the clock", |source| {
        if source.path == "shared/src/clock.rs" || !source.is_product() {
            Vec::new()
        } else {
            source.uses(&["Timestamp::now", "SystemTime::now", "::now_utc"])
        }
    }),
    ("keys are made in keys.rs", |source| {
        if source.path == "shared/src/dynamo/keys.rs" || !source.is_product() {
            Vec::new()
        } else {
            source.uses(&["\"T#", "\"TEN#", "\"DUE#"])
        }
    }),
    ("the environment is read at start only", |source| {
        let reads = source.is_in("shared/src/lambda/")
            || source.path.ends_with("/settings.rs")
            || source.is_in("tests/");
        if reads { Vec::new() } else { source.uses(&["std::env::var", "env::var("]) }
    }),
    ("main.rs only wires", |source| {
        let lines = source.text.lines().count();
        let is_long =
            source.path.ends_with("/main.rs") && source.is_in("functions/") && lines > MAIN_LINES_MAX;
        if is_long { vec![format!("{}: {lines} lines", source.path)] } else { Vec::new() }
    }),
    ("functions do not know each other", |source| {
        let Some((function, _)) =
            source.path.strip_prefix("functions/").and_then(|rest| rest.split_once('/'))
        else {
            return Vec::new();
        };
        let others = functions().into_iter().filter(|other| other != function);
        others.flat_map(|other| source.uses(&[&format!("use {}::", other.replace('-', "_"))])).collect()
    }),
    ("no Scan", |source| if source.is_product() { source.uses(&[".scan()"]) } else { Vec::new() }),
    ("files have one concept", |source| {
        let lines = source.text.lines().count();
        if lines > FILE_LINES_MAX { vec![format!("{}: {lines} lines", source.path)] } else { Vec::new() }
    }),
    ("public modules say what they are for", |source| {
        let says = source.text.starts_with("//!") || !(source.is_product() || source.is_in("infra/"));
        if says { Vec::new() } else { vec![source.path.clone()] }
    }),
];

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the workspace").to_owned()
}

fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    for folder in ["shared", "functions", "infra", "tests"] {
        collect(&workspace().join(folder), &mut found);
    }
    found
}

fn collect(folder: &Path, found: &mut Vec<Source>) {
    for entry in std::fs::read_dir(folder).expect("readable") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let relative = path
                .strip_prefix(workspace())
                .expect("in the workspace")
                .to_string_lossy()
                .replace('\\', "/");
            found.push(Source { path: relative, text: std::fs::read_to_string(&path).expect("UTF-8") });
        }
    }
}

#[test]
fn every_source_keeps_every_rule() {
    let sources = sources();
    assert!(sources.len() > 40, "only {} sources were found", sources.len());
    let mut offences = Vec::new();
    for (rule, check) in RULES {
        offences.extend(sources.iter().flat_map(check).map(|offence| format!("{rule}: {offence}")));
    }
    assert!(offences.is_empty(), "\n{}", offences.join("\n"));
}

#[test]
fn every_rule_finds_an_offence() {
    let offenders = [
        ("functions/agents/src/lib.rs", "//! x\nuse aws_sdk_dynamodb::types::AttributeValue;"),
        ("shared/src/agent/mod.rs", "//! x\nfn f() -> StatusCode {}"),
        ("shared/src/tier/mod.rs", "//! x\nuse crate::http::Call;"),
        ("shared/src/agent/store.rs", "//! x\nlet now = Timestamp::now();"),
        ("shared/src/agent/store.rs", "//! x\nlet pk = format!(\"T#{tenant}\");"),
        ("shared/src/tenant/store.rs", "//! x\nstd::env::var(\"X\")"),
        ("functions/agents/src/main.rs", &"//! x\n".repeat(31)),
        ("functions/agents/src/lib.rs", "//! x\nuse authorizer::Authorizer;"),
        ("shared/src/agent/store.rs", "//! x\nstore.client.scan()"),
        ("infra/local/src/host.rs", &"//! x\n".repeat(401)),
        ("shared/src/page.rs", "pub fn f() {}"),
    ];
    assert_eq!(offenders.len(), RULES.len());
    for ((rule, check), (path, text)) in RULES.iter().zip(offenders) {
        let source = Source { path: path.to_owned(), text: text.to_owned() };
        assert!(!check(&source).is_empty(), "{rule} finds nothing in {path}");
    }
}

#[test]
fn dependencies_come_from_the_registry_under_licences_that_we_accept() {
    let metadata = cargo_metadata::MetadataCommand::new()
        .manifest_path(workspace().join("Cargo.toml"))
        .exec()
        .expect("cargo metadata");
    let deny = std::fs::read_to_string(workspace().join("deny.toml")).expect("deny.toml");
    let is_accepted = |licence: &str| deny.contains(&format!("\"{licence}\","));
    assert!(!is_accepted("GPL-3.0") && !is_accepted("AGPL-3.0") && is_accepted("MIT"));
    let own = &metadata.workspace_members;
    let mut offences = Vec::new();
    for package in metadata.packages.iter().filter(|package| !own.contains(&package.id)) {
        let licence = package.license.as_deref().unwrap_or("none");
        if !satisfies(licence, &is_accepted) {
            offences.push(format!("{} is under {licence}", package.name));
        }
        if !package.source.as_ref().is_some_and(|source| source.repr.starts_with("registry+")) {
            offences.push(format!("{} is not from the registry", package.name));
        }
        if ["aws-lc-rs", "aws-lc-sys", "openssl-sys", "native-tls", "rsa"].contains(&package.name.as_str()) {
            offences.push(format!("{} is a second crypto stack", package.name));
        }
    }
    assert!(offences.is_empty(), "\n{}", offences.join("\n"));
}

/// Whether an SPDX expression is satisfied: every term of some alternative is accepted.
fn satisfies(expression: &str, is_accepted: &impl Fn(&str) -> bool) -> bool {
    let flat = expression.replace(['(', ')'], "").replace(" / ", "/");
    if let Some((first, rest)) = flat.split_once(" AND ") {
        return satisfies(first, is_accepted) && satisfies(rest, is_accepted);
    }
    flat.split(" OR ").flat_map(|term| term.split('/')).any(is_accepted)
}

#[test]
fn a_panic_costs_a_request_and_not_the_environment() {
    let manifest = std::fs::read_to_string(workspace().join("Cargo.toml")).expect("a manifest");
    let release = manifest.split("[profile.release]").nth(1).expect("a profile");
    let release = release.split("\n[").next().unwrap_or_default();
    // cargo-lambda has panics abort where the profile says nothing.
    assert!(release.contains("panic = \"unwind\""), "{release}");
}
