//! What is risky about a change of an agent's content, by class: what the agent may reach, what holds it
//! back, what it does. Whatever differs is of a class, so that no change passes unseen. This compares two
//! contents and knows neither what is done about a risk nor any store, HTTP or clock.

mod class;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use class::RiskClass;

use super::Content;
use super::config::{
    Config, Guardrail, GuardrailAction, Knowledge, McpServer, Model, RunLimits, SubAgent, Tool, ToolApproval,
};

/// One thing that is risky about a change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Risk {
    pub class: RiskClass,
    /// A JSON Pointer (RFC 6901) into the content: where it was for what is gone, where it is else.
    pub pointer: String,
}

/// Every risk of changing `from` into `to`, sorted by class and pointer, none twice. Equal contents, and
/// only they, have none.
pub fn risks(from: &Content, to: &Content) -> Vec<Risk> {
    let mut found = Found(Vec::new());
    found.content(from, to);
    found.0.sort_by(|a, b| (a.class, &a.pointer).cmp(&(b.class, &b.pointer)));
    found.0.dedup();
    found.0
}

struct Found(Vec<Risk>);

/// Where an item that stays was in its list, and where it is.
struct Place {
    was: String,
    is: String,
}

// What is compared is taken apart without `..`: a new member does not compile until it has a class.
impl Found {
    fn content(&mut self, from: &Content, to: &Content) {
        let Content { name, description, tags, metadata, config } = from;
        let filed = RiskClass::DescriptionChanged;
        self.differing(filed, "/name", name, &to.name);
        self.differing(filed, "/description", description, &to.description);
        self.differing(filed, "/tags", tags, &to.tags);
        self.differing(filed, "/metadata", metadata, &to.metadata);
        self.config(config, &to.config);
    }

    fn config(&mut self, from: &Config, to: &Config) {
        let Config {
            model: Model { provider, id, fallbacks, parameters },
            instructions,
            variables_schema: variables,
            tools,
            mcp_servers,
            knowledge,
            memory,
            guardrails,
            sub_agents,
            response_format: format,
            limits,
        } = from;
        self.differing(RiskClass::ModelChanged, "/config/model/provider", provider, &to.model.provider);
        self.differing(RiskClass::ModelChanged, "/config/model/id", id, &to.model.id);
        self.differing(RiskClass::ModelChanged, "/config/model/fallbacks", fallbacks, &to.model.fallbacks);
        let tuned = RiskClass::ParametersChanged;
        self.differing(tuned, "/config/model/parameters", parameters, &to.model.parameters);
        self.differing(
            RiskClass::InstructionsChanged,
            "/config/instructions",
            instructions,
            &to.instructions,
        );
        self.differing(
            RiskClass::VariablesChanged,
            "/config/variables_schema",
            variables,
            &to.variables_schema,
        );
        let classes = [RiskClass::ToolsNarrowed, RiskClass::ToolsWidened, RiskClass::ToolChanged];
        self.list("/config/tools", classes, [tools, &to.tools], |a, b| a.tool_id == b.tool_id, Self::tool);
        let classes = [RiskClass::McpServerRemoved, RiskClass::McpServerAdded, RiskClass::McpServerChanged];
        let servers = [mcp_servers.as_slice(), &to.mcp_servers];
        self.list("/config/mcp_servers", classes, servers, |a, b| a.name == b.name, Self::mcp_server);
        let classes =
            [RiskClass::KnowledgeNarrowed, RiskClass::KnowledgeWidened, RiskClass::KnowledgeChanged];
        let bases = [knowledge.as_slice(), &to.knowledge];
        self.list("/config/knowledge", classes, bases, |a, b| a.id == b.id, Self::knowledge);
        self.differing(RiskClass::MemoryChanged, "/config/memory", memory, &to.memory);
        let classes =
            [RiskClass::GuardrailRemoved, RiskClass::GuardrailAdded, RiskClass::GuardrailsReordered];
        let is_same = |a: &Guardrail, b: &Guardrail| (&a.id, a.stage) == (&b.id, b.stage);
        self.list("/config/guardrails", classes, [guardrails, &to.guardrails], is_same, Self::guardrail);
        let classes = [RiskClass::SubAgentsRemoved, RiskClass::SubAgentsAdded, RiskClass::SubAgentsChanged];
        let agents = [sub_agents.as_slice(), &to.sub_agents];
        self.list("/config/sub_agents", classes, agents, |a, b| a.id == b.id, Self::sub_agent);
        self.differing(
            RiskClass::ResponseFormatChanged,
            "/config/response_format",
            format,
            &to.response_format,
        );
        self.limits(limits.as_ref(), to.limits.as_ref());
    }

