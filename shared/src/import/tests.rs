//! What holds of every reading, of the fixtures and of hundreds of files that are almost like them: each
//! leaf is accounted for once, and nothing in a document comes from nowhere.

use std::collections::BTreeMap;

use fastrand::Rng;

use super::fidelity::laws::{check, tree};
use super::*;
use crate::agent::NewAgent;
use crate::agent::alias::AliasDocument;
use crate::template::TemplateContent;

const DEFAULT_MODEL: Option<&str> = Some("anthropic/claude-haiku-4-5");
const CANARY: &str = "CANARY";

macro_rules! fixtures {
    ($($format:ident: $($name:literal)*;)*) => {
        [$($((
            Format::$format,
            $name,
            include_str!(concat!("../../../tests/fixtures/import/", $name, ".json")),
        ),)*)*]
    };
}

const FIXTURES: [(Format, &str, &str); 16] = fixtures! {
    AgentManagement: "native-minimal" "native-full";
    LanggraphAssistants: "langgraph-minimal" "langgraph-full" "langgraph-odd";
    OpenaiAssistants: "openai-minimal" "openai-full" "openai-odd";
    LettaAgents: "letta-minimal" "letta-full" "letta-older" "letta-odd";
    A2aCards: "a2a-minimal" "a2a-full" "a2a-odd";
    AgentManagement: "native-export";
};

/// Reads all that may be asked for.
fn read(format: Format, text: &str, default_model: Option<&str>) -> Result<Reading> {
    super::read(format, text, Options { default_model, versions: true, templates: true })
}

fn fixture(name: &str) -> (Format, &'static str) {
    let (format, _, text) = FIXTURES.into_iter().find(|fixture| fixture.1 == name).unwrap();
    (format, text)
}

fn reading(name: &str) -> Reading {
    let (format, text) = fixture(name);
    read(format, text, DEFAULT_MODEL).unwrap()
}

fn documents(reading: &Reading) -> Value {
    reading.agents.iter().map(|agent| agent.document.clone()).collect()
}

#[test]
fn formats_are_called_as_they_are_written() {
    for format in Format::ALL {
        assert_eq!(json!(format), format.as_str());
        assert!(FIXTURES.iter().any(|fixture| fixture.0 == format));
    }
}

#[test]
fn every_leaf_of_every_fixture_is_accounted_for_and_every_document_is_an_agent() {
    for (format, name, text) in FIXTURES {
        let reading = read(format, text, DEFAULT_MODEL).unwrap();
        assert!(!reading.agents.is_empty(), "{name}");
        check(&file(format, text).unwrap(), &reading, name);
        for Imported { document, beside, .. } in &reading.agents {
            for document in beside.versions.iter().map(|version| &version.document).chain([document]) {
                if let Err(error) = NewAgent::read(document.clone()) {
                    panic!("{name}: {error:?} in {document}");
                }
            }
            for alias in beside.aliases.values() {
                AliasDocument::read(alias.clone()).unwrap();
            }
        }
        for ImportedTemplate { document, versions, .. } in &reading.templates {
            for document in versions.iter().map(|version| &version.document).chain([document]) {
                TemplateContent::read(document.clone()).unwrap();
            }
        }
        check(&file(format, text).unwrap(), &read(format, text, None).unwrap(), name);
    }
}

#[test]
fn a_file_is_of_one_format() {
    for (format, name, text) in FIXTURES {
        for other in Format::ALL.into_iter().filter(|other| *other != format) {
            let Err(Error::Invalid(violations)) = read(other, text, None) else {
                panic!("{name} as {other:?}");
            };
            assert_eq!(violations[0].code, "other_format", "{name}");
        }
    }
}

#[test]
fn secrets_stay_behind() {
    let mut canaries = 0;
    for (format, name, text) in FIXTURES {
        canaries += text.matches(CANARY).count();
        let reading = read(format, text, DEFAULT_MODEL).unwrap();
        assert!(!format!("{reading:?}").contains(CANARY), "{name}");
    }
    assert!(canaries > 15, "{canaries}");
    for name in ["api_key", "apiKey", "OPENAI_API_KEY", "token", "access_token", "Authorization", "secrets"] {
        assert!(is_secret_name(name), "{name}");
    }
    for name in ["max_tokens", "max_token", "author", "key", "monkey", "tokenizer", "environment", "keyboard"]
    {
        assert!(!is_secret_name(name), "{name}");
    }
    assert!(holds_secret("https://a.example/b?x=1&api_key=y") && !holds_secret("https://a.example/b?x=1#y"));
}

