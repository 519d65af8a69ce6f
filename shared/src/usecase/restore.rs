//! The use case of making an agent that comes with its versions: each gets its number back, `live` and the other
//! aliases lead where they led, and all of it becomes true with the one write of the head. Snapshots are put
//! before, where nobody sees them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::Base;
use super::change::told;
use super::insert::Inserted;
use crate::agent::alias::{AliasDocument, Wanted, refuse_oversized};
use crate::agent::store::{self, Insertion};
use crate::agent::version::store::Taken;
use crate::agent::version::{self, Release, Version, Versions, fingerprint};
use crate::agent::{Agent, Content, Creation, Head, NewAgent, Stamp};
use crate::creation::Meeting;
use crate::error::{Error, Result};
use crate::http::caller::Caller;
use crate::id::AliasName;
use crate::import::{Beside, ImportedVersion};
use crate::tenant::Counted;
use crate::tier::{self, Entitlements, LimitName};
use crate::violation::{Violation, pointer_segment};

/// The greatest number of a version that comes from a file: keys have room for ten times as many.
const NUMBER_MAX: u64 = 99_999_999_999;
/// How many snapshots are put at once.
const PUT_AT_ONCE: usize = 8;
/// How many snapshots that others have left behind are replaced with the head, and how many bytes they may have: a
/// transaction has 100 actions and 4 MB.
const REPLACED_MAX: usize = 90;
const REPLACED_MAX_BYTES: usize = 3 * 1024 * 1024;

/// An agent that is to be made, and its versions.
#[derive(Debug, Clone)]
pub struct Restored {
    pub agent: Agent,
    pub versions: Vec<Version>,
    /// The `rev` of the tombstone that the agent replaces.
    pub over: Option<u64>,
}

/// What is said of the publication of versions that come with an agent: the same however often it is tried.
#[derive(Debug, Clone, Copy)]
pub struct Published<'a> {
    pub stamp: &'a Stamp,
    pub by: Creation,
}

/// The agent with the versions and aliases that come with it. Its numbers go on after those of a deleted agent in
/// whose place it is.
///
/// # Errors
/// [`Error::Invalid`] with pointers into what comes beside the document; [`Error::Entitlement`] for aliases, and
/// for versions that they lead to, which the tier does not admit; [`Error::Conflict`] for aliases that are too much
/// for a head.
pub fn restored(
    base: &Base,
    entitlements: &Entitlements,
    mut agent: Agent,
    beside: &Beside,
    published: Published<'_>,
    over: Option<u64>,
) -> Result<Restored> {
    let shift = over.unwrap_or(0);
    let mut versions: Vec<Version> = Vec::new();
    for (index, imported) in beside.versions.iter().enumerate() {
        let within = |error| within(error, &format!("/versions/{index}"));
        let mut version = read(&agent, imported, published, shift).map_err(within)?;
        version.previous = versions.last().map(|before| before.number);
        versions.push(version);
    }
    let all: Versions = versions.iter().map(|version| version.number).collect();
    let contents: BTreeMap<u64, Content> =
        versions.iter().map(|version| (version.number, version.content.clone())).collect();
    let limits = base.tiers.limits(entitlements);
    let mut excess = Vec::new();
    let mut aliases: Vec<_> = beside.aliases.iter().collect();
    // Where the tier has room for one, it is this one.
    aliases.sort_by_key(|(name, _)| name.as_str() != AliasName::live().as_str());
    for (name, document) in aliases {
        let pointer = format!("/aliases/{}", pointer_segment(name));
        let (name, wanted) = alias(name, document, shift, &all).map_err(|error| within(error, &pointer))?;
        let said = wanted.routes.clone();
        let violations = wanted.violations(&base.tiers, &limits, &agent, &said);
        excess.extend(violations.into_iter().map(|one| one.within(&pointer)));
        agent.aliases.insert(name, wanted.into_alias(&contents));
    }
    let used = agent.versions_in_use();
    let kept = newest(&all, limits.get(LimitName::VersionsKept), &used);
    // Nobody judges a version again that an alias is led back to.
    for (index, version) in versions.iter().enumerate().filter(|(_, one)| kept.contains(one.number)) {
        let violations = tier::violations(&base.tiers, &limits, &version.content);
        excess.extend(violations.into_iter().map(|one| one.within(&format!("/versions/{index}"))));
    }
    if !excess.is_empty() {
        return Err(Error::Entitlement(excess));
    }
    refuse_oversized(&agent.aliases)?;
    versions.retain(|version| kept.contains(version.number));
    if let Some(last) = versions.last() {
        let content = fingerprint(&last.content);
        agent.published = Some(version::Published { version: last.number, content });
        agent.rev = last.number + 1;
    }
    let live = agent.aliases.get(&AliasName::live());
    agent.led = live.iter().flat_map(|alias| &alias.routes).map(|route| route.version).collect();
    agent.versions = kept;
    agent.rev = agent.rev.max(shift + 1);
    Ok(Restored { agent, versions, over })
}

