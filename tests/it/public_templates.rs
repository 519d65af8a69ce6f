//! The public templates: each renders its example, is admitted by a tier and can be published; and a version
//! that was published once stays what it was.

use std::collections::BTreeSet;

use agent_management::template::public::PublicTemplates;
use agent_management::template::render::render;
use agent_management::tier::{self, Entitlements, Overrides, Tiers};
use harness::{App, TENANT};
use insta::assert_snapshot;
use serde_json::{Map, Value, json};

fn public() -> PublicTemplates {
    PublicTemplates::embedded().expect("they are good")
}

/// The lowest tier that admits what the template's latest version makes of these values; none that it does
/// not render with.
fn lowest_tier(
    content: &agent_management::template::TemplateContent,
    given: &Map<String, Value>,
) -> Option<String> {
    let tiers = Tiers::embedded().expect("they are good");
    let agent = render(content, given, "").agent?;
    let admits = |tier: &str| {
        let entitlements = Entitlements { tier: tier.to_owned(), overrides: Overrides::new(), rev: 0 };
        tier::violations(&tiers, &tiers.limits(&entitlements), &agent).is_empty()
    };
    tiers.all().iter().map(|tier| tier.name.clone()).find(|tier| admits(tier))
}

#[test]
fn there_are_many_kinds_and_the_lowest_tier_has_its_share() {
    let public = public();
    let kinds: BTreeSet<_> =
        public.all().iter().filter_map(|one| one.latest().content.tags.first()).collect();
    assert!(public.all().len() >= 8 && kinds.len() >= 8, "{kinds:?}");
    let free = public.all().iter().filter(|one| {
        let content = &one.latest().content;
        lowest_tier(content, &content.example).as_deref() == Some("free")
    });
    assert!(free.count() >= 3);
    let upgradable = public.all().iter().filter(|one| one.versions.len() > 1);
    assert!(upgradable.count() > 0, "an upgrade can be tried");
}

#[test]
fn every_version_of_each_could_be_published_by_a_tenant() {
    public().check().expect("they are good");
    let file = include_str!("../../infra/seeds/templates.json");
    let broken = file.replacen("\"schema\": {", "\"schema\": {\"$ref\": \"#\", ", 1);
    assert!(file != broken && PublicTemplates::parse(&broken).expect("its shape is good").check().is_err());
}

#[test]
fn every_version_of_each_says_what_it_needs() {
    for template in public().all() {
        for version in &template.versions {
            let content = &version.content;
            let what = format!("{} {}", template.key, version.number);
            let rendering = render(content, &content.example, "");
            let agent = rendering.agent.unwrap_or_else(|| panic!("{what}: {:?}", rendering.violations));
            assert_eq!((rendering.unresolved, rendering.unused), (vec![], vec![]), "{what}");
            assert!(lowest_tier(content, &content.example).is_some(), "{what} fits no tier");
            assert!(content.variables.len() >= 3, "{what}");
            assert!(!agent.config.guardrails.is_empty() && agent.config.limits.is_some(), "{what}");
            assert!(agent.config.instructions.len() > 500, "{what}");
            for variable in &content.variables {
                let name = format!("{what} {}", variable.name);
                assert!(variable.title.is_some() && variable.description.is_some(), "{name}");
                let is_switch = variable.schema.get("type") == Some(&json!("boolean"));
                assert!(is_switch || variable.schema.len() > 1, "{name} admits too much");
            }
        }
    }
}

/// Whoever was made from a version is compared with it for good. A change is a new version; this list only
/// grows.
#[test]
fn a_published_version_is_never_changed() {
    let lines = public()
        .all()
        .iter()
        .flat_map(|template| {
            template
                .versions
                .iter()
                .map(|version| {
                    let json = serde_json::to_string(&version.content).expect("JSON");
                    let hash = u128::from_be_bytes(agent_management::id::digest(&[&json])) >> 64;
                    format!("{} {} {hash:016x} {}", template.key, version.number, version.template)
                })
                .collect::<Vec<_>>()
        })
        .collect::<Vec<_>>();
    assert_snapshot!(lines.join("\n"));
}

#[tokio::test]
async fn each_is_rendered_made_and_published_over_rest() {
    let app = App::start().await;
    app.set_tier(TENANT, "enterprise", [].into()).await;
    let client = app.client();
    for template in public().all() {
        let path = format!("/v1/templates/{}", template.id);
        for version in &template.versions {
            let variables = Value::Object(version.content.example.clone());
            let said = json!({"version": version.number, "variables": variables});
            let rendered = client.post(&format!("{path}/render"), &said).send().await.expect(200).json();
            assert_eq!(
                (&rendered["valid"], &rendered["violations"]),
                (&json!(true), &json!([])),
                "{rendered}"
            );
            assert!(
                !rendered["agent"]
                    .to_string()
                    .replace("${userInput}", "")
                    .replace("${NAME}", "")
                    .contains("${")
            );
            let made =
                client.post(&format!("{path}/instantiate?publish=true"), &said).send().await.expect(201);
            let agent = made.json();
            for member in ["name", "description", "tags", "metadata", "config"] {
                assert_eq!(agent[member], rendered["agent"][member], "{} {member}", template.key);
            }
            let link = json!({"id": template.id, "version": version.number, "variables": variables});
            assert_eq!(agent["template"], link);
            assert!(agent["published_version"].is_number());
            let place = made.header("location").expect("a location");
            let resolved = client.get(&format!("{place}/resolved")).send().await.expect(200).json();
            assert_eq!(resolved["config"], agent["config"]);
            let drift = json!({"agent_id": agent["id"], "version": version.number});
            let drift = client.post(&format!("{path}/drift"), &drift).send().await.expect(200).json();
            assert_eq!((&drift["agent_changes"], &drift["template_changes"]), (&json!([]), &json!([])));
        }
    }
}
