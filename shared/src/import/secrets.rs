//! What looks like a secret, which no agent is given.

use serde_json::{Map, Value};

use super::fidelity::Place;
use crate::violation::pointer_segment;

/// Whether what has this name looks like a secret. What is one goes before what only looks like one stays.
pub(super) fn is_secret_name(name: &str) -> bool {
    const WORDS: [&str; 9] =
        ["secret", "secrets", "auth", "bearer", "cookie", "cookies", "env", "jwt", "pwd"];
    const JOINED: [&str; 11] = [
        "accesskey",
        "apikey",
        "authorization",
        "clientsecret",
        "connectionstring",
        "credential",
        "environmentvariables",
        "passphrase",
        "passwd",
        "password",
        "privatekey",
    ];
    /// What keys and tokens are called that are no secrets.
    const HARMLESS: [&str; 14] = [
        "bos",
        "cache",
        "end",
        "eos",
        "foreign",
        "max",
        "min",
        "num",
        "partition",
        "primary",
        "public",
        "sort",
        "stop",
        "termination",
    ];
    const OF_TOKENS: [&str; 6] = ["access", "api", "auth", "bot", "refresh", "session"];
    let words = words(name);
    let Some((last, before)) = words.split_last() else { return false };
    let joined = words.concat();
    let before_last = before.last().map_or("", String::as_str);
    let is_harmless = before.first().is_some_and(|word| HARMLESS.contains(&word.as_str()));
    let ends_like_one = match last.as_str() {
        "header" | "headers" => true,
        "key" | "keys" => !before.is_empty() && !is_harmless,
        "tokens" => OF_TOKENS.contains(&before_last),
        _ => joined.ends_with("token") && !is_harmless,
    };
    ends_like_one
        || words.iter().any(|word| WORDS.contains(&word.as_str()))
        || JOINED.iter().any(|part| joined.contains(part))
}

/// Whether what has this name is a secret where most of what is said is not, as in metadata: `env` and `jira_key` are
/// no secrets there.
pub(super) fn is_surely_secret_name(name: &str) -> bool {
    const WORDS: [&str; 8] = ["auth", "secret", "secrets", "bearer", "cookie", "cookies", "jwt", "pwd"];
    const JOINED: [&str; 10] = [
        "accesskey",
        "apikey",
        "authorization",
        "clientsecret",
        "credential",
        "passphrase",
        "passwd",
        "password",
        "privatekey",
        "token",
    ];
    let words = words(name);
    let joined = words.concat();
    is_secret_name(name)
        && (words.iter().any(|word| WORDS.contains(&word.as_str()))
            || JOINED.iter().any(|part| joined.contains(part)))
}

/// A URL without its user, its query and its fragment.
fn bare_url(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = authority.rsplit('@').next().unwrap_or_default();
            format!("{scheme}://{host}{path}")
        }
        None => url.to_owned(),
    }
}

/// The words of a name such as `apiKey` or `API_KEY`, in lower case.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for character in name.chars() {
        if !character.is_alphanumeric() || (was_lower && character.is_uppercase()) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| character.is_alphanumeric()) {
            word.extend(character.to_lowercase());
        }
        was_lower = character.is_lowercase() || character.is_numeric();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Whether a text holds a secret whatever it is called: a URL with a user or a key in it, or a known kind of
/// key.
pub(super) fn holds_secret(text: &str) -> bool {
    const STARTS: [&str; 15] = [
        "AIza",
        "AKIA",
        "ASIA",
        "Basic ",
        "Bearer ",
        "eyJ",
        "ghp_",
        "github_pat_",
        "glpat-",
        "rk_live_",
        "sk-",
        "sk_live_",
        "xoxb-",
        "xoxp-",
        "-----BEGIN ",
    ];
    const KEY_MIN_BYTES: usize = 20;
    let mut authorities =
        text.split("://").skip(1).filter_map(|rest| rest.split(['/', '?', '#', ' ']).next());
    let mut parameters = text.split(['?', '&', '#']).skip(1).filter_map(|pair| pair.split_once('='));
    authorities.any(|authority| authority.contains('@'))
        || parameters.any(|(name, _)| is_secret_name(name))
        || (text.len() >= KEY_MIN_BYTES && STARTS.iter().any(|start| text.starts_with(start)))
}

/// Whether a value says where a secret is, and not the secret.
fn refers_to_secret(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.starts_with("secret://") || text.starts_with("arn:"))
}

