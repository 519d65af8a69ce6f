//! Every `fix`, applied, mends: documents that are wrong at random are sent, the fixes that come back
//! are applied in their order, and what comes out is accepted.

use harness::{App, Client};
use serde_json::{Value, json};

const SEEDS: u64 = 300;
/// Control characters first, then unknown members, then bounds, then the tier: what is wrong with one
/// is not judged before the ones before it are right, and an answer lists 100 violations at most.
const ROUNDS_MAX: usize = 12;

/// A document that breaks some bounds of shape and tier, each by something that has a fix.
fn a_wrong_document(rng: &mut fastrand::Rng) -> Value {
    let models = [
        ("anthropic", "claude-haiku-4-5"),
        ("anthropic", "claude-opus-4-5"),
        ("openai", "gpt-5"),
        ("custom", "own"),
        ("mistral", "mistral-small"),
    ];
    let mut model = || {
        let (provider, id) = models[rng.usize(..models.len())];
        json!({"provider": provider, "id": id})
    };
    let mut main = model();
    main["fallbacks"] = json!((0..6).map(|_| model()).collect::<Vec<_>>());
    main["fallbacks"].as_array_mut().expect("a list").truncate(rng.usize(0..6));
    main["parameters"] =
        json!({"temperature": rng.f64() * 6.0 - 2.0, "max_output_tokens": rng.u32(..2_000_000)});
    let tools: Vec<_> =
        (0..rng.usize(0..300)).map(|_| json!({"tool_id": format!("t{}", rng.u16(0..400))})).collect();
    let tags: Vec<_> = (0..rng.usize(0..24)).map(|_| "t".repeat(rng.usize(0..70))).collect();
    let servers: Vec<_> = (0..rng.usize(0..4))
        .map(|_| json!({"name": format!("m{}", rng.u8(0..3)), "url": "https://example.com"}))
        .collect();
    let mut document = json!({
        "name": "n".repeat(rng.usize(1..260)),
        "description": "d".repeat(rng.usize(0..2_100)),
        "tags": tags,
        "metadata": {"long": "v".repeat(rng.usize(0..600)), "k": "v"},
        "config": {
            "model": main,
            "instructions": "é".repeat(rng.usize(0..6_000)),
            "tools": tools,
            "mcp_servers": servers,
            "limits": {"max_steps": rng.u32(0..1_200), "timeout_s": rng.u32(0..100_000)},
        },
    });
    if rng.bool() {
        document["name"] = json!("a\u{0}b");
        document["config"]["instructions"] = json!("\u{1b}[0m");
    }
    if rng.bool() {
        document["robot"] = json!(1);
        document["config"]["robot"] = json!({"a": 1});
    }
    document
}

/// Applies every fix of the answer to the document, in the order in which they are listed.
fn apply_fixes(answer: &Value, document: &mut Value, seed: u64) {
    for violation in answer["errors"].as_array().expect("errors") {
        let fix = violation.get("fix").unwrap_or_else(|| panic!("seed {seed}: {violation} has no fix"));
        let patch: json_patch::Patch = serde_json::from_value(fix.clone()).expect("a JSON Patch");
        json_patch::patch(document, &patch)
            .unwrap_or_else(|error| panic!("seed {seed}: {error} in {violation} of {answer:#}"));
    }
}

async fn mend(client: &Client<'_>, mut document: Value, seed: u64) -> usize {
    for round in 0..ROUNDS_MAX {
        let answer = client.post("/v1/agents?validate_only=true", &document).send().await;
        match answer.status.as_u16() {
            200 => return round,
            403 | 422 => apply_fixes(&answer.json(), &mut document, seed),
            _ => panic!("seed {seed}: {answer}"),
        }
    }
    panic!("seed {seed}: still refused after {ROUNDS_MAX} rounds: {document:#}")
}

#[tokio::test]
async fn every_fix_applied_makes_the_request_pass() {
    let app = App::start().await;
    let client = app.client();
    let mut mended = 0;
    for seed in 0..SEEDS {
        let document = a_wrong_document(&mut fastrand::Rng::with_seed(seed));
        if mend(&client, document, seed).await > 0 {
            mended += 1;
        }
    }
    assert!(mended > SEEDS / 2, "only {mended} documents were wrong at all");
}
