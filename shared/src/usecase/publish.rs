//! The use case of publishing: the draft becomes a version, and `live` leads to it. The snapshot is written
//! first and the head last, which is the commit: until then there is no such version, and whoever ends in
//! between leaves nothing that anyone sees.

use std::collections::BTreeMap;

use crate::agent::alias::Wanted;
use crate::agent::change::{Minted, refuse_unpublishable};
use crate::agent::store::{self, Assumed, Operation, Stored, Together, Written};
use crate::agent::version::store::Taken;
use crate::agent::version::{self, Release, Version};
use crate::agent::{Agent, Creation, Repetition, Stamp};
use crate::approval::{self, Approval};
use crate::error::{Error, Result};
use crate::http::caller::Caller;
use crate::http::precondition::Precondition;
use crate::id::{AgentId, AliasName};
use crate::tier::LimitName;
use jiff::Timestamp;

use super::Base;
use super::change::{ATTEMPTS_MAX, back_off};
use super::insert::{Inserted, judge as judge_by_tier};
use super::repoint::{APPROVALS_MAX, Judged, ask, judge, project};

/// How many operations a head remembers, and so how many versions back a repetition is looked for.
const REMEMBERED_MAX: usize = 8;

/// A request to publish.
#[derive(Debug)]
pub struct Request {
    pub release: Release,
    pub creation: Creation,
    /// Whether it came under an Idempotency-Key, so that another may be the same.
    pub is_keyed: bool,
    pub now: Timestamp,
}

/// What a publication did.
#[derive(Debug)]
pub struct Published {
    pub agent: Agent,
    pub version: Version,
    pub minted: bool,
    pub approval: Option<Approval>,
    /// The same request came before.
    pub is_replay: bool,
}

/// What one attempt led to.
enum Attempt {
    Done(Box<Published>),
    /// The head has moved on; the snapshot that was taken of it, if one was.
    Stale(Option<u64>),
}

pub async fn publish(
    base: &Base,
    caller: &Caller,
    id: &AgentId,
    precondition: &Precondition,
    request: &Request,
) -> Result<Published> {
    let operation = Operation::of(request.creation);
    let mut orphan = None;
    for attempt in 0..ATTEMPTS_MAX {
        let read = store::get_with_tenant(&base.store, &caller.tenant, id).await;
        // A head that is gone, or has moved on without the snapshot, will never commit it.
        let is_version = |number| read.as_ref().is_ok_and(|(there, _)| there.agent.versions.contains(number));
        if let Some(number) = orphan.take().filter(|number| !is_version(*number)) {
            if !matches!(read, Ok(_) | Err(Error::NotFound(_))) {
                return Err(Error::Unavailable("the agent can't be read".into()));
            }
            version::store::delete(&base.store, &caller.tenant, id, &[number]).await?;
        }
        let (stored, record) = read?;
        if stored.remembers(operation) {
            return replayed(base, caller, stored.agent, request).await;
        }
        precondition.check(stored.agent.rev)?;
        refuse_unpublishable(&stored.agent)?;
        let entitlements = base.entitlements(&record.unwrap_or_default());
        let violations = judge_by_tier(base, &entitlements, &stored.agent);
        if !violations.is_empty() {
            return Err(Error::Entitlement(violations));
        }
        let kept_max = base.tiers.limits(&entitlements).get(LimitName::VersionsKept);
        match try_once(base, caller, &stored, kept_max, operation, request).await? {
            Attempt::Done(published) => return Ok(*published),
            // A rev that was asked for is refused above, once the snapshot is gone.
            Attempt::Stale(number) => {
                orphan = number;
                back_off(attempt).await;
            }
        }
    }
    Err(Error::Unavailable("the agent keeps changing".into()))
}

/// A creation with its first version. One that was cut short in between goes on when it is repeated.
pub async fn first(
    base: &Base,
    caller: &Caller,
    inserted: Inserted,
    creation: Creation,
    now: Timestamp,
) -> Result<Inserted> {
    let publish = async |agent: Box<Agent>| -> Result<Box<Agent>> {
        if agent.published.is_some() {
            return Ok(agent);
        }
        let request = Request { release: Release::default(), creation, is_keyed: false, now };
        let publication = publish(base, caller, &agent.id, &Precondition::None, &request);
        Ok(Box::new(Box::pin(publication).await?.agent))
    };
    Ok(match inserted {
        Inserted::Created(agent) => Inserted::Created(publish(agent).await?),
        // What someone has changed since is theirs to publish.
        Inserted::Replayed(agent) if agent.updated == agent.created => {
            Inserted::Replayed(publish(agent).await?)
        }
        Inserted::Replayed(agent) => Inserted::Replayed(agent),
        Inserted::Taken => Inserted::Taken,
    })
}