/// Where in a schema something is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Within {
    /// Its members are the names of properties.
    names: bool,
    /// It describes a property that is a secret.
    secret: bool,
}

impl Within {
    /// Whether a member is left out.
    fn leaves_out(self, name: &str, member: &Value) -> bool {
        const VALUES: [&str; 5] = ["default", "examples", "example", "const", "enum"];
        let is_secret = is_secret_name(name) && !refers_to_secret(member);
        if self.names {
            is_secret && !member.is_object()
        } else {
            is_secret || (self.secret && VALUES.contains(&name))
        }
    }

    /// Where what is in a member is.
    fn member(self, name: &str, member: &Value) -> Self {
        const NAMES: [&str; 4] = ["properties", "patternProperties", "$defs", "definitions"];
        let is_secret = is_secret_name(name) && !refers_to_secret(member);
        Self { names: !self.names && NAMES.contains(&name), secret: self.secret || (self.names && is_secret) }
    }
}

/// A tree without what looks like a secret, and what became of the leaves that stay. A schema keeps its
/// properties whatever they are called, but says no value of one that is a secret.
pub(super) fn without_secrets(
    from: &Place<'_>,
    to: &str,
    within: Within,
    taken: &mut Vec<(String, String)>,
) -> Option<Value> {
    if from.is_leaf() {
        taken.push((from.pointer.clone(), to.to_owned()));
        return Some(from.value.clone());
    }
    let mut items = Vec::new();
    for item in from.items() {
        let inner = Within { names: false, ..within };
        items.extend(without_secrets(&item, &format!("{to}/{}", items.len()), inner, taken));
    }
    let mut members = Map::new();
    for (name, member) in from.members() {
        if within.leaves_out(name, member.value) {
            continue;
        }
        let inner = within.member(name, member.value);
        let to = format!("{to}/{}", pointer_segment(name));
        if let Some(value) = without_secrets(&member, &to, inner, taken) {
            members.insert(name.to_owned(), value);
        }
    }
    match from.value {
        Value::Array(_) if !items.is_empty() => Some(Value::Array(items)),
        Value::Object(_) if !members.is_empty() => Some(Value::Object(members)),
        _ => None,
    }
}

/// A resource as it is answered, without what looks like a secret in it, and how many members that was.
pub fn strip(mut resource: Value) -> (Value, u64) {
    let mut left_out = 0;
    let Some(members) = resource.as_object_mut() else {
        return (resource, 0);
    };
    for name in ["title", "notes"] {
        if members.get(name).and_then(Value::as_str).is_some_and(holds_secret) {
            members.remove(name);
            left_out += 1;
        }
    }
    if let Some(metadata) = members.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|name, value| {
            let is_secret = is_surely_secret_name(name) || value.as_str().is_some_and(holds_secret);
            left_out += u64::from(is_secret);
            !is_secret
        });
    }
    for variable in members.get_mut("variables").and_then(Value::as_array_mut).into_iter().flatten() {
        let is_secret = variable["name"].as_str().is_some_and(is_secret_name);
        if let Some(schema) = variable.get_mut("schema").filter(|_| is_secret) {
            left_out += strip_tree(schema, Within { names: false, secret: true });
        }
    }
    for name in ["config", "agent", "variables", "example", "template"] {
        if let Some(part) = members.get_mut(name) {
            left_out += strip_tree(part, Within::default());
        }
    }
    (resource, left_out)
}

/// The same of a tree of settings, by the rules of [`without_secrets`]; texts that hold one go, too, but those that
/// are there to be read.
fn strip_tree(tree: &mut Value, within: Within) -> u64 {
    let mut left_out = 0;
    match tree {
        Value::Array(items) => {
            items.retain(|item| {
                let is_left_out = item.as_str().is_some_and(holds_secret);
                left_out += u64::from(is_left_out);
                !is_left_out
            });
            for item in items {
                left_out += strip_tree(item, Within { names: false, ..within });
            }
        }
        Value::Object(members) => {
            if let Some(Value::String(url)) = members.get_mut("url")
                && holds_secret(url)
            {
                *url = bare_url(url);
                left_out += 1;
            }
            members.retain(|name, member| {
                let is_prose = name == "instructions" || name == "description";
                let is_left_out = within.leaves_out(name, member)
                    || (!is_prose && member.as_str().is_some_and(holds_secret));
                left_out += u64::from(is_left_out);
                !is_left_out
            });
            for (name, member) in members {
                left_out += strip_tree(member, within.member(name, member));
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    left_out
}
