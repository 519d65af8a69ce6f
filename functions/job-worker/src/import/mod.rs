//! Importing: a file becomes records, templates first, and each record an agent or a template, as the route for one
//! would make or change it.

mod records;
mod references;
mod template;

use std::borrow::Cow;

use agent_management::error::{Error, Result};
use agent_management::export::Subject;
use agent_management::files::store::{Files, Writer};
use agent_management::files::{job_key, upload_key};
use agent_management::http::problem::Problem as Answer;
use agent_management::import::{Options, split};
use agent_management::job::import::{Record, TemplateRecord, UPLOAD_MAX_BYTES, text_of};
use agent_management::job::store::{Chunk, Filed, Items};
use agent_management::job::{CHUNK_MAX, ItemSelection, JobFile, Problem, Spec, What};
use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{JobWorker, Of};

pub use records::targets;
pub(crate) use template::For;
pub use template::Links;

/// The most bytes of JSON of a chunk's records in the table, whose bound is 400 KB.
const RECORDS_MAX_BYTES: usize = 250 * 1024;
/// The same in a file of the job's.
const FILED_MAX_BYTES: usize = 4 * 1024 * 1024;
/// The most bytes of one agent's or template's document; a larger one is none.
const DOCUMENT_MAX_BYTES: usize = 370 * 1024;
/// The most bytes of a chunk's file: one that is full before its last record.
const FILE_MAX_BYTES: usize = 64 * 1024 * 1024;
/// What says where each leaf of a file went.
const FIDELITY: &str = "fidelity.ndjson";

/// What an import was cut into.
#[derive(Debug, Default)]
pub struct Prepared {
    /// Templates first.
    pub items: Vec<Items>,
    /// What a dry run has written.
    pub file: Option<JobFile>,
}

/// Why an import has no items.
pub enum Unprepared {
    /// The file is none.
    Refused(Problem),
    /// It may be another time.
    Failed(Error),
}

impl From<Error> for Unprepared {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// What is wrong with a file, as the request that brings it would be answered.
fn refused(error: Error) -> Unprepared {
    let Answer { code, detail, errors, .. } = Answer::from(error);
    let errors = errors.iter().take(10).filter_map(|one| serde_json::to_value(one).ok()).collect();
    Unprepared::Refused(Problem { errors, ..Problem::new(code.as_str(), detail) })
}

impl JobWorker {
    /// Cuts an import's file into chunks of up to `max` items in all.
    pub(crate) async fn prepare(
        &self,
        of: Of<'_>,
        spec: &Spec,
        plan: &str,
        max: Option<u64>,
    ) -> Result<Prepared, Unprepared> {
        let What::Import { format, default_model, taken, .. } = &spec.what else {
            return Ok(Prepared::default());
        };
        let uploaded;
        let (text, is_uploaded) = match &spec.items {
            ItemSelection::Content(content) => (Cow::Owned(text_of(content)), false),
            ItemSelection::Upload(upload) => {
                let max = usize::try_from(UPLOAD_MAX_BYTES).unwrap_or(usize::MAX);
                let bytes = self.files.get(&upload_key(of.tenant, upload), max).await?;
                let Some(bytes) = bytes else {
                    let detail = "Nothing was uploaded under this id, or it is older than a day.";
                    return Err(Unprepared::Refused(Problem::new("upload_missing", detail)));
                };
                uploaded = bytes;
                let text = std::str::from_utf8(&uploaded);
                let text = text.map_err(|_| refused(Error::Malformed("the file is not UTF-8".to_owned())))?;
                (Cow::Borrowed(text), true)
            }
            _ => return Ok(Prepared::default()),
        };
        let options = Options {
            default_model: default_model.as_deref(),
            versions: taken.versions,
            templates: taken.templates,
        };
        let too_many = |max| {
            let detail = format!("The job has more items than the tier's {max}.");
            Unprepared::Refused(Problem::new("entitlement_exceeded", detail))
        };
        let parts = split(*format, &text).map_err(refused)?;
        // Before anything is done about any of them; a file of another format is one part.
        if let Some(max) = max.filter(|max| parts.len() as u64 > *max) {
            return Err(too_many(max));
        }
        let references = self.references(of, *format, &parts).await?;
        let mut report = spec.dry_run.then(|| self.files.writer(job_key(of.tenant, of.id, FIDELITY)));
        let cutter =
            |subject| Cutter { files: &self.files, of, plan, is_uploaded, subject, items: Vec::new() };
        let (mut templates, mut agents) = (cutter(Subject::Template), cutter(Subject::Agent));
        let mut of_templates = Batch::<TemplateRecord>::default();
        let mut of_agents = Batch::<Record>::default();
        let mut total = 0;
        for part in &parts {
            let reading = part.read(*format, options).map_err(|error| refused(part.of_file(error)))?;
            if let Some(report) = &mut report {
                let line = json!({"record": part.pointer, "fidelity": reading.fidelity});
                report.write(format!("{line}\n").as_bytes()).await?;
            }
            total += (reading.templates.len() + reading.agents.len()) as u64;
            if let Some(max) = max.filter(|max| total > *max) {
                return Err(too_many(max));
            }
            for imported in reading.templates {
                let mut record = TemplateRecord::new(of.tenant, of.id, of_templates.count, imported);
                references.rewrite_template(&mut record);
                bound(&mut record.document);
                templates.push(&mut of_templates, record).await?;
            }
            for imported in reading.agents {
                let mut record = Record::new(of.tenant, of.id, *format, of_agents.count, imported);
                references.rewrite(&mut record);
                bound(&mut record.document);
                agents.push(&mut of_agents, record).await?;
            }
            tokio::task::yield_now().await;
        }
        templates.cut(&mut of_templates).await?;
        agents.cut(&mut of_agents).await?;
        let mut items = templates.items;
        items.extend(agents.items);
        Ok(Prepared { items, file: finished(report).await? })
    }

