//! The use case behind everything that creates a template: write it with the versions that come with it and count it,
//! in one transaction, and tell a repetition from a new request.

use super::Base;
use crate::creation::{Creation, Meeting};
use crate::error::{Error, Result};
use crate::http::caller::Caller;
use crate::template::store::{self, Insertion};
use crate::template::{Template, TemplateHead, TemplateVersion};
use crate::tenant::Counted;

/// How often a creation is tried again because the entitlements or the head changed under it.
const ATTEMPTS_MAX: usize = 4;

/// What became of a creation.
#[derive(Debug)]
pub enum Inserted {
    Created(Box<Template>),
    /// The same request came before; the template as it stands now.
    Replayed(Box<Template>),
    /// Another request made what has its id.
    Taken,
}

pub async fn insert(
    base: &Base,
    caller: &Caller,
    mut template: Template,
    versions: &[TemplateVersion],
    creation: Creation,
) -> Result<Inserted> {
    let mut entitlements = caller.entitlements.clone();
    let mut over = None;
    for _ in 0..ATTEMPTS_MAX {
        let assumed = base.assumed(&entitlements, Counted::Templates);
        match store::insert(&base.store, &caller.tenant, &template, versions, creation, over, assumed).await?
        {
            Insertion::Done => return Ok(Inserted::Created(Box::new(template))),
            Insertion::Exists(head, earlier) => {
                match (creation.meet(earlier, head.tombstone(), template.created.at)?, head) {
                    // Its versions have numbers of their own.
                    (Meeting::Revive { .. }, _) if !versions.is_empty() => return Ok(Inserted::Taken),
                    (Meeting::Revive { rev }, _) => {
                        over = Some(rev);
                        template = template.revived_after(rev);
                    }
                    (Meeting::Replay, TemplateHead::Live(there)) => return Ok(Inserted::Replayed(there)),
                    (Meeting::Replay | Meeting::Taken, _) => return Ok(Inserted::Taken),
                }
            }
            Insertion::Refused(record) => {
                entitlements = base.entitlements_after(&record, &entitlements, Counted::Templates)?;
            }
        }
    }
    Err(Error::Unavailable("the tenant's entitlements or the template keep changing".into()))
}