    fn tool(&mut self, place: &Place, from: &Tool, to: &Tool) {
        let Tool { tool_id: _, version, schema_hash: hash, config, approval } = from;
        self.member(RiskClass::ToolChanged, place, "version", [version.as_ref(), to.version.as_ref()]);
        self.member(RiskClass::ToolChanged, place, "schema_hash", [hash.as_ref(), to.schema_hash.as_ref()]);
        self.member(RiskClass::ToolChanged, place, "config", [config.as_ref(), to.config.as_ref()]);
        let always = Some(ToolApproval::Always);
        let class = match (*approval == always, to.approval == always) {
            (true, false) => RiskClass::ToolApprovalRemoved,
            (false, true) => RiskClass::ToolApprovalAdded,
            (true, true) | (false, false) => RiskClass::ToolChanged,
        };
        self.member(class, place, "approval", [approval.as_ref(), to.approval.as_ref()]);
    }

    fn mcp_server(&mut self, place: &Place, from: &McpServer, to: &McpServer) {
        let McpServer { name: _, url, auth_ref, allowed_tools } = from;
        self.member(RiskClass::McpServerChanged, place, "url", [Some(url), Some(&to.url)]);
        self.member(
            RiskClass::McpServerChanged,
            place,
            "auth_ref",
            [auth_ref.as_ref(), to.auth_ref.as_ref()],
        );
        match (allowed_tools, &to.allowed_tools) {
            (Some(before), Some(after)) => self.allowed_tools(place, before, after),
            (Some(_), None) => self.add(RiskClass::ToolsWidened, format!("{}/allowed_tools", place.was)),
            (None, Some(_)) => self.add(RiskClass::ToolsNarrowed, format!("{}/allowed_tools", place.is)),
            (None, None) => {}
        }
    }

    fn allowed_tools(&mut self, place: &Place, from: &[String], to: &[String]) {
        let lost = (RiskClass::ToolsNarrowed, &place.was, from, to);
        let gained = (RiskClass::ToolsWidened, &place.is, to, from);
        for (class, server, names, others) in [lost, gained] {
            for (index, _) in names.iter().enumerate().filter(|(_, name)| !others.contains(name)) {
                self.add(class, format!("{server}/allowed_tools/{index}"));
            }
        }
        // Another order, or a name repeated, admits nothing else and is a difference all the same.
        let before: Vec<_> = from.iter().filter(|name| to.contains(name)).collect();
        let after: Vec<_> = to.iter().filter(|name| from.contains(name)).collect();
        self.differing(RiskClass::ToolChanged, format!("{}/allowed_tools", place.is), &before, &after);
    }

    fn knowledge(&mut self, place: &Place, from: &Knowledge, to: &Knowledge) {
        let Knowledge { id: _, top_k, filters } = from;
        self.member(RiskClass::KnowledgeChanged, place, "top_k", [top_k.as_ref(), to.top_k.as_ref()]);
        // Filters are not understood here: other ones may admit more.
        let class =
            if filters.is_none() { RiskClass::KnowledgeNarrowed } else { RiskClass::KnowledgeWidened };
        self.member(class, place, "filters", [filters.as_ref(), to.filters.as_ref()]);
    }

    fn guardrail(&mut self, place: &Place, from: &Guardrail, to: &Guardrail) {
        let Guardrail { id: _, stage: _, action } = from;
        let is_weaker = strength(to.action) < strength(*action);
        let class = if is_weaker { RiskClass::GuardrailWeakened } else { RiskClass::GuardrailStrengthened };
        self.member(class, place, "action", [Some(action), Some(&to.action)]);
    }

    fn sub_agent(&mut self, place: &Place, from: &SubAgent, to: &SubAgent) {
        let SubAgent { id: _, alias } = from;
        self.member(RiskClass::SubAgentsChanged, place, "alias", [alias.as_ref(), to.alias.as_ref()]);
    }

