//! What keeps an agent, or an alias of one, from being removed: others that hand work to it.

use crate::error::{Error, Result};
use crate::id::{AgentId, TenantId};
use crate::search::Dependent;
use crate::search::store::dependents;
use crate::violation::Violation;

use super::Base;

/// The most dependents that a refusal names.
const NAMED_MAX: usize = 20;
/// Rows that are read at once.
const READ_MAX: usize = 100;

/// Passes where nobody depends on the agent, or on its alias if one is named. The index is a moment behind:
/// what began to depend on it just now is not seen.
///
/// # Errors
/// [`Error::Dependents`].
pub async fn refuse_dependents(
    base: &Base,
    tenant: &TenantId,
    id: &AgentId,
    alias: Option<&str>,
) -> Result<()> {
    let mut after: Option<String> = None;
    loop {
        // A page without any may still be followed by one: what no longer depends on it leaves a trace.
        let page = dependents(&base.store, tenant, id, alias, after.as_deref(), READ_MAX).await?;
        if !page.items.is_empty() {
            return Err(Error::Dependents(page.items.iter().take(NAMED_MAX).map(entry).collect()));
        }
        after = page.next_cursor;
        if after.is_none() {
            return Ok(());
        }
    }
}

fn entry(dependent: &Dependent) -> Violation {
    let detail = format!("{} hands work to it, by {}", dependent.id, dependent.aliases.join(", "));
    let mut violation = Violation::new("", "sub_agent", detail);
    violation.current = Some(dependent.id.clone().into());
    violation
}
