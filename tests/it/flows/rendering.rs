//! Random templates through rendering: no placeholder is left, what a value says is never looked at, and
//! whatever is accepted renders, or says why it does not.

use agent_management::error::Error;
use agent_management::template::TemplateContent;
use agent_management::template::render::render;
use serde_json::{Map, Value, json};

const ROUNDS: u64 = 4_000;
/// Values that would do harm if anybody looked at them.
const VALUES: [&str; 8] = ["plain", "${b}", "$${a}", "{{a}}", "$(id)", "`id`", "${a}${b}${c}", "${"];
/// Pieces of texts, good and bad.
const PIECES: [&str; 12] =
    ["${a}", "${b}", "${c}", "$${", "$$${a}", "$$", "$", "{", "}", " text ", "{{user}}", "\n"];

/// A text of a template, and what it is by a reading of its own: each piece stands for itself.
fn a_text(rng: &mut fastrand::Rng) -> String {
    (0..rng.usize(0..6)).map(|_| PIECES[rng.usize(0..PIECES.len())]).collect()
}

/// What a text renders to, read a character at a time.
fn expected(text: &str, values: &Map<String, Value>) -> Option<String> {
    let mut out = String::new();
    let mut rest: Vec<char> = text.chars().rev().collect();
    while let Some(first) = rest.pop() {
        if first != '$' {
            out.push(first);
            continue;
        }
        let mut dollars = 1;
        while rest.last() == Some(&'$') {
            rest.pop();
            dollars += 1;
        }
        if rest.last() != Some(&'{') {
            out.extend(std::iter::repeat_n('$', dollars));
            continue;
        }
        rest.pop();
        out.extend(std::iter::repeat_n('$', dollars / 2));
        if dollars % 2 == 0 {
            out.push('{');
            continue;
        }
        let end = rest.iter().rposition(|character| *character == '}')?;
        let name: String = rest.drain(end..).rev().filter(|character| *character != '}').collect();
        match values.get(&name)? {
            Value::String(text) => out.push_str(text),
            value => out.push_str(&value.to_string()),
        }
    }
    Some(out)
}

#[test]
fn rendering_leaves_nothing_in_and_looks_at_no_value() {
    let mut rendered = 0;
    for seed in 0..ROUNDS {
        let mut rng = fastrand::Rng::with_seed(seed);
        let (instructions, name) = (a_text(&mut rng), format!("n{}", a_text(&mut rng)));
        let values: Map<String, Value> = ["a", "b", "c"]
            .into_iter()
            .map(|name| {
                let value = VALUES[rng.usize(0..VALUES.len())];
                (name.to_owned(), if rng.u8(0..4) == 0 { json!(rng.u32(..)) } else { json!(value) })
            })
            .collect();
        let variables: Vec<Value> = ["a", "b", "c"].map(|name| json!({"name": name, "schema": {}})).into();
        let document = json!({
            "name": "T",
            "variables": variables,
            "agent": {
                "name": name,
                "config": {
                    "model": {"provider": "anthropic", "id": "claude-haiku-4-5"},
                    "instructions": format!("{instructions} "),
                    "tools": [{"tool_id": "t", "config": {"whole": "${a}", "nested": [{"b": "${b}"}]}}],
                },
            },
        });
        let wanted = [expected(&format!("{instructions} "), &values), expected(&name, &values)];
        match TemplateContent::read(document) {
            Ok(content) => {
                let rendering = render(&content, &values, "/variables");
                assert_eq!(rendering.unresolved, Vec::<String>::new());
                let [Some(instructions), Some(name)] = wanted else {
                    panic!("{seed}: accepted what is no text")
                };
                if name.trim().is_empty() || name.chars().any(|character| character == '\u{0}') {
                    continue;
                }
                let agent = rendering.agent.unwrap_or_else(|| panic!("{seed}: {:?}", rendering.violations));
                assert_eq!((&agent.config.instructions, &agent.name), (&instructions, &name), "{seed}");
                let settings = json!(agent.config.tools[0].config);
                assert_eq!(settings, json!({"whole": values["a"], "nested": [{"b": values["b"]}]}), "{seed}");
                rendered += 1;
            }
            Err(Error::Invalid(violations)) => {
                assert!(wanted.iter().any(Option::is_none), "{seed}: {violations:?}");
                assert!(violations.iter().all(|one| one.code == "placeholder"), "{violations:?}");
            }
            Err(error) => panic!("{seed}: {error}"),
        }
    }
    assert!(rendered > 1_000, "{rendered}");
}