    fn limits(&mut self, from: Option<&RunLimits>, to: Option<&RunLimits>) {
        let (Some(from), Some(to)) = (from, to) else {
            let class = if to.is_none() { RiskClass::LimitsRaised } else { RiskClass::LimitsLowered };
            return self.differing(class, "/config/limits", &from, &to);
        };
        let RunLimits { max_steps, timeout_s, budget_usd } = from;
        self.limit("max_steps", max_steps.map(f64::from), to.max_steps.map(f64::from));
        self.limit("timeout_s", timeout_s.map(f64::from), to.timeout_s.map(f64::from));
        self.limit("budget_usd", *budget_usd, to.budget_usd);
    }

    fn limit(&mut self, name: &str, from: Option<f64>, to: Option<f64>) {
        // No limit is above every limit.
        let is_raised = to.unwrap_or(f64::INFINITY) > from.unwrap_or(f64::INFINITY);
        let class = if is_raised { RiskClass::LimitsRaised } else { RiskClass::LimitsLowered };
        self.differing(class, format!("/config/limits/{name}"), &from, &to);
    }

    /// A list's items: those that are gone, those that are new, what `compare` finds in each that stays,
    /// and whether these are in another order. `is_same` tells which item of one list stays in the other.
    fn list<T: PartialEq>(
        &mut self,
        pointer: &str,
        [gone, new, reordered]: [RiskClass; 3],
        [from, to]: [&[T]; 2],
        is_same: fn(&T, &T) -> bool,
        compare: fn(&mut Self, &Place, &T, &T),
    ) {
        let mut origins: Vec<Option<usize>> = vec![None; to.len()];
        // Equal items find each other first: a guardrail may stand there twice, with two actions.
        for is_origin in [T::eq as fn(&T, &T) -> bool, is_same] {
            for (index, item) in to.iter().enumerate() {
                let is_free = |was: &usize| !origins.contains(&Some(*was));
                let found = (0..from.len()).find(|was| is_origin(&from[*was], item) && is_free(was));
                origins[index] = origins[index].or(found);
            }
        }
        for was in (0..from.len()).filter(|was| !origins.contains(&Some(*was))) {
            self.add(gone, format!("{pointer}/{was}"));
        }
        for (index, (item, origin)) in to.iter().zip(&origins).enumerate() {
            let is = format!("{pointer}/{index}");
            match *origin {
                None => self.add(new, is),
                Some(was) => compare(self, &Place { was: format!("{pointer}/{was}"), is }, &from[was], item),
            }
        }
        if !origins.iter().flatten().is_sorted() {
            self.add(reordered, pointer);
        }
    }

    /// A member of an item that stays.
    fn member<T: PartialEq>(
        &mut self,
        class: RiskClass,
        place: &Place,
        name: &str,
        [from, to]: [Option<&T>; 2],
    ) {
        let item = if to.is_none() { &place.was } else { &place.is };
        self.differing(class, format!("{item}/{name}"), &from, &to);
    }

    fn differing<T: PartialEq>(&mut self, class: RiskClass, pointer: impl Into<String>, from: &T, to: &T) {
        if from != to {
            self.add(class, pointer);
        }
    }

    fn add(&mut self, class: RiskClass, pointer: impl Into<String>) {
        self.0.push(Risk { class, pointer: pointer.into() });
    }
}

