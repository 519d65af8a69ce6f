//! Exporting: each chunk writes its agents or templates as lines into parts, and when all have, the last chunk puts
//! the parts together into the one file that the job has made.

use agent_management::agent::store::{Found, get_heads};
use agent_management::agent::version;
use agent_management::clock::rfc3339;
use agent_management::error::{Error, Result};
use agent_management::export::{self, Assembly, Exported, Layout, Subject};
use agent_management::files::job_key;
use agent_management::files::store::PART_BYTES;
use agent_management::id::TemplateId;
use agent_management::job::store::{self, Chunk, Items};
use agent_management::job::{CHUNK_MAX, Item, Job, JobFile, Outcome, Plan, Taken};
use agent_management::template;
use bytes::Bytes;

use crate::change::failed;
use crate::rebuild::Findings;
use crate::{JobWorker, Of};

/// The most bytes of the versions of one agent or template: a record has to be held as a whole. Older ones are left
/// out, and counted.
const VERSIONS_MAX_BYTES: usize = 8 * 1024 * 1024;
/// The most bytes of a part: one that is full before its last record.
const PART_MAX_BYTES: usize = 64 * 1024 * 1024;
/// How many chunks are read at once when the file is put together.
const CHUNKS_READ: i32 = 10;

/// What a chunk has written.
#[derive(Debug, Default)]
pub struct Written {
    pub outcomes: Vec<Item>,
    pub findings: Findings,
    pub parts: Vec<String>,
}

/// The parts of a chunk while they are written.
struct Parts<'a> {
    worker: &'a JobWorker,
    of: Of<'a>,
    /// What the names of this try's parts begin with: nobody else writes them.
    name: String,
    buffer: Vec<u8>,
    written: Vec<String>,
    records: u64,
    versions: u64,
    versions_left_out: u64,
    secrets_left_out: u64,
}

impl Parts<'_> {
    async fn add(&mut self, exported: &Exported) -> Result<()> {
        self.buffer.extend_from_slice(exported.line.as_bytes());
        self.buffer.push(b'\n');
        self.records += 1;
        self.secrets_left_out += exported.secrets_left_out;
        if self.buffer.len() >= PART_BYTES { self.send().await } else { Ok(()) }
    }

    async fn send(&mut self) -> Result<()> {
        let name = format!("{}-{}", self.name, self.written.len());
        let bytes = Bytes::from(std::mem::take(&mut self.buffer));
        self.worker.files.put(&job_key(self.of.tenant, self.of.id, &name), bytes).await?;
        self.written.push(name);
        Ok(())
    }

    async fn finish(mut self, subject: Subject, outcomes: Vec<Item>) -> Result<Written> {
        if !self.buffer.is_empty() {
            self.send().await?;
        }
        let findings = vec![
            (format!("{}s", subject.as_str()), self.records),
            ("versions".to_owned(), self.versions),
            ("versions_left_out".to_owned(), self.versions_left_out),
            ("secrets_left_out".to_owned(), self.secrets_left_out),
        ];
        Ok(Written { outcomes, findings, parts: self.written })
    }
}

impl JobWorker {
    /// The templates of a tenant's own, cut into chunks.
    pub(crate) async fn templates_of(&self, of: Of<'_>) -> Result<Vec<Items>> {
        let table = &self.library.base.store;
        let (mut ids, mut after): (Vec<TemplateId>, Option<String>) = (Vec::new(), None);
        loop {
            let limit = u32::try_from(CHUNK_MAX).unwrap_or(u32::MAX);
            let page = template::store::list(table, of.tenant, after.as_deref(), limit).await?;
            ids.extend(page.items.iter().filter_map(|row| row.id.parse::<TemplateId>().ok()));
            after = page.next_cursor;
            if after.is_none() {
                return Ok(ids.chunks(CHUNK_MAX).map(|ids| Items::Templates(ids.to_vec())).collect());
            }
        }
    }

    /// Writes the parts of a chunk.
    pub(crate) async fn export(
        &self,
        of: Of<'_>,
        plan: &str,
        chunk: &Chunk,
        taken: Taken,
    ) -> Result<Written> {
        let parts = Parts {
            worker: self,
            of,
            name: format!("parts/{plan}-{:06}-{:08x}", chunk.number, fastrand::u32(..)),
            buffer: Vec::new(),
            written: Vec::new(),
            records: 0,
            versions: 0,
            versions_left_out: 0,
            secrets_left_out: 0,
        };
        match &chunk.items {
            Items::Agents(_) => self.export_agents(parts, chunk, taken).await,
            Items::Templates(ids) => self.export_templates(parts, ids).await,
            Items::Terms(_)
            | Items::Records(_)
            | Items::TemplateRecords(_)
            | Items::Filed(_)
            | Items::Assembly => Err(Error::internal("a chunk of another job in one that exports")),
        }
    }

