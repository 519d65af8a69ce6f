//! What clients write to start a job.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use validator::Validate;

use super::{ItemSelection, Spec, Taken, What};
use crate::agent::read_bounded;
use crate::error::{Error, Result};
use crate::export::Layout;
use crate::id::{AgentId, TemplateId};
use crate::patch::{Dialect, Patch};
use crate::search::{CountDocument, FilterDocument};
use crate::template::drift::UpgradeDocument;
use crate::template::merge::Side;
use crate::violation::Violation;

/// The most ids that a selector names: what a body has room for.
const IDS_MAX: u64 = 11_000;
/// The smallest wave, and the greatest.
const WAVE_MIN: u64 = 1;
const WAVE_MAX: u64 = 100_000;

/// There is no such outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoSuchOutcome;

/// What a client may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Startable {
    UpdateAgents,
    ArchiveAgents,
    DeleteAgents,
    UpgradeTemplate,
    ExportAgents,
    RebuildIndex,
}

/// Which agents a job is about: those that are named, or those that a search finds when the job is planned.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "JobSelector")]
pub struct Selector {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(min = 1, max = "IDS_MAX"))]
    pub ids: Option<Vec<AgentId>>,
    /// As of a search. An empty one finds every agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<FilterDocument>,
}

/// A job that is asked for. Each kind has members of its own; others are refused.
#[derive(Debug, Clone, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JobDocument {
    kind: Startable,
    /// Every kind but `rebuild_index` has one. `upgrade_template` may leave it out for every agent of the template,
    /// and `export_agents` for every agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    selector: Option<Selector>,
    /// Of `update_agents`: an object is a JSON Merge Patch (RFC 7396), an array a JSON Patch (RFC 6902).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    patch: Option<Value>,
    /// Of `delete_agents`: whether agents go that others hand work to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    force: Option<bool>,
    /// Of `upgrade_template`, like the members that follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    template_id: Option<TemplateId>,
    /// The version to upgrade to; absent means the last one when each agent's turn comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    /// Whose value every conflict takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    take: Option<Side>,
    /// Values that differ from those that the agents were made with.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    variables: Map<String, Value>,
    /// Of `export_agents`, like the members that follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    format: Option<Layout>,
    /// Whether the agents' versions are in the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    versions: Option<bool>,
    /// Whether the tenant's own templates are in the file, with their versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    templates: Option<bool>,
    /// Find out what would become of each item, and change nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dry_run: Option<bool>,
    /// More failures than this end the job; what is under way still comes to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_failures: Option<u64>,
    /// At most so many items are begun before all of them have ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(range(min = "WAVE_MIN", max = "WAVE_MAX"))]
    wave_size: Option<u64>,
}

/// What a reversal says.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RevertDocument {
    /// Find out what would be taken back, and change nothing.
    #[serde(default)]
    pub dry_run: bool,
}