async fn try_once(
    base: &Base,
    caller: &Caller,
    stored: &Stored,
    kept_max: Option<u64>,
    operation: Operation,
    request: &Request,
) -> Result<Attempt> {
    let (agent, tenant, now) = (&stored.agent, &caller.tenant, request.now);
    let known = agent.published_as();
    let number = known.unwrap_or(agent.rev);
    let wanted = Wanted::only(agent, AliasName::live(), number);
    if known.is_some() && wanted.is_there(agent) {
        let version = version::store::get(&base.store, tenant, &agent.id, number).await?;
        return Ok(done(agent.clone(), version, false, None));
    }
    let contents = match known {
        Some(_) => BTreeMap::new(),
        None => BTreeMap::from([(number, agent.content.clone())]),
    };
    let Judged { alias, contents, asked } = judge(base, tenant, agent, wanted, contents).await?;
    let live = asked.is_none().then_some(alias);
    let minted = known.is_none().then_some(Minted { number, kept_max });
    let version = match minted {
        Some(_) => snapshot(agent, request, caller, asked.is_some()),
        None => version::store::get(&base.store, tenant, &agent.id, number).await?,
    };
    let mut now_there = agent.clone();
    if minted.is_some() || live.is_some() {
        let after = agent.with_publication(minted, live, &caller.user, now);
        let new = minted.map(|_| &version);
        match commit(base, caller, stored, &after, operation, new).await? {
            Written::Done => {
                project(base, tenant, agent, &after, &contents).await;
                now_there = after;
            }
            // Of two requests under one key only one's version is there.
            Written::Landed(landed) if request.is_keyed => {
                return replayed(base, caller, *landed, request)
                    .await
                    .map(|published| Attempt::Done(Box::new(published)));
            }
            Written::Landed(landed) => {
                project(base, tenant, agent, &after, &contents).await;
                now_there = *landed;
            }
            Written::Stale | Written::Refused(_) => return Ok(Attempt::Stale(minted.map(|_| number))),
        }
    }
    let approval = match asked {
        Some(asked) => Some(ask(base, caller, asked, now).await?),
        None => None,
    };
    Ok(done(now_there, version, minted.is_some(), approval))
}

fn done(agent: Agent, version: Version, minted: bool, approval: Option<Approval>) -> Attempt {
    Attempt::Done(Box::new(Published { agent, version, minted, approval, is_replay: false }))
}

fn snapshot(agent: &Agent, request: &Request, caller: &Caller, is_asked: bool) -> Version {
    Version {
        agent: agent.id.clone(),
        number: agent.rev,
        content: agent.content.clone(),
        release: request.release.clone(),
        published: Stamp { at: request.now, by: caller.user.clone() },
        previous: agent.published_version(),
        creation: request.creation,
        is_asked,
    }
}

/// Writes the snapshot, if there is a new one, and then the head.
async fn commit(
    base: &Base,
    caller: &Caller,
    stored: &Stored,
    after: &Agent,
    operation: Operation,
    new: Option<&Version>,
) -> Result<Written> {
    let (store, tenant) = (&base.store, &caller.tenant);
    if let Some(version) = new
        && version::store::insert(store, tenant, version).await? == Taken::ByAnother
    {
        // Someone has taken the same draft and not committed it, or we are late. Only who moves the head on
        // may replace the snapshot.
        let replace = version::store::replace(store, tenant, version)?;
        return match store::update_with(store, tenant, stored, after, operation, replace).await? {
            Together::Written(written) => Ok(written),
            Together::OtherRefused(_) => Err(Error::internal("a snapshot was refused without a condition")),
        };
    }
    let assumed = Assumed { entitlements: &caller.entitlements, max: None };
    store::update(store, tenant, stored, after, operation, assumed).await
}

/// The answer to a request that came before: the version that it made, and the agent as it stands now.
async fn replayed(base: &Base, caller: &Caller, agent: Agent, request: &Request) -> Result<Published> {
    let (store, tenant) = (&base.store, &caller.tenant);
    let found = version::store::published_by(store, tenant, &agent, request.creation, REMEMBERED_MAX).await?;
    let (number, minted) = match found {
        Some((_, earlier)) if request.creation.compare(earlier) == Repetition::Reuse => {
            return Err(Error::IdempotencyKeyReused);
        }
        Some((number, _)) => (Some(number), true),
        // It moved `live` to a version that was there.
        None => (agent.published_version(), false),
    };
    let number = number.ok_or(Error::Unpublished)?;
    let version = version::store::get(store, tenant, &agent.id, number).await?;
    let approval =
        if version.is_asked { asked_for(base, caller, &agent, number, request.now).await? } else { None };
    Ok(Published { agent, version, minted, approval, is_replay: true })
}

/// The approval that the publication asked for, as it stands. If it ended before it asked, it is asked now.
async fn asked_for(
    base: &Base,
    caller: &Caller,
    agent: &Agent,
    number: u64,
    now: Timestamp,
) -> Result<Option<Approval>> {
    let live = AliasName::live();
    let wanted = Wanted::only(agent, live.clone(), number);
    if wanted.is_there(agent) {
        return Ok(None);
    }
    let page = approval::store::list(&base.store, &caller.tenant, None, APPROVALS_MAX, now).await?;
    let is_it = |approval: &Approval| {
        approval.agent == agent.id
            && approval.alias == live
            && approval.after.routes == wanted.routes
            && approval.requested.by == caller.user
    };
    if let Some(known) = page.items.into_iter().find(is_it) {
        return Ok(Some(known));
    }
    match judge(base, &caller.tenant, agent, wanted, BTreeMap::new()).await {
        Ok(Judged { asked: Some(asked), .. }) => ask(base, caller, asked, now).await.map(Some),
        // The policy is another by now: what it would say of a new request is not the answer to this one.
        Ok(_) | Err(Error::PolicyRefused(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
