//! Templates of a file. Each is made with its versions, or meets one that is there. Nothing is written down before:
//! whoever comes again finds the request that made it, or the operation that changed it, in the template's head.

use std::collections::HashMap;

use agent_management::creation::{Creation, Request};
use agent_management::dynamo::head::Operation;
use agent_management::error::{Error, Result};
use agent_management::http::caller::Caller;
use agent_management::id::{TemplateId, TenantId};
use agent_management::job::import::{OnConflict, Record, TemplateRecord, template_made_of};
use agent_management::job::{Item, Job, Outcome, Problem, Spec, What};
use agent_management::template::store::{self, Found, Stored, Written};
use agent_management::template::{Template, TemplateContent, TemplateLink, TemplateVersion};
use agent_management::usecase::template::{Inserted, insert};
use agent_management::violation::Violation;
use serde_json::Value;

use super::refuse_oversized;
use crate::JobWorker;
use crate::change::failed;

/// How often a template that keeps changing is tried.
const ATTEMPTS_MAX: usize = 8;
/// A template's name, in characters.
const NAME_MAX: usize = 200;

/// The templates that agents of a chunk were made from: what they are called here, by what they are called in the
/// file and the version.
pub type Links = HashMap<(TemplateId, u64), TemplateId>;

/// What is done for whom.
#[derive(Clone, Copy)]
pub(crate) struct For<'a> {
    pub caller: &'a Caller,
    pub job: &'a Job,
    pub spec: &'a Spec,
    pub chunk: u32,
}

impl JobWorker {
    /// What becomes of templates.
    ///
    /// # Errors
    /// [`Error::Unavailable`], after which it may be tried again.
    pub(crate) async fn import_templates(
        &self,
        of: For<'_>,
        records: &[TemplateRecord],
    ) -> Result<Vec<Item>> {
        let mut outcomes = Vec::new();
        for (index, record) in records.iter().enumerate() {
            outcomes.push(if of.job.is_stopping() {
                Item::new(Outcome::Skipped)
            } else {
                match self.import_template(of, index, record).await {
                    Ok(item) => item,
                    Err(error) => failed(error)?,
                }
            });
        }
        Ok(outcomes)
    }

    async fn import_template(&self, of: For<'_>, index: usize, record: &TemplateRecord) -> Result<Item> {
        let What::Import { on_conflict, .. } = of.spec.what else {
            return Err(Error::internal("a record in a job that imports nothing"));
        };
        let tenant = &of.caller.tenant;
        let named = format!("{} {} {index}", of.job.id, record.made);
        let said = record.document.to_string();
        let request = Request { route: "job", idempotency_key: Some(&named), said: &said };
        let creation = Creation::new(&of.caller.user, &request, of.job.created.at).of_job();
        let operation = Operation::of_job(&of.job.id, &format!("{} {named}", of.chunk));
        refuse_oversized(&record.document)?;
        let content = TemplateContent::read(record.document.clone())?;
        for _ in 0..ATTEMPTS_MAX {
            let (id, there) = self.met(tenant, record).await?;
            let Some(stored) = there else {
                return self.make(of, id, content, record, creation).await;
            };
            if stored.was_made_by(creation) || stored.remembers(operation) {
                return Ok(changed(&id, stored.template.rev));
            }
            let exists = |outcome| {
                let problem = Problem::new("exists", format!("It is there already, as {id}."));
                Ok(Item { made: Some(id.to_string()), ..Item::failed(outcome, problem) })
            };
            match on_conflict {
                OnConflict::Fail => return exists(Outcome::Conflict),
                OnConflict::Skip => return exists(Outcome::Skipped),
                OnConflict::Rename => {
                    let name = format!("{} (imported)", content.name).chars().take(NAME_MAX).collect();
                    let content = TemplateContent { name, ..content };
                    let (id, there) = self.place(tenant, record.beside.clone()).await?;
                    return match there {
                        Some(made) => Ok(changed(&id, made.template.rev)),
                        None => self.make(of, id, content, record, creation).await,
                    };
                }
                OnConflict::Overwrite if stored.template.content == content => {
                    return Ok(Item { made: Some(id.to_string()), ..Item::new(Outcome::Unchanged) });
                }
                OnConflict::Overwrite if of.spec.dry_run => return Ok(changed(&id, stored.template.rev)),
                OnConflict::Overwrite => {
                    let after =
                        stored.template.with_content(content.clone(), &of.caller.user, self.clock.now());
                    let table = &self.library.base.store;
                    match store::update(table, tenant, &stored, &after, operation).await? {
                        Written::Done => return Ok(changed(&id, after.rev)),
                        Written::Landed(now) => return Ok(changed(&id, now.rev)),
                        Written::Stale => {}
                    }
                }
            }
        }
        Err(Error::Unavailable("the template keeps changing".into()))
    }

