//! The one use case behind everything that lets an alias lead elsewhere: find out what its versions hold,
//! judge the change by the alias's policy, write it, and bring the live copy up to it.

use std::collections::{BTreeMap, BTreeSet};

use crate::agent::alias::{Alias, Verdict, Wanted, heaviest, refuse_oversized};
use crate::agent::live::{self, Live};
use crate::agent::risk::{Risk, risks};
use crate::agent::store::{self, Assumed, Operation, Written};
use crate::agent::{Agent, Content, version};
use crate::approval::{self, Approval, Asked, State};
use crate::error::{Error, Result};
use crate::http::caller::Caller;
use crate::http::precondition::Precondition;
use crate::id::{AgentId, AliasName, TenantId};
use crate::violation::Violation;
use jiff::Timestamp;

use super::Base;
use super::change::{ATTEMPTS_MAX, back_off};

/// The most risks that a refusal names and an approval keeps.
const RISKS_MAX: usize = 100;
/// How many of the newest approvals are looked through for an equal one.
pub const APPROVALS_MAX: u32 = 100;

/// What became of a change of an alias.
#[derive(Debug)]
pub enum Repointed {
    /// It was so already.
    Unchanged(Box<Agent>),
    Changed(Box<Agent>),
    /// There was no such alias before.
    Created(Box<Agent>),
    /// Another user has to accept it.
    Asked(Box<Approval>),
}

/// A change of an alias that its policy has judged.
#[derive(Debug)]
pub struct Judged {
    pub alias: Alias,
    /// What the alias's versions hold, as far as it was needed.
    pub contents: BTreeMap<u64, Content>,
    /// What has to be asked first, if anything has.
    pub asked: Option<Asked>,
}

/// Makes an alias what `decide` says.
pub async fn repoint(
    base: &Base,
    caller: &Caller,
    id: &AgentId,
    precondition: &Precondition,
    now: Timestamp,
    decide: impl Fn(&Agent) -> Result<Wanted>,
) -> Result<Repointed> {
    let operation = Operation::begin();
    for attempt in 0..ATTEMPTS_MAX {
        let stored = store::get(&base.store, &caller.tenant, id).await?;
        precondition.check(stored.agent.rev)?;
        let wanted = decide(&stored.agent)?;
        if wanted.is_there(&stored.agent) {
            return Ok(Repointed::Unchanged(Box::new(stored.agent)));
        }
        let name = wanted.name.clone();
        let judged = judge(base, &caller.tenant, &stored.agent, wanted, BTreeMap::new()).await?;
        if let Some(asked) = judged.asked {
            return ask(base, caller, asked, now).await.map(|approval| Repointed::Asked(Box::new(approval)));
        }
        let after = stored.agent.with_alias(name.clone(), judged.alias, &caller.user, now);
        let assumed = Assumed { entitlements: &caller.entitlements, max: None };
        match store::update(&base.store, &caller.tenant, &stored, &after, operation, assumed).await? {
            Written::Done => {
                project(base, &caller.tenant, &stored.agent, &after, &judged.contents).await;
                return Ok(done(&stored.agent, &name, Box::new(after)));
            }
            Written::Landed(now) => {
                project(base, &caller.tenant, &stored.agent, &after, &judged.contents).await;
                return Ok(done(&stored.agent, &name, now));
            }
            Written::Stale if precondition.is_open() => back_off(attempt).await,
            Written::Stale | Written::Refused(_) => return Err(Error::PreconditionFailed),
        }
    }
    Err(Error::Unavailable("the agent keeps changing".into()))
}

fn done(before: &Agent, name: &AliasName, after: Box<Agent>) -> Repointed {
    if before.aliases.contains_key(name) { Repointed::Changed(after) } else { Repointed::Created(after) }
}