fn strength(action: GuardrailAction) -> u8 {
    match action {
        GuardrailAction::Warn => 0,
        GuardrailAction::Redact => 1,
        GuardrailAction::Block => 2,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use fastrand::Rng;
    use serde_json::{Value, json};

    use super::*;
    use crate::diff::differences;

    const DOCUMENT: &str = include_str!("../../../docs/risks.md");

    /// The document's sections: the class's name, the text, the examples.
    fn sections() -> Vec<(&'static str, &'static str, Vec<Value>)> {
        let example = |text: &str| serde_json::from_str(text.split("```").next().unwrap()).unwrap();
        let sections = DOCUMENT.split("\n### `").skip(1).map(|section| section.split_once("`\n").unwrap());
        sections
            .map(|(name, text)| (name, text, text.split("```json\n").skip(1).map(example).collect()))
            .collect()
    }

    fn base() -> Value {
        json!({"name": "A", "config": {"model": {"provider": "anthropic", "id": "claude-haiku-4-5"}}})
    }

    fn changed(mut document: Value, members: &Value) -> Value {
        json_patch::merge(&mut document, members);
        document
    }

    fn found(from: &Value, to: &Value) -> Vec<Risk> {
        risks(&Content::read(from.clone()).unwrap(), &Content::read(to.clone()).unwrap())
    }

    #[test]
    fn each_class_is_documented_by_its_rule_and_by_examples_that_hold() {
        assert_eq!(sections().iter().map(|section| section.0).collect::<Vec<_>>(), RiskClass::NAMES);
        for (class, (name, text, examples)) in RiskClass::ALL.into_iter().zip(sections()) {
            assert_eq!((json!(class), class.as_str()), (json!(name), name));
            let elevated = if class.is_elevated() { "yes" } else { "no" };
            assert!(DOCUMENT.contains(&format!("| [`{name}`](#{name}) | {elevated} |")), "{name}");
            assert!(text.contains(class.rule()) && !examples.is_empty(), "{name}");
            for example in examples {
                let risks = found(&changed(base(), &example["from"]), &changed(base(), &example["to"]));
                let classes: BTreeSet<_> = risks.iter().map(|risk| risk.class).collect();
                let stated = example.get("classes").cloned().unwrap_or_else(|| json!([name]));
                assert!(classes.contains(&class) && json!(classes) == stated, "{example}: {risks:?}");
            }
        }
    }

    #[test]
    fn a_risk_points_to_where_a_part_was_or_is() {
        let tools = |items| changed(base(), &json!({"config": {"tools": items}}));
        let from = tools(json!([{"tool_id": "a"}, {"tool_id": "b", "version": "1", "approval": "always"}]));
        let to = tools(json!([{"tool_id": "b", "approval": "never"}, {"tool_id": "c"}]));
        let expected = ["1", "0", "1/version", "0/approval"].map(|place| format!("/config/tools/{place}"));
        assert_eq!(found(&from, &to).into_iter().map(|risk| risk.pointer).collect::<Vec<_>>(), expected);
    }

    /// Drops some items of each list, and puts the others in any order.
    fn stir(rng: &mut Rng, value: &mut Value) {
        if let Some(items) = value.as_array_mut() {
            items.retain(|_| rng.u8(..4) > 0);
            rng.shuffle(items);
            for item in items {
                stir(rng, item);
            }
        } else if let Some(members) = value.as_object_mut() {
            for member in members.values_mut() {
                stir(rng, member);
            }
        }
    }

    /// `document` with what some of the `examples` have, every other time stirred.
    fn any(rng: &mut Rng, mut document: Value, examples: &[Value]) -> Value {
        for _ in 0..rng.usize(..6) {
            let side = if rng.bool() { "from" } else { "to" };
            json_patch::merge(&mut document, &rng.choice(examples).unwrap()[side]);
        }
        if rng.bool() {
            stir(rng, &mut document);
        }
        document
    }

    fn is_within(pointer: &str, parent: &str) -> bool {
        pointer.strip_prefix(parent).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    #[test]
    fn whatever_differs_is_a_risk_and_nothing_else_is() {
        let examples: Vec<_> = sections().into_iter().flat_map(|section| section.2).collect();
        let (mut rng, mut seen) = (Rng::with_seed(1), BTreeSet::new());
        for _ in 0..1_000 {
            let from = any(&mut rng, base(), &examples);
            let start = if rng.bool() { from.clone() } else { base() };
            let to = any(&mut rng, start, &examples);
            let [before, after] = [&from, &to].map(|side| json!(Content::read(side.clone()).unwrap()));
            let (risks, differing) = (found(&from, &to), differences(&before, &after));
            let case = format!("{before}\n{after}\n{risks:?}");
            assert!(risks.is_sorted_by(|a, b| (a.class, &a.pointer) < (b.class, &b.pointer)), "{case}");
            let meet = |a: &str, b: &str| is_within(a, b) || is_within(b, a);
            for place in &differing {
                assert!(risks.iter().any(|risk| meet(&risk.pointer, &place.pointer)), "{place:?}\n{case}");
            }
            for Risk { class, pointer } in &risks {
                assert!(before.pointer(pointer).or(after.pointer(pointer)).is_some(), "{pointer}\n{case}");
                assert!(differing.iter().any(|place| meet(pointer, &place.pointer)), "{pointer}\n{case}");
                seen.insert(*class);
            }
        }
        assert_eq!(seen.len(), RiskClass::ALL.len(), "{seen:?}");
    }
}