/// As many as are kept, the newest, and those that are used.
fn newest(all: &Versions, kept_max: Option<u64>, used: &BTreeSet<u64>) -> Versions {
    match all.last() {
        Some(last) => all.and(last, kept_max, used),
        None => Versions::default(),
    }
}

fn within(error: Error, pointer: &str) -> Error {
    match error {
        Error::Invalid(violations) => {
            Error::Invalid(violations.into_iter().map(|one| one.within(pointer)).collect())
        }
        other => other,
    }
}

fn read(agent: &Agent, imported: &ImportedVersion, published: Published<'_>, shift: u64) -> Result<Version> {
    let number = imported.version.saturating_add(shift);
    if !(1..=NUMBER_MAX).contains(&number) {
        let violation = Violation::new("/version", "out_of_range", "is no number of a version");
        return Err(Error::Invalid(vec![violation]));
    }
    let NewAgent { content, .. } = NewAgent::read(imported.document.clone())?;
    let mut release = serde_json::Map::new();
    for (name, said) in [("title", &imported.title), ("notes", &imported.notes)] {
        release.extend(said.as_ref().map(|text| (name.to_owned(), text.as_str().into())));
    }
    Ok(Version {
        agent: agent.id.clone(),
        number,
        content,
        release: Release::read(release.into())?,
        // Whoever puts it here vouches for it.
        published: published.stamp.clone(),
        previous: None,
        creation: published.by,
        is_asked: false,
    })
}

fn alias(
    name: &str,
    document: &serde_json::Value,
    shift: u64,
    all: &Versions,
) -> Result<(AliasName, Wanted)> {
    let bad = |pointer: &str, code, detail: &'static str| {
        Error::Invalid(vec![Violation::new(pointer, code, detail)])
    };
    let name: AliasName = name.parse().map_err(|_| bad("", "alias_format", "is no alias's name"))?;
    let mut document = AliasDocument::read(document.clone())?;
    for route in &mut document.routes {
        route.version = route.version.saturating_add(shift);
        if !all.contains(route.version) {
            return Err(bad("/routes", "unknown_version", "leads to a version that is not in the file"));
        }
    }
    Ok((name.clone(), Wanted::of(name, document)))
}

/// Makes the agent. Idempotent by its creation; `Taken` where something else is there by now.
///
/// # Errors
/// [`Error::Entitlement`] where the tenant has no room for it; as the database's.
pub async fn restore(
    base: &Base,
    caller: &Caller,
    restored: Restored,
    creation: Creation,
    now: Timestamp,
) -> Result<Inserted> {
    let Restored { agent, versions, over } = restored;
    let (store, tenant) = (&base.store, &caller.tenant);
    let agent = told(base, agent);
    let mut left = Vec::new();
    for some in versions.chunks(PUT_AT_ONCE) {
        let puts = some.iter().map(|version| version::store::insert(store, tenant, version));
        for (version, taken) in some.iter().zip(futures_util::future::join_all(puts).await) {
            if taken? == Taken::ByAnother {
                left.push(version);
            }
        }
    }
    let bytes: usize =
        left.iter().map(|version| serde_json::to_string(&version.content).map_or(0, |json| json.len())).sum();
    if left.len() > REPLACED_MAX || bytes > REPLACED_MAX_BYTES {
        return Err(Error::Conflict("Too many snapshots of another publication are in its way.".to_owned()));
    }
    // Only who makes the head may replace what somebody left behind before.
    let replaced = left
        .iter()
        .map(|version| version::store::replace(store, tenant, version))
        .collect::<Result<Vec<_>>>()?;
    let assumed = base.assumed(&caller.entitlements, Counted::Agents);
    let inserted = store::insert_with(store, tenant, &agent, creation, over, assumed, replaced).await?;
    // Snapshots of an agent that is not made stay: another may be about to commit them, and they are in nobody's way.
    match inserted {
        Insertion::Done => Ok(Inserted::Created(Box::new(agent))),
        Insertion::Exists(head, earlier) => match (creation.meet(earlier, head.tombstone(), now)?, head) {
            (Meeting::Replay, Head::Live(there)) => Ok(Inserted::Replayed(there)),
            (Meeting::Replay | Meeting::Taken | Meeting::Revive { .. }, _) => Ok(Inserted::Taken),
        },
        Insertion::Refused(record) => {
            base.entitlements_after(&record, &caller.entitlements, Counted::Agents)?;
            // Judged by other entitlements than the tenant has: they are read anew.
            Ok(Inserted::Taken)
        }
    }
}