    async fn export_agents(&self, mut parts: Parts<'_>, chunk: &Chunk, taken: Taken) -> Result<Written> {
        let (table, tenant) = (&self.library.base.store, parts.of.tenant);
        let Items::Agents(ids) = &chunk.items else {
            return Err(Error::internal("no agents"));
        };
        let heads = get_heads(table, tenant, ids, true).await?;
        let mut outcomes = Vec::new();
        for id in ids {
            outcomes.push(match heads.get(id) {
                Some(Found::Live(stored)) => {
                    let agent = &stored.agent;
                    let mut versions = Vec::new();
                    if taken.versions {
                        versions = version::store::all(table, tenant, agent, VERSIONS_MAX_BYTES).await?;
                        // Those that aliases lead to are in any case.
                        for number in agent.versions_in_use() {
                            if !versions.iter().any(|version| version.number == number) {
                                versions
                                    .extend(version::store::find(table, tenant, &agent.id, number).await?);
                            }
                        }
                        versions.sort_by_key(|version| version.number);
                        let all = agent.versions.newest_first().count() as u64;
                        parts.versions += versions.len() as u64;
                        parts.versions_left_out += all.saturating_sub(versions.len() as u64);
                    }
                    parts.add(&export::agent(agent, &versions)?).await?;
                    Item { rev: Some(agent.rev), ..Item::new(Outcome::Unchanged) }
                }
                Some(Found::Unreadable) => failed(Error::internal("a stored agent cannot be read"))?,
                Some(Found::Deleted(..)) | None => failed(Error::NotFound("agent"))?,
            });
            tokio::task::yield_now().await;
        }
        parts.finish(Subject::Agent, outcomes).await
    }

    async fn export_templates(&self, mut parts: Parts<'_>, ids: &[TemplateId]) -> Result<Written> {
        let (table, tenant) = (&self.library.base.store, parts.of.tenant);
        let mut outcomes = Vec::new();
        for id in ids {
            outcomes.push(match template::store::get(table, tenant, id).await {
                Ok(stored) => {
                    let template = &stored.template;
                    let all = template.versions.newest_first().count() as u64;
                    let mut versions =
                        template::store::versions(table, tenant, template, VERSIONS_MAX_BYTES).await?;
                    versions.reverse();
                    parts.versions += versions.len() as u64;
                    parts.versions_left_out += all.saturating_sub(versions.len() as u64);
                    parts.add(&export::template(template, &versions)?).await?;
                    Item { rev: Some(template.rev), ..Item::new(Outcome::Unchanged) }
                }
                Err(error @ Error::NotFound(_)) => failed(error)?,
                Err(error) => return Err(error),
            });
        }
        parts.finish(Subject::Template, outcomes).await
    }

    /// Puts together what the chunks of a job have written.
    pub(crate) async fn assemble(
        &self,
        of: Of<'_>,
        job: &Job,
        plan: &Plan,
        layout: Layout,
    ) -> Result<JobFile> {
        let table = &self.library.base.store;
        let object = format!("files/{:08x}", fastrand::u32(..));
        let mut writer = self.files.writer(job_key(of.tenant, of.id, &object));
        let mut ended = 0;
        let mut assembly = Assembly::new(layout, rfc3339(job.created.at));
        let mut next = 1;
        while next <= plan.first {
            let chunks = store::list_chunks(table, of.tenant, of.id, &plan.name, next, CHUNKS_READ).await?;
            let Some(last) = chunks.last().map(|chunk| chunk.number) else { break };
            for chunk in chunks.iter().filter(|chunk| chunk.number <= plan.first) {
                ended += u32::from(chunk.outcomes.is_some());
                let subject = match chunk.items {
                    Items::Templates(_) => Subject::Template,
                    _ => Subject::Agent,
                };
                for part in &chunk.parts {
                    let key = job_key(of.tenant, of.id, part);
                    let bytes = self.files.get(&key, PART_MAX_BYTES).await?;
                    let bytes = bytes.ok_or_else(|| Error::internal("a part of an export is gone"))?;
                    let text = std::str::from_utf8(&bytes);
                    let text = text.map_err(|_| Error::internal("a part of an export is no text"))?;
                    for line in text.lines() {
                        writer.write(assembly.line(subject, line).as_bytes()).await?;
                    }
                }
            }
            next = last + 1;
        }
        writer.write(assembly.end().as_bytes()).await?;
        let name = layout.file_name().to_owned();
        let file = JobFile { name, bytes: writer.bytes(), object, chunks: ended };
        writer.finish().await?;
        Ok(file)
    }
}
