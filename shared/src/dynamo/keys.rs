//! Every key of the table. A tenant's keys all begin with `T#{tenant}`; tenant names can't hold a
//! `#`, so no tenant's keys begin with another's.

use jiff::Timestamp;

use super::{Item, text};
use crate::clock::rfc3339;
use crate::id::{AgentId, ApprovalId, JobId, TemplateId, TenantId};
use crate::search::{Kind, PREFIX_MIN, Term};

pub const PK: &str = "PK";
pub const SK: &str = "SK";
/// Lists by time of creation, and cards by the last change.
pub const GSI1: &str = "GSI1";
pub const GSI1_PK: &str = "GSI1PK";
pub const GSI1_SK: &str = "GSI1SK";
/// What schedules walk, and cards by name.
pub const GSI2: &str = "GSI2";
pub const GSI2_PK: &str = "GSI2PK";
pub const GSI2_SK: &str = "GSI2SK";
/// Seconds since the epoch after which DynamoDB may remove an item.
pub const TTL: &str = "ttl";

/// A primary key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pub pk: String,
    pub sk: String,
}

impl Key {
    pub(crate) fn to_item(&self) -> Item {
        Item::from([(PK.to_owned(), text(&self.pk)), (SK.to_owned(), text(&self.sk))])
    }
}

/// The tenant's record: quota and entitlements.
pub fn tenant(tenant: &TenantId) -> Key {
    Key { pk: format!("T#{tenant}"), sk: "#Q".to_owned() }
}

/// The tenant in the partition of [`tenant`].
pub fn split_tenant(partition: &str) -> Option<TenantId> {
    partition.strip_prefix("T#")?.parse().ok()
}

/// The tenant's place in the index of all tenants.
pub fn tenant_in_index(tenant: &TenantId) -> Key {
    let shard = crate::id::digest(&[tenant.as_str()])[0] % crate::tenant::SHARDS;
    Key { pk: tenant_shard(shard), sk: tenant.to_string() }
}

pub fn agent_head(tenant: &TenantId, id: &AgentId) -> Key {
    Key { pk: format!("T#{tenant}#A#{id}"), sk: "#H".to_owned() }
}

/// The tenant and the id in a partition of [`agent_head`].
pub fn split_agent_partition(partition: &str) -> Option<(TenantId, AgentId)> {
    let (tenant, id) = partition.strip_prefix("T#")?.split_once("#A#")?;
    Some((tenant.parse().ok()?, id.parse().ok()?))
}

/// What an agent's `live` alias leads to.
pub fn agent_live(tenant: &TenantId, id: &AgentId) -> Key {
    Key { sk: "#P".to_owned(), ..agent_head(tenant, id) }
}

/// A snapshot of an agent's draft.
pub fn agent_version(tenant: &TenantId, id: &AgentId, number: u64) -> Key {
    Key { sk: version_sort_key(number), ..agent_head(tenant, id) }
}

/// What the sort keys of versions begin with.
pub const VERSION_PREFIX: &str = "V#";

/// Sorts as the number does.
pub fn version_sort_key(number: u64) -> String {
    format!("{VERSION_PREFIX}{number:012}")
}

/// The number in a key of [`version_sort_key`].
pub fn split_version(sort_key: &str) -> Option<u64> {
    sort_key.strip_prefix(VERSION_PREFIX)?.parse().ok()
}

/// What an agent's change at `rev` was.
pub fn agent_audit(tenant: &TenantId, id: &AgentId, rev: u64) -> Key {
    Key { sk: audit_sort_key(rev), ..agent_head(tenant, id) }
}

/// What the sort keys of [`agent_audit`] begin with.
pub const AUDIT_PREFIX: &str = "R#";

/// Sorts as `rev` does.
pub fn audit_sort_key(rev: u64) -> String {
    format!("{AUDIT_PREFIX}{rev:012}")
}

/// The `rev` in a key of [`audit_sort_key`].
pub fn split_audit(sort_key: &str) -> Option<u64> {
    sort_key.strip_prefix(AUDIT_PREFIX)?.parse().ok()
}

/// The segment of a tenant's event log that begins with `first`.
pub fn event_segment(tenant: &TenantId, first: u64) -> Key {
    Key { pk: format!("T#{tenant}#E"), sk: format!("{first:015}") }
}

/// A tenant's socket.
pub fn connection(tenant: &TenantId, connection: &str) -> Key {
    Key { pk: format!("T#{tenant}#C"), sk: connection.to_owned() }
}

/// Where a tenant wants its events sent.
pub fn endpoint(tenant: &TenantId, endpoint: &str) -> Key {
    Key { pk: format!("T#{tenant}#W"), sk: endpoint.to_owned() }
}

/// A ticket to open a socket with, by the digest of its secret.
pub fn ticket(tenant: &TenantId, digest: &str) -> Key {
    Key { pk: format!("T#{tenant}#I#{digest}"), sk: "I".to_owned() }
}

/// A tenant's approvals, by time.
pub fn approvals(tenant: &TenantId) -> String {
    format!("T#{tenant}#P")
}

/// The tenant in a partition of [`approvals`].
pub fn split_approvals(partition: &str) -> Option<TenantId> {
    partition.strip_prefix("T#")?.strip_suffix("#P")?.parse().ok()
}

pub fn approval(tenant: &TenantId, id: &ApprovalId) -> Key {
    Key { pk: approvals(tenant), sk: id.to_string() }
}

/// The head of a tenant's template.
pub fn template_head(tenant: &TenantId, id: &TemplateId) -> Key {
    Key { pk: format!("T#{tenant}#M#{id}"), sk: "#H".to_owned() }
}