#[test]
fn a_model_is_found_or_defaulted() {
    let model = |name: &str, index: usize| {
        let document = reading(name).agents[index].document.clone();
        let of = |member: &str| document["config"]["model"][member].as_str().unwrap().to_owned();
        format!("{}/{}", of("provider"), of("id"))
    };
    for (name, index, expected) in [
        ("langgraph-minimal", 0, "anthropic/claude-haiku-4-5"),
        ("langgraph-full", 0, "openai/gpt-4.1-mini"),
        ("langgraph-full", 1, "google/gemini-2.5-flash"),
        ("openai-minimal", 0, "openai/gpt-4.1-mini"),
        ("letta-full", 0, "anthropic/claude-haiku-4-5"),
        ("letta-full", 1, "openai/gpt-5-mini"),
        ("a2a-minimal", 0, "anthropic/claude-haiku-4-5"),
    ] {
        assert_eq!(model(name, index), expected, "{name} {index}");
    }
    // Without a default the model is left out, and the judge says so.
    let (format, text) = fixture("a2a-minimal");
    let reading = read(format, text, None).unwrap();
    let Err(Error::Invalid(violations)) = NewAgent::read(reading.agents[0].document.clone()) else {
        panic!("an agent without a model")
    };
    assert_eq!((violations[0].pointer.as_str(), violations[0].code), ("/config/model", "required"));
    for bad in ["", "claude", "/claude", "anthropic/"] {
        assert!(matches!(read(format, text, Some(bad)), Err(Error::Invalid(_))), "{bad}");
    }
}

#[test]
fn parts_go_where_they_belong() {
    let letta = documents(&reading("letta-full"));
    let expected = "You guide people through an orchard.\n\n## trees\nRow 1 to 4 are pears.\n\n\
                    ## human\nPeople come on Sundays.";
    assert_eq!(letta[0]["config"]["instructions"], expected);
    assert_eq!(letta[1]["config"]["instructions"], "You count crates.\n\n## trees\nRow 1 to 4 are pears.");
    assert_eq!(letta[0]["config"]["tools"][1]["tool_id"], "order_saplings");
    assert_eq!(letta[0]["config"]["tools"][1]["approval"], "always");
    assert_eq!(letta[0]["metadata"], json!({"season": "autumn", "rows": "12"}));
    let parameters = json!({"temperature": 0.1, "max_output_tokens": 900, "reasoning_effort": "minimal"});
    assert_eq!(letta[1]["config"]["model"]["parameters"], parameters);

    let openai = documents(&reading("openai-full"));
    let ids: Vec<_> = (0..3_usize).map(|index| &openai[0]["config"]["tools"][index]["tool_id"]).collect();
    assert_eq!(ids, ["code_interpreter", "file_search", "firing_curve"]);
    let key = &openai[0]["config"]["tools"][2]["config"]["parameters"]["properties"]["api_key"];
    assert_eq!(key, &json!({"type": "string", "description": "The kiln's own key."}));
    assert_eq!(openai[0]["config"]["knowledge"], json!([{"id": "vs_glazes"}, {"id": "vs_clays"}]));
    assert_eq!(openai[0]["config"]["response_format"]["schema"]["required"], json!(["hours"]));
    assert_eq!(openai[1]["config"]["response_format"], json!({"type": "json"}));

    let langgraph = documents(&reading("langgraph-full"));
    assert_eq!(langgraph[0]["tags"], json!(["harbour", "tides"]));
    assert_eq!(langgraph[0]["metadata"]["langgraph:graph_id"], "harbour_desk");
    assert_eq!(langgraph[0]["metadata"]["langgraph:region"], "north");
    assert_eq!(langgraph[0]["config"]["model"]["parameters"]["stop"], json!(["END", "STOP"]));

    let card = documents(&reading("a2a-full"));
    assert_eq!(card[0]["metadata"]["a2a:url"], "https://ferries.example/a2a/v1");
    assert_eq!(card[0]["metadata"]["skill:places/book"], "Booking: Books places.");
    let ids: Vec<_> = reading("a2a-full").agents.into_iter().map(|agent| agent.source_id).collect();
    assert_eq!(ids, [Some("https://ferries.example/a2a/v1".to_owned()), Some("Night ferry".to_owned())]);
}