    /// A chunk with its records, wherever they are kept.
    pub(crate) async fn fetched(&self, of: Of<'_>, chunk: &Chunk) -> Result<Chunk> {
        let Items::Filed(filed) = &chunk.items else {
            return Ok(chunk.clone());
        };
        let gone = || Error::internal("the records of a chunk are gone");
        let key = job_key(of.tenant, &filed.job, &filed.name);
        let bytes = self.files.get(&key, FILE_MAX_BYTES).await?.ok_or_else(gone)?;
        let unreadable = |_| Error::internal("the records of a chunk cannot be read");
        let items = match filed.subject {
            Subject::Agent => {
                Items::Records(picked(filed, serde_json::from_slice(&bytes).map_err(unreadable)?))
            }
            Subject::Template => {
                Items::TemplateRecords(picked(filed, serde_json::from_slice(&bytes).map_err(unreadable)?))
            }
        };
        if items.len() == filed.ids.len() { Ok(Chunk { items, ..chunk.clone() }) } else { Err(gone()) }
    }

    /// Whether an import's items come from a file.
    pub(crate) fn is_import(spec: &Spec) -> bool {
        matches!(spec.what, What::Import { .. })
            && matches!(spec.items, ItemSelection::Content(_) | ItemSelection::Upload(_))
    }
}

fn picked<T>(filed: &Filed, records: Vec<T>) -> Vec<T> {
    let mut records: Vec<Option<T>> = records.into_iter().map(Some).collect();
    filed.rows.iter().filter_map(|row| records.get_mut(*row).and_then(Option::take)).collect()
}

/// Passes where a chunk had room for a document.
pub(crate) fn refuse_oversized(document: &Value) -> Result<()> {
    if document.is_null() { Err(Error::TooLarge { limit_bytes: DOCUMENT_MAX_BYTES }) } else { Ok(()) }
}

/// What no chunk has room for is no agent, and its item says so.
fn bound(document: &mut Value) {
    if document.to_string().len() > DOCUMENT_MAX_BYTES {
        *document = Value::Null;
    }
}

async fn finished(report: Option<Writer<'_>>) -> Result<Option<JobFile>> {
    let Some(report) = report else {
        return Ok(None);
    };
    let name = FIDELITY.to_owned();
    let file = JobFile { object: name.clone(), name, bytes: report.bytes(), chunks: 0 };
    report.finish().await?;
    Ok(Some(file))
}

/// Records that do not make a chunk yet.
struct Batch<T> {
    records: Vec<T>,
    bytes: usize,
    /// How many there were, those of earlier chunks included.
    count: usize,
}

impl<T> Default for Batch<T> {
    fn default() -> Self {
        Self { records: Vec::new(), bytes: 0, count: 0 }
    }
}

/// What a chunk may be made of.
trait OfFile: Serialize {
    fn id(&self) -> String;
    fn items(records: Vec<Self>) -> Items
    where
        Self: Sized;
}

impl OfFile for Record {
    fn id(&self) -> String {
        self.made().to_string()
    }

    fn items(records: Vec<Self>) -> Items {
        Items::Records(records)
    }
}

impl OfFile for TemplateRecord {
    fn id(&self) -> String {
        self.made.to_string()
    }

    fn items(records: Vec<Self>) -> Items {
        Items::TemplateRecords(records)
    }
}

/// Cuts records into chunks. Those of an uploaded file are kept in files of the job's.
struct Cutter<'a> {
    files: &'a Files,
    of: Of<'a>,
    plan: &'a str,
    is_uploaded: bool,
    subject: Subject,
    items: Vec<Items>,
}

impl Cutter<'_> {
    async fn push<T: OfFile>(&mut self, batch: &mut Batch<T>, record: T) -> Result<()> {
        let bytes = serde_json::to_string(&record).map_or(0, |json| json.len());
        let max = if self.is_uploaded { FILED_MAX_BYTES } else { RECORDS_MAX_BYTES };
        if batch.records.len() >= CHUNK_MAX || batch.bytes + bytes > max {
            self.cut(batch).await?;
        }
        batch.bytes += bytes;
        batch.count += 1;
        batch.records.push(record);
        Ok(())
    }

    async fn cut<T: OfFile>(&mut self, batch: &mut Batch<T>) -> Result<()> {
        if batch.records.is_empty() {
            return Ok(());
        }
        batch.bytes = 0;
        let records = std::mem::take(&mut batch.records);
        // What is alone may be more than the table takes.
        let json = serde_json::to_vec(&records).map_err(|_| Error::internal("records are no JSON"))?;
        if !self.is_uploaded && json.len() <= DOCUMENT_MAX_BYTES {
            self.items.push(T::items(records));
            return Ok(());
        }
        let name = format!("records/{}-{}-{:06}", self.plan, self.subject.as_str(), self.items.len());
        let ids: Vec<String> = records.iter().map(OfFile::id).collect();
        self.files.put(&job_key(self.of.tenant, self.of.id, &name), Bytes::from(json)).await?;
        let rows = (0..ids.len()).collect();
        let filed = Filed { job: self.of.id.clone(), name, subject: self.subject, ids, rows };
        self.items.push(Items::Filed(filed));
        Ok(())
    }
}