/// The tenant and the id in a partition of [`template_head`].
pub fn split_template_partition(partition: &str) -> Option<(TenantId, TemplateId)> {
    let (tenant, id) = partition.strip_prefix("T#")?.split_once("#M#")?;
    Some((tenant.parse().ok()?, id.parse().ok()?))
}

/// A snapshot of a template's draft.
pub fn template_version(tenant: &TenantId, id: &TemplateId, number: u64) -> Key {
    Key { sk: version_sort_key(number), ..template_head(tenant, id) }
}

/// The partition of GSI1 that lists a tenant's templates.
pub fn templates_by_creation(tenant: &TenantId) -> String {
    format!("T#{tenant}#ML")
}

/// A template's place in its tenant's list.
pub fn template_by_creation(created: Timestamp, id: &TemplateId) -> String {
    format!("{}#{id}", rfc3339(created))
}

/// The creation instant and the id in a key of [`template_by_creation`].
pub fn split_template_by_creation(sort_key: &str) -> Option<(&str, TemplateId)> {
    let (created, id) = sort_key.split_once('#')?;
    Some((created, id.parse().ok()?))
}

/// The partition of GSI2 that has a shard of the tenants.
pub fn tenant_shard(shard: u8) -> String {
    format!("TEN#{shard}")
}

/// What the index keeps of an agent.
pub fn agent_card(tenant: &TenantId, id: &AgentId) -> Key {
    Key { sk: "#X".to_owned(), ..agent_head(tenant, id) }
}

/// The partition of GSI1 that has a tenant's cards by the last change.
pub fn cards_by_change(tenant: &TenantId) -> String {
    format!("T#{tenant}#U")
}

/// The partition of GSI2 that has a tenant's cards by name.
pub fn cards_by_name(tenant: &TenantId) -> String {
    format!("T#{tenant}#N")
}

/// A row of the index. Words stand in one partition for each beginning, so that prefixes are found; all
/// other terms have one each.
pub fn index_row(tenant: &TenantId, term: &Term, place: &str) -> Key {
    match term.kind {
        Kind::Word => {
            let words = index_words(tenant, &term.value);
            Key { sk: format!("{}#{place}", term.value), ..words }
        }
        _ => Key { pk: format!("T#{tenant}#X#{term}"), sk: place.to_owned() },
    }
}

/// Where the words are that begin so.
pub fn index_words(tenant: &TenantId, prefix: &str) -> Key {
    let beginning: String = prefix.chars().take(PREFIX_MIN).collect();
    Key { pk: format!("T#{tenant}#X#{}#{beginning}", Kind::Word.as_str()), sk: prefix.to_owned() }
}

/// The partition of GSI1 that lists a tenant's agents.
pub fn agents_by_creation(tenant: &TenantId) -> String {
    format!("T#{tenant}#L")
}

/// An agent's place in its tenant's list.
pub fn agent_by_creation(created: Timestamp, id: &AgentId) -> String {
    format!("{}#{id}", rfc3339(created))
}

/// The creation instant and the id in a key of [`agent_by_creation`].
pub fn split_agent_by_creation(sort_key: &str) -> Option<(&str, AgentId)> {
    let (created, id) = sort_key.split_once('#')?;
    Some((created, id.parse().ok()?))
}

/// The head of a job.
pub fn job_head(tenant: &TenantId, id: &JobId) -> Key {
    Key { pk: format!("T#{tenant}#J#{id}"), sk: "#J".to_owned() }
}

/// The tenant and the id in a partition of [`job_head`].
pub fn split_job_partition(partition: &str) -> Option<(TenantId, JobId)> {
    let (tenant, id) = partition.strip_prefix("T#")?.split_once("#J#")?;
    Some((tenant.parse().ok()?, id.parse().ok()?))
}

/// What a job is to do.
pub fn job_spec(tenant: &TenantId, id: &JobId) -> Key {
    Key { sk: "#S".to_owned(), ..job_head(tenant, id) }
}

/// A chunk of a job, of the plan with this name.
pub fn job_chunk(tenant: &TenantId, id: &JobId, plan: &str, chunk: u32) -> Key {
    Key { sk: job_chunk_sort_key(plan, chunk), ..job_head(tenant, id) }
}

/// Sorts as the chunks of a plan do.
pub fn job_chunk_sort_key(plan: &str, chunk: u32) -> String {
    format!("C#{plan}#{chunk:06}")
}

/// A part of what was decided about a chunk. The first one is 0.
pub fn job_decisions(tenant: &TenantId, id: &JobId, plan: &str, chunk: u32, part: &str) -> Key {
    Key { sk: format!("D#{plan}#{chunk:06}#{part}"), ..job_head(tenant, id) }
}

/// The partition of GSI1 that lists a tenant's jobs.
pub fn jobs_by_creation(tenant: &TenantId) -> String {
    format!("T#{tenant}#JL")
}

/// A job's place in its tenant's list.
pub fn job_by_creation(created: Timestamp, id: &JobId) -> String {
    format!("{}#{id}", rfc3339(created))
}

/// The creation instant and the id in a key of [`job_by_creation`].
pub fn split_job_by_creation(sort_key: &str) -> Option<(&str, JobId)> {
    let (created, id) = sort_key.split_once('#')?;
    Some((created, id.parse().ok()?))
}

/// A key that no item has: reading it shows that the table answers.
pub fn ping() -> Key {
    Key { pk: "T#_#ping".to_owned(), sk: "#".to_owned() }
}