#[test]
fn a_record_a_line_is_a_list() {
    for name in ["langgraph-full", "openai-odd", "a2a-full"] {
        let (format, text) = fixture(name);
        let records: Vec<Value> = serde_json::from_str(text).unwrap();
        let lines: Vec<_> = records.iter().map(Value::to_string).collect();
        assert_eq!(read(format, &lines.join("\r\n\n"), None).unwrap(), read(format, text, None).unwrap());
        let broken = format!("{}\n\n{{", lines[0]);
        let Err(Error::Malformed(detail)) = read(format, &broken, None) else { panic!("accepted") };
        assert!(detail.contains("line 3"), "{detail}");
    }
    let (format, text) = fixture("letta-full");
    let wrapped = Value::from(text).to_string();
    assert_eq!(read(format, &wrapped, None).unwrap(), read(format, text, None).unwrap());
}

#[test]
fn what_is_beside_documents_is_taken_where_that_is_asked_for() {
    let (format, text) = fixture("native-export");
    let all = reading("native-export");
    let whole = tree(&all);
    let tool = json!({"tool_id": "orders.lookup", "config": {"region": "us"}});
    assert_eq!(whole["0"]["versions"][0]["config"]["tools"], json!([tool]));
    assert_eq!(whole["0"]["versions"][0]["metadata"], json!({"team": "shop"}));
    let routes = json!([{"version": 3, "weight": 90}, {"version": 5, "weight": 10}]);
    assert_eq!(whole["0"]["aliases"]["canary"], json!({"routes": routes, "paused": true}));
    let link = json!({"id": all.templates[0].source_id, "version": 2, "variables": {"shop": "Pear & Co"}});
    assert_eq!(whole["0"]["template"], link);
    assert_eq!(all.agents[1].beside, Beside::default());
    assert_eq!(whole["templates"][0]["versions"][1]["version"], 4);

    let drafts = super::read(format, text, Options::default()).unwrap();
    let document = file(format, text).unwrap();
    check(&document, &drafts, "drafts");
    assert!(drafts.templates.is_empty());
    for (draft, agent) in drafts.agents.iter().zip(&all.agents) {
        let beside = Beside { template: agent.beside.template.clone(), ..Beside::default() };
        assert_eq!((&draft.document, &draft.beside), (&agent.document, &beside));
    }
    let counts = ["versions", "templates"].map(|part| {
        let reason = format!("{part} are taken only where that is asked for");
        drafts.fidelity.dropped.iter().filter(|leaf| leaf.reason == reason).count()
    });
    assert!(counts.iter().all(|count| *count > 20), "{counts:?}");

    let records = |name: &str, list: &str| -> Vec<String> {
        let records = document[list].as_array().unwrap().iter();
        records.map(|record| json!({(name): record}).to_string()).collect()
    };
    let lines = [records("template", "templates"), records("agent", "agents")].concat().join("\n");
    let lines = read(format, &lines, None).unwrap();
    assert_eq!((lines.templates, lines.agents), (all.templates, all.agents));
}

