//! A batch of the stream: its records become changes, tenant by tenant. One that can't be read is
//! parked and passed, so that it does not hold up what comes after it.

use agent_management::agent::store::{read_image, was_job};
use agent_management::approval;
use agent_management::error::{Error, Result};
use agent_management::event::{self, Change};
use agent_management::id::TenantId;
use agent_management::tier::Tiers;
use agent_management::{job, template, tenant};
use aws_lambda_events::event::dynamodb::EventRecord;
use futures_util::StreamExt;
use serde_dynamo::Item;
use serde_json::json;

use crate::StreamFanout;
use crate::upkeep::Upkeep;

/// How many tenants of a batch are served at once.
const TENANTS_AT_ONCE: usize = 8;

/// Where a batch has to go on, and why.
#[derive(Debug)]
pub struct Failed {
    pub sequence_number: String,
    pub error: Error,
}

/// A tenant's part of a batch, in order.
struct Part {
    tenant: TenantId,
    changes: Vec<Change>,
    /// What follows from them beside their events.
    upkeep: Vec<Upkeep>,
    /// Where the part's first record stands in the batch.
    first: usize,
}

pub async fn fan_out(fanout: &StreamFanout, records: Vec<EventRecord>) -> Result<(), Failed> {
    let numbers: Vec<String> =
        records.iter().map(|record| record.change.sequence_number.clone().unwrap_or_default()).collect();
    let failed = |index: usize, error| Failed { sequence_number: numbers[index].clone(), error };
    let mut parts: Vec<Part> = Vec::new();
    let mut unparked = None;
    for (index, record) in records.into_iter().enumerate() {
        match read(record, &fanout.base.tiers) {
            Ok(None) => {}
            Ok(Some(Read { tenant, change, upkeep })) => {
                match parts.iter_mut().find(|part| part.tenant == tenant) {
                    Some(part) => {
                        part.changes.push(change);
                        part.upkeep.extend(upkeep);
                    }
                    None => {
                        let upkeep = upkeep.into_iter().collect();
                        parts.push(Part { tenant, changes: vec![change], upkeep, first: index });
                    }
                }
            }
            Err(error) => {
                // What came before it is still announced: the stream counts that as done.
                if let Err(error) = park(fanout, &numbers[index], &error).await {
                    unparked = Some((index, error));
                    break;
                }
            }
        }
    }
    let served = futures_util::stream::iter(parts).map(|part| async move {
        let outcome = serve(fanout, &part.tenant, part.changes, &part.upkeep).await;
        outcome.map_err(|error| (part.first, error))
    });
    let outcomes: Vec<_> = served.buffer_unordered(TENANTS_AT_ONCE).collect().await;
    // Stop at the first failed record: the stream resumes there, and what comes again is known.
    let failures = outcomes.into_iter().filter_map(Result::err).chain(unparked);
    match failures.min_by_key(|(first, _)| *first) {
        None => Ok(()),
        Some((first, error)) => Err(failed(first, error)),
    }
}

/// A record that is announced.
struct Read {
    tenant: TenantId,
    change: Change,
    upkeep: Option<Upkeep>,
}

/// What a record says; none if it is none that is announced.
fn read(record: EventRecord, tiers: &Tiers) -> Result<Option<Read>> {
    let (old, new) = (record.change.old_image, record.change.new_image);
    if approval::store::is_image(&new) {
        read_approval(old, new)
    } else if template::store::is_image(&new) {
        read_template(old, new)
    } else if tenant::store::is_image(&new) {
        read_tenant(old, new, tiers)
    } else if job::store::is_image(&new) {
        read_job(old, new)
    } else {
        read_agent(old, new)
    }
}

fn read_agent(old: Item, new: Item) -> Result<Option<Read>> {
    // A removal is the end of a tombstone, which was announced.
    let is_of_job = was_job(&new);
    let Some((tenant, id, after)) = read_image(new)? else {
        return Ok(None);
    };
    let before = read_image(old)?.map(|(_, _, before)| before);
    let upkeep = Upkeep::of_agent(&id, before.as_ref(), &after);
    let change = event::of_agent(&id, before.as_ref(), &after)?;
    Ok(change.map(|change| Read { tenant, change: Change { is_of_job, ..change }, upkeep }))
}

fn read_job(old: Item, new: Item) -> Result<Option<Read>> {
    let Some((tenant, after)) = job::store::read_image(new)? else {
        return Ok(None);
    };
    let before = job::store::read_image(old)?.map(|(_, before)| before);
    let upkeep = before.is_none().then(|| Upkeep::JobCreated(after.id.clone()));
    let change = event::of_job(before.as_ref(), after);
    Ok(change.map(|change| Read { tenant, change, upkeep }))
}

fn read_approval(old: Item, new: Item) -> Result<Option<Read>> {
    let Some((tenant, approval)) = approval::store::read_image(new)? else {
        return Ok(None);
    };
    let before = approval::store::read_image(old)?.map(|(_, before)| before);
    let change = event::of_approval(before.as_ref(), approval);
    Ok(change.map(|change| Read { tenant, change, upkeep: None }))
}

fn read_template(old: Item, new: Item) -> Result<Option<Read>> {
    let Some((tenant, id, after)) = template::store::read_image(new)? else {
        return Ok(None);
    };
    let before = template::store::read_image(old)?.map(|(_, _, before)| before);
    let upkeep = Upkeep::of_template(before.as_ref(), &after);
    let change = event::of_template(&id, before.as_ref(), &after)?;
    Ok(change.map(|change| Read { tenant, change, upkeep }))
}

fn read_tenant(old: Item, new: Item, tiers: &Tiers) -> Result<Option<Read>> {
    let Some((tenant, after)) = tenant::store::read_image(new)? else {
        return Ok(None);
    };
    let before = tenant::store::read_image(old)?.map(|(_, before)| before);
    let change = event::of_tenant(before.as_ref(), &after, tiers);
    Ok(change.map(|change| Read { tenant, change, upkeep: None }))
}

/// Does everything for a part. The audit rows, which come last of what is announced, say that all is done.
async fn serve(
    fanout: &StreamFanout,
    tenant: &TenantId,
    changes: Vec<Change>,
    upkeep: &[Upkeep],
) -> Result<()> {
    for one in upkeep {
        match fanout.keep_up(tenant, one).await {
            Ok(()) => {}
            // It will not be mended by coming again, and events are not held up for it.
            Err(error @ Error::Internal(_)) => {
                tracing::error!(cause = crate::cause(&error), "what follows from a change is not done");
            }
            Err(error) => return Err(error),
        }
    }
    fanout.announce(tenant, changes).await
}

async fn park(fanout: &StreamFanout, sequence_number: &str, error: &Error) -> Result<()> {
    tracing::error!(sequence_number, cause = crate::cause(error), "a record is parked");
    // The key alone would say whose it is, and the table still has the item.
    fanout.queues.parked.send(&json!({"sequence_number": sequence_number})).await
}