impl JobDocument {
    /// Reads what is asked for.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn read(document: Value) -> Result<Spec> {
        let said: Self = read_bounded(document)?;
        let mut found = said.misplaced();
        let selection = said.selection(&mut found)?;
        let what = said.what(&mut found)?;
        match (what, selection) {
            (Some(what), Some(items)) if found.is_empty() => Ok(Spec {
                what,
                items,
                dry_run: said.dry_run.unwrap_or_default(),
                max_failures: said.max_failures,
                wave_size: said.wave_size,
            }),
            _ => Err(Error::Invalid(found)),
        }
    }

    /// Members that do not go with the kind.
    fn misplaced(&self) -> Vec<Violation> {
        use Startable as S;
        let of_upgrade: &[Startable] = &[S::UpgradeTemplate];
        let of_export: &[Startable] = &[S::ExportAgents];
        let changing: &[Startable] =
            &[S::UpdateAgents, S::ArchiveAgents, S::DeleteAgents, S::UpgradeTemplate];
        let selecting: &[Startable] =
            &[S::UpdateAgents, S::ArchiveAgents, S::DeleteAgents, S::UpgradeTemplate, S::ExportAgents];
        let members = [
            ("selector", self.selector.is_some(), selecting),
            ("patch", self.patch.is_some(), &[S::UpdateAgents][..]),
            ("force", self.force.is_some(), &[S::DeleteAgents][..]),
            ("template_id", self.template_id.is_some(), of_upgrade),
            ("version", self.version.is_some(), of_upgrade),
            ("take", self.take.is_some(), of_upgrade),
            ("variables", !self.variables.is_empty(), of_upgrade),
            ("format", self.format.is_some(), of_export),
            ("versions", self.versions.is_some(), of_export),
            ("templates", self.templates.is_some(), of_export),
            ("dry_run", self.dry_run.is_some(), changing),
            ("max_failures", self.max_failures.is_some(), changing),
            ("wave_size", self.wave_size.is_some(), changing),
        ];
        let misplaced =
            members.iter().filter(|(_, is_there, kinds)| *is_there && !kinds.contains(&self.kind));
        misplaced
            .map(|(name, _, _)| {
                let detail = "does not go with this kind of job";
                Violation::new(format!("/{name}"), "not_for_kind", detail)
            })
            .collect()
    }

    fn selection(&self, found: &mut Vec<Violation>) -> Result<Option<ItemSelection>> {
        let missing = |found: &mut Vec<Violation>| {
            let detail = "must name agents: either ids or a filter";
            found.push(Violation::new("/selector", "required", detail));
        };
        match (&self.selector, self.kind) {
            (None, Startable::RebuildIndex | Startable::ExportAgents) => Ok(Some(ItemSelection::All)),
            (None, Startable::UpgradeTemplate) => {
                let template = self.template_id.as_ref().map(|id| json!({"template": id}));
                let filter = template.and_then(|filter| serde_json::from_value(filter).ok());
                Ok(filter.map(|filter| ItemSelection::Filter(Box::new(filter))))
            }
            (Some(Selector { ids: Some(ids), filter: None }), _) => {
                let mut seen = std::collections::HashSet::new();
                let once = ids.iter().filter(|id| seen.insert((*id).clone())).cloned().collect();
                Ok(Some(ItemSelection::Ids(once)))
            }
            (Some(Selector { ids: None, filter: Some(filter) }), _) => {
                if *filter == FilterDocument::default() {
                    return Ok(Some(ItemSelection::All));
                }
                match CountDocument::read(json!({"filter": filter})) {
                    Ok(_) => Ok(Some(ItemSelection::Filter(Box::new(filter.clone())))),
                    Err(Error::Invalid(violations)) => {
                        found.extend(violations.into_iter().map(|one| one.within("/selector")));
                        Ok(None)
                    }
                    Err(error) => Err(error),
                }
            }
            (None | Some(_), _) => {
                missing(found);
                Ok(None)
            }
        }
    }

    fn what(&self, found: &mut Vec<Violation>) -> Result<Option<What>> {
        let required =
            |name: &str| Violation::new(format!("/{name}"), "required", "this kind of job needs it");
        Ok(Some(match self.kind {
            Startable::UpdateAgents => {
                let Some(patch) = &self.patch else {
                    found.push(required("patch"));
                    return Ok(None);
                };
                match read_patch(patch) {
                    Ok(_) => What::Update { patch: patch.clone() },
                    Err(Error::Invalid(violations)) => {
                        found.extend(violations.into_iter().map(|one| one.within("/patch")));
                        return Ok(None);
                    }
                    Err(error) => return Err(error),
                }
            }
            Startable::ArchiveAgents => What::Archive,
            Startable::DeleteAgents => What::Delete { force: self.force.unwrap_or_default() },
            Startable::UpgradeTemplate => {
                let Some(template) = &self.template_id else {
                    found.push(required("template_id"));
                    return Ok(None);
                };
                let (version, take) = (self.version, self.take);
                What::Upgrade { template: template.clone(), version, take, variables: self.variables.clone() }
            }
            Startable::ExportAgents => What::Export {
                format: self.format.unwrap_or_default(),
                taken: Taken {
                    versions: self.versions.unwrap_or_default(),
                    templates: self.templates.unwrap_or_default(),
                },
            },
            Startable::RebuildIndex => What::RebuildIndex,
        }))
    }
}

/// The patch of a bulk change: an object is a merge patch, an array a JSON Patch.
///
/// # Errors
/// [`Error::Invalid`].
pub fn read_patch(patch: &Value) -> Result<Patch> {
    match patch {
        Value::Object(_) => Patch::read(Dialect::Merge, patch.clone()),
        Value::Array(_) => Patch::read(Dialect::Operations, patch.clone()),
        _ => Err(Error::Invalid(vec![Violation::new("", "wrong_type", "must be an object or an array")])),
    }
}

/// What an upgrade says of one agent.
pub fn upgrade_of(
    agent: &AgentId,
    version: Option<u64>,
    take: Option<Side>,
    variables: &Map<String, Value>,
) -> UpgradeDocument {
    let variables = variables.clone();
    UpgradeDocument { agent_id: agent.clone(), version, variables, take, resolutions: BTreeMap::new() }
}
