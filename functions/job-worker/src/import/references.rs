//! Agents of a file that hand work to each other: what they are called in the file, and what they are called here.

use std::collections::{HashMap, HashSet};

use agent_management::agent::store::{Found, get_heads};
use agent_management::error::Result;
use agent_management::id::{AgentId, AgentKey};
use agent_management::import::{Format, Part};
use agent_management::job::import::{Record, TemplateRecord, agent_made_of};
use serde_json::Value;

use crate::{JobWorker, Of};

/// What agents of a file become, by their ids in it.
#[derive(Debug, Default)]
pub struct References {
    made: HashMap<String, AgentId>,
}

impl JobWorker {
    /// What a file's agents become that are not in this tenant under their own ids.
    pub(super) async fn references(
        &self,
        of: Of<'_>,
        format: Format,
        parts: &[Part<'_>],
    ) -> Result<References> {
        // Others name none.
        let is_needed = format == Format::AgentManagement && parts.iter().any(Part::names_agents);
        if !is_needed {
            return Ok(References::default());
        }
        let mut made = HashMap::new();
        for part in parts {
            let name = part.name();
            let key: Option<AgentKey> = name.key.as_deref().and_then(|key| key.parse().ok());
            if let Some(id) = name.id
                && let Some(becomes) = agent_made_of(of.tenant, format, key.as_ref(), Some(&id))
                && becomes.as_str() != id
            {
                made.insert(id.into_owned(), becomes);
            }
        }
        let own: Vec<AgentId> = made.keys().filter_map(|id| id.parse().ok()).collect();
        let heads = get_heads(&self.library.base.store, of.tenant, &own, true).await?;
        let live: HashSet<String> = heads
            .into_iter()
            .filter(|(_, head)| matches!(head, Found::Live(_)))
            .map(|(id, _)| id.to_string())
            .collect();
        // What is here is itself.
        made.retain(|id, _| !live.contains(id));
        Ok(References { made })
    }
}

impl References {
    /// Lets an agent, and its versions, hand work to what the file's agents become.
    pub fn rewrite(&self, record: &mut Record) {
        if self.made.is_empty() {
            return;
        }
        let versions = record.with.versions.iter_mut().map(|version| &mut version.document);
        for document in versions.chain([&mut record.document]) {
            self.rewrite_at(document, "/config/sub_agents");
        }
    }

    /// The same of a template's agents.
    pub fn rewrite_template(&self, record: &mut TemplateRecord) {
        let versions = record.versions.iter_mut().map(|version| &mut version.document);
        for document in versions.chain([&mut record.document]) {
            self.rewrite_at(document, "/agent/config/sub_agents");
        }
    }

    fn rewrite_at(&self, document: &mut Value, place: &str) {
        let listed = document.pointer_mut(place).and_then(Value::as_array_mut);
        for sub_agent in listed.into_iter().flatten() {
            if let Some(becomes) = sub_agent["id"].as_str().and_then(|id| self.made.get(id)) {
                sub_agent["id"] = becomes.to_string().into();
            }
        }
    }
}
