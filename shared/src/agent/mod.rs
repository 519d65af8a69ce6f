//! Agents: the content that clients write, the head around it that only the service writes, and
//! the rules of both. It knows no store, HTTP or clock.

pub mod alias;
pub mod change;
pub mod config;
mod content;
pub mod live;
pub mod resolved;
pub mod risk;
pub mod store;
pub mod version;
mod view;

use std::collections::BTreeMap;

use jiff::Timestamp;

pub use content::{AgentDocument, Content, DuplicateDocument, NewAgent, TransferDocument};
pub(crate) use content::{
    CONTENT_MAX_BYTES, CONTENT_MAX_DEPTH, bad_key, broken, depth, read_bounded, tag_violations,
};
pub use view::{AgentView, FIELDS, Fields, SUMMARY_FIELDS, Summary};

pub use crate::creation::{Creation, Repetition, Request};
use crate::id::{AgentId, AgentKey, AliasName, TenantId, UserId};

use crate::template::TemplateLink;
use crate::tier::Retirement;

use self::alias::Alias;
use self::version::{Published, Versions};

/// The head of an agent: its draft and everything else that a change bumps `rev` for.
#[derive(Debug, Clone, PartialEq)]
pub struct Agent {
    pub id: AgentId,
    pub key: Option<AgentKey>,
    pub content: Content,
    pub status: Status,
    pub owner: UserId,
    /// Counts every change of the head, from 1.
    pub rev: u64,
    /// The version that was published last.
    pub published: Option<Published>,
    /// The versions that there are.
    pub versions: Versions,
    /// Those of them that `live` leads to or has led to.
    pub led: Versions,
    pub aliases: BTreeMap<AliasName, Alias>,
    /// The template that it was made from.
    pub template: Option<TemplateLink>,
    /// That its model retires, as far as it has been told.
    pub retiring: Option<Retirement>,
    pub created: Stamp,
    pub updated: Stamp,
}

/// When, and by whom.
#[derive(Debug, Clone, PartialEq)]
pub struct Stamp {
    pub at: Timestamp,
    pub by: UserId,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Status {
    Active,
    /// Out of use until what the reason names is mended.
    Suspended {
        reason: String,
    },
    Archived(Stamp),
}

impl Status {
    /// Whether the agent counts against its tenant's quota.
    pub fn is_counted(&self) -> bool {
        match self {
            Self::Active | Self::Suspended { .. } => true,
            Self::Archived(_) => false,
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended { .. } => "suspended",
            Self::Archived(_) => "archived",
        }
    }
}

/// What stands at an agent's head: the agent, or what is left of it. A tombstone keeps `rev`, so
/// that the numbers go on when the id is revived.
#[derive(Debug, Clone, PartialEq)]
pub enum Head {
    Live(Box<Agent>),
    Deleted(Tombstone),
}

/// What a deletion leaves.
#[derive(Debug, Clone, PartialEq)]
pub struct Tombstone {
    pub rev: u64,
    pub at: Timestamp,
    pub by: UserId,
    pub expires_at: Timestamp,
}

impl Head {
    /// The agent, if it is not deleted.
    pub fn agent(&self) -> Option<&Agent> {
        match self {
            Self::Live(agent) => Some(agent),
            Self::Deleted(_) => None,
        }
    }

    /// What is left of the agent, if it is deleted.
    pub fn tombstone(&self) -> Option<&Tombstone> {
        match self {
            Self::Live(_) => None,
            Self::Deleted(tombstone) => Some(tombstone),
        }
    }

    pub fn rev(&self) -> u64 {
        match self {
            Self::Live(agent) => agent.rev,
            Self::Deleted(tombstone) => tombstone.rev,
        }
    }
}

/// The id that a creation gets: the `key`'s own where there is one, else one that the
/// Idempotency-Key always leads to, else a random one.
pub fn id_for(
    tenant: &TenantId,
    caller: &UserId,
    key: Option<&AgentKey>,
    request: &Request<'_>,
    now: Timestamp,
) -> AgentId {
    match (key, request.idempotency_key) {
        (Some(key), _) => id_of_key(tenant, key),
        (None, Some(given)) => AgentId::derived(&[tenant.as_str(), caller.as_str(), request.route, given]),
        (None, None) => AgentId::generate(now),
    }
}

/// The id of the agent with this `key`: it follows from tenant and key alone, so that uniqueness
/// needs no item of its own.
pub fn id_of_key(tenant: &TenantId, key: &AgentKey) -> AgentId {
    AgentId::derived(&[tenant.as_str(), "key", key.as_str()])
}

impl Agent {
    /// A new agent at `rev` 1, owned by its creator.
    pub fn create(id: AgentId, new: NewAgent, creator: UserId, now: Timestamp) -> Self {
        let stamp = Stamp { at: now, by: creator.clone() };
        Self {
            id,
            key: new.key,
            content: new.content,
            status: Status::Active,
            owner: creator,
            rev: 1,
            published: None,
            versions: Versions::default(),
            led: Versions::default(),
            aliases: BTreeMap::new(),
            template: None,
            retiring: None,
            created: stamp.clone(),
            updated: stamp,
        }
    }
}