/// Judges what is wanted of an alias by the policy that is in force for it. `known` is what of its versions
/// is at hand.
///
/// # Errors
/// [`Error::PolicyRefused`].
pub async fn judge(
    base: &Base,
    tenant: &TenantId,
    agent: &Agent,
    wanted: Wanted,
    known: BTreeMap<u64, Content>,
) -> Result<Judged> {
    let current = agent.aliases.get(&wanted.name);
    let policy = current.map(|alias| alias.policy.clone()).unwrap_or_default();
    let had: BTreeSet<u64> = current.iter().flat_map(|alias| &alias.routes).map(|one| one.version).collect();
    let baseline = current.and_then(|alias| heaviest(&alias.routes)).map(|route| route.version);
    let mut new: BTreeSet<u64> = wanted.versions().filter(|version| !had.contains(version)).collect();
    // Their sub-agents are those of the alias; where it leads to the same versions they are known.
    let is_same = new.is_empty() && had.len() == wanted.routes.len();
    // What few conversations were admitted to is not yet what most may get.
    new.extend(heaviest(&wanted.routes).map(|route| route.version).filter(|one| Some(*one) != baseline));
    let mut needed: BTreeSet<u64> = if is_same { BTreeSet::new() } else { wanted.versions().collect() };
    if !policy.is_empty() && !new.is_empty() {
        needed.extend(baseline);
    }
    if wanted.name.is_live() {
        needed.extend(heaviest(&wanted.routes).map(|route| route.version));
    }
    needed.retain(|version| !known.contains_key(version));
    let mut contents =
        version::store::contents(&base.store, tenant, &agent.id, needed.iter().copied()).await?;
    if needed.iter().any(|version| !contents.contains_key(version)) {
        return Err(Error::Unavailable("a version went away while it was read".into()));
    }
    contents.extend(known);
    let after_policy = wanted.policy.clone();
    let name = wanted.name.clone();
    let mut alias = wanted.into_alias(&contents);
    if let Some(current) = current.filter(|_| is_same) {
        alias.uses.clone_from(&current.uses);
    }
    let found = baseline.and_then(|baseline| contents.get(&baseline)).map(|from| {
        let each = new.iter().filter_map(|version| contents.get(version)).flat_map(|to| risks(from, to));
        let mut found: Vec<Risk> = each.collect();
        found.sort_by(|one, other| (one.class, &one.pointer).cmp(&(other.class, &other.pointer)));
        found.dedup();
        found
    });
    let verdict = policy.judge(&found.unwrap_or_default(), &after_policy);
    let mut aliases = agent.aliases.clone();
    aliases.insert(name.clone(), alias.clone());
    refuse_oversized(&aliases)?;
    let asked = match (verdict, current) {
        (Verdict::Admitted, _) | (Verdict::NeedsApproval(_), None) => None,
        (Verdict::Refused(risks), _) => return Err(refused(&name, &risks)),
        (Verdict::NeedsApproval(mut risks), Some(before)) => Some({
            risks.truncate(RISKS_MAX);
            Asked {
                agent: agent.id.clone(),
                alias: name,
                before: before.clone(),
                after: alias.clone(),
                risks,
            }
        }),
    };
    Ok(Judged { alias, contents, asked })
}

fn refused(alias: &AliasName, risks: &[Risk]) -> Error {
    let violation = |risk: &Risk| {
        let detail = format!("the policy of {alias} refuses: {}", risk.class.rule());
        Violation::new(risk.pointer.clone(), risk.class.as_str(), detail)
    };
    Error::PolicyRefused(risks.iter().take(RISKS_MAX).map(violation).collect())
}

/// Asks another user, unless the caller has asked for the same and nobody has decided.
pub async fn ask(base: &Base, caller: &Caller, asked: Asked, now: Timestamp) -> Result<Approval> {
    let page = approval::store::list(&base.store, &caller.tenant, None, APPROVALS_MAX, now).await?;
    let is_it = |known: &Approval| known.asks(&asked, &caller.user) && known.state(now) == State::Pending;
    if let Some(known) = page.items.into_iter().find(is_it) {
        return Ok(known);
    }
    let approval = Approval::ask(asked, &caller.user, now);
    approval::store::insert(&base.store, &caller.tenant, &approval).await?;
    Ok(approval)
}

/// Brings the live copy up to a change of the head, if it is one of the live copy, too. The change is done
/// whether or not this succeeds: `stream-fanout` repairs the copy.
pub async fn project(
    base: &Base,
    tenant: &TenantId,
    before: &Agent,
    after: &Agent,
    contents: &BTreeMap<u64, Content>,
) {
    if !live::differs(before, after) {
        return;
    }
    if let Err(error) = copy(base, tenant, after, contents).await {
        tracing::warn!(%error, "the live copy waits for its repair");
    }
}

async fn copy(
    base: &Base,
    tenant: &TenantId,
    after: &Agent,
    contents: &BTreeMap<u64, Content>,
) -> Result<()> {
    let live = match Live::of(after, contents) {
        Some(live) => Some(live),
        None => {
            let needed = live::needs(after);
            Live::of(after, &version::store::contents(&base.store, tenant, &after.id, needed).await?)
        }
    };
    match live {
        Some(live) => live::store::put(&base.store, tenant, &after.id, &live).await,
        None => Ok(()),
    }
}