    /// The template that a record is already, or where it is made.
    async fn met(&self, tenant: &TenantId, record: &TemplateRecord) -> Result<(TemplateId, Option<Stored>)> {
        if let Some(own) = &record.own
            && let Some(Found::Live(stored)) = store::find(&self.library.base.store, tenant, own).await?
        {
            return Ok((own.clone(), Some(*stored)));
        }
        self.place(tenant, record.made.clone()).await
    }

    /// The template under an id that an import gives, or the id under which it is made: never that of a deleted
    /// one, whose versions may still be on their way out.
    async fn place(&self, tenant: &TenantId, mut id: TemplateId) -> Result<(TemplateId, Option<Stored>)> {
        for _ in 0..ATTEMPTS_MAX {
            match store::find(&self.library.base.store, tenant, &id).await? {
                None => return Ok((id, None)),
                Some(Found::Live(stored)) => return Ok((id, Some(*stored))),
                Some(Found::Deleted(tombstone)) => {
                    id = TemplateId::derived(&[id.as_str(), "after", &tombstone.rev.to_string()]);
                }
            }
        }
        Err(Error::Conflict(
            "It was imported and deleted too often; leave its id out of the file.".to_owned(),
        ))
    }

    async fn make(
        &self,
        of: For<'_>,
        id: TemplateId,
        content: TemplateContent,
        record: &TemplateRecord,
        creation: Creation,
    ) -> Result<Item> {
        let template = Template::create(id.clone(), content, of.caller.user.clone(), self.clock.now());
        let mut versions = Vec::new();
        for imported in &record.versions {
            let mut release = serde_json::Map::new();
            for (name, said) in [("title", &imported.title), ("notes", &imported.notes)] {
                release.extend(said.as_ref().map(|text| (name.to_owned(), text.as_str().into())));
            }
            versions.push(TemplateVersion {
                template: id.clone(),
                number: imported.version,
                content: TemplateContent::read(imported.document.clone())?,
                release: agent_management::agent::version::Release::read(Value::Object(release))?,
                published: of.job.created.clone(),
                creation: Some(creation),
            });
        }
        let template = template.with_versions(&mut versions)?;
        if of.spec.dry_run {
            return Ok(changed(&id, template.rev));
        }
        match insert(&self.library.base, of.caller, template, &versions, creation).await? {
            Inserted::Created(made) | Inserted::Replayed(made) => Ok(changed(&id, made.rev)),
            Inserted::Taken => Err(Error::Unavailable("another import makes the template".into())),
        }
    }

    /// What the templates are called here that agents of a file were made from. One that is not here is left out.
    pub(crate) async fn links(&self, tenant: &TenantId, records: &[Record]) -> Result<Links> {
        let mut links = Links::new();
        let mut known: HashMap<(TemplateId, u64), bool> = HashMap::new();
        for link in records.iter().filter_map(link_of) {
            let from = (link.id.clone(), link.version);
            if known.insert(from.clone(), true).is_some() {
                continue;
            }
            let (made, _) = self.place(tenant, template_made_of(tenant, link.id.as_str())).await?;
            for candidate in [link.id.clone(), made] {
                match self.library.version(tenant, &candidate, Some(link.version)).await {
                    Ok(_) => {
                        links.insert(from, candidate);
                        break;
                    }
                    Err(Error::NotFound(_)) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(links)
    }
}

/// The most bytes of a link's values: as many as an agent that is made from a template remembers.
const LINK_MAX_BYTES: usize = 8 * 1024;

/// Passes where an agent's head has room for what it remembers of its template.
pub(super) fn refuse_large_link(record: &Record) -> Result<()> {
    let bytes = record.with.template.as_ref().map_or(0, |link| link.to_string().len());
    if bytes <= LINK_MAX_BYTES {
        return Ok(());
    }
    let violation =
        Violation::new("/template/variables", "too_large", "the template's values have too many bytes");
    Err(Error::Invalid(vec![violation.exceeding(LINK_MAX_BYTES, bytes)]))
}

/// The template that an agent of a file was made from, as the file says it.
pub(super) fn link_of(record: &Record) -> Option<TemplateLink> {
    record.with.template.as_ref().and_then(|link| serde_json::from_value(link.clone()).ok())
}

fn changed(id: &TemplateId, rev: u64) -> Item {
    Item { made: Some(id.to_string()), ..Item::changed(rev) }
}