#[test]
fn versions_are_told_apart_by_number_and_aliases_lead_to_them() {
    let config = json!({"model": {"provider": "openai", "id": "gpt-4.1-mini"}});
    let numbers = [json!(3), json!(1), json!(3), json!(0), json!("2")];
    let mut agent = json!({"name": "A", "config": config, "versions": [{"version": 9}]});
    let versions = numbers.iter().map(|number| json!({"version": number, "name": "V", "config": config}));
    agent["versions"].as_array_mut().unwrap().extend(versions);
    let route = |version: u64| json!({"version": version, "weight": 1});
    let [live, gone] = [[3, 1], [3, 9]].map(|versions| json!({"routes": versions.map(route)}));
    agent["aliases"] = json!({"live": live, "gone": gone, "none": {"routes": []}});
    let reading = read(Format::AgentManagement, &json!([agent]).to_string(), None).unwrap();
    check(&json!([agent]), &reading, "versions");
    let beside = &reading.agents[0].beside;
    assert_eq!(beside.versions.iter().map(|version| version.version).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(beside.aliases, BTreeMap::from([("live".to_owned(), live)]));
    let dropped = |from: &str| reading.fidelity.dropped.iter().any(|leaf| leaf.from == from);
    let places = [0, 3, 4, 5].map(|index| format!("/0/versions/{index}/version"));
    assert!(places.iter().all(|place| dropped(place)) && dropped("/0/aliases/gone/routes/0/weight"));
    let model = reading.fidelity.mapped.iter().find(|leaf| leaf.from == "/0/versions/2/config/model/id");
    assert_eq!(model.unwrap().to, ["/0/versions/0/config/model/id"]);
}

#[test]
fn hostile_files_are_refused() {
    let format = Format::LanggraphAssistants;
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for text in ["", "{", "{} x", r#"{"assistant_id":"a","assistant_id":"b"}"#, &deep] {
        assert!(matches!(read(format, text, None), Err(Error::Malformed(_))), "{text:.40}");
    }
    for text in ["5", "null", "\"text\"", "{}", "[[]]", r#"[{"graph_id":"a"},7]"#, "[null]"] {
        for format in Format::ALL {
            assert!(read(format, text, None).is_err(), "{format:?} {text}");
        }
    }
    // Pointers that would be a thousand times the file.
    let name = "x".repeat(100_000);
    let long = json!({"graph_id": "a", name: vec![0; 10_000]}).to_string();
    // Agents that all have the same long memory.
    let agents = vec![json!({"block_ids": ["b"]}); 1_000];
    let shared = json!({"agents": agents, "blocks": [{"id": "b", "value": "x".repeat(100_000)}]}).to_string();
    for (format, text) in [(format, long), (Format::LettaAgents, shared)] {
        let Err(Error::Invalid(violations)) = read(format, &text, None) else { panic!("accepted") };
        assert_eq!(violations[0].code, "too_large");
    }
}

fn collect_places(value: &Value, pointer: &str, found: &mut Vec<String>) {
    found.push(pointer.to_owned());
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        collect_places(item, &format!("{pointer}/{index}"), found);
    }
    for (name, member) in value.as_object().into_iter().flatten() {
        collect_places(member, &format!("{pointer}/{}", pointer_segment(name)), found);
    }
}

/// Replaces, removes or repeats a part.
fn mutate(rng: &mut Rng, file: &mut Value) {
    let mut places = Vec::new();
    collect_places(file, "", &mut places);
    let [place, other] = [0; 2].map(|_| rng.choice(&places).unwrap().clone());
    let other = file.pointer(&other).unwrap().clone();
    let scalars = json!([null, true, 0, -1, 2.5, 1e9, "", " ", "x", "a/b:c", "é\u{1f980}", "y".repeat(600)]);
    let (parent, name) = place.rsplit_once('/').unwrap_or_default();
    let kind = rng.u8(..5);
    if kind < 2 {
        match (kind, file.pointer_mut(parent).unwrap()) {
            (0, Value::Object(members)) => {
                members.remove(&name.replace("~1", "/").replace("~0", "~"));
            }
            (0, Value::Array(items)) => {
                items.pop();
            }
            (_, Value::Object(members)) => {
                members.insert("name".to_owned(), other);
            }
            (_, Value::Array(items)) => items.push(other),
            (_, _) => {}
        }
        return;
    }
    let value = match kind {
        2 => other,
        3 => rng.choice([json!([]), json!({})]).unwrap(),
        _ => scalars[rng.usize(..12)].clone(),
    };
    *file.pointer_mut(&place).unwrap() = value;
}

#[test]
fn whatever_a_file_says_it_is_accounted_for_or_refused() {
    let mut rng = Rng::with_seed(1);
    let mut accepted = 0;
    for (format, name, text) in FIXTURES {
        let rounds = if name == "native-export" { 400 } else { 100 };
        for round in 0..rounds {
            let mut mutant = file(format, text).unwrap();
            for _ in 0..rng.usize(1..5) {
                mutate(&mut rng, &mut mutant);
            }
            let text = mutant.to_string();
            let default_model = DEFAULT_MODEL.filter(|_| rng.bool());
            match read(format, &text, default_model) {
                Ok(reading) => {
                    accepted += 1;
                    check(&file(format, &text).unwrap(), &reading, &format!("{name} {round}: {text}"));
                    let drafts = super::read(format, &text, Options { default_model, ..Options::default() });
                    check(&file(format, &text).unwrap(), &drafts.unwrap(), &format!("drafts of {text}"));
                }
                Err(Error::Invalid(violations)) => assert!(!violations.is_empty()),
                Err(Error::Malformed(_)) => assert!(mutant.is_string(), "{text}"),
                Err(error) => panic!("{name} {round}: {error:?}"),
            }
        }
    }
    assert!(accepted > 300, "{accepted}");
}
