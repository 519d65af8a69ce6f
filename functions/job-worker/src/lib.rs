//! The `job-worker` function: steps of jobs, as the job queue brings them. A step finds a job's items and cuts
//! them into chunks, or runs one chunk, and sends the messages of what follows. All of it may be done again, late
//! and in any order: what was decided about an item is written down before it is done, what became of it is
//! counted once, and whoever comes again finds it there. The key is the chunk's place in its job.

mod change;
mod export;
mod import;
mod memory;
mod plan;
mod rebuild;
mod revert;
mod run;
mod running;

use std::sync::Arc;

use agent_management::agent::Stamp;
use agent_management::clock::Clock;
use agent_management::error::{Error, Result};
use agent_management::files::store::Files;
use agent_management::id::{JobId, TenantId};
use agent_management::job::message::{Message, Step};
use agent_management::job::store::{self, Ending, Written};
use agent_management::job::{Job, Next, RECEPTIONS_MAX, Spec};
use agent_management::queue::Queue;
use agent_management::usecase::library::Library;
use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::Value;

use crate::memory::Memory;

/// How many messages of a batch are served at once.
const STEPS_AT_ONCE: usize = 2;

/// The function with what it depends on, and what it remembers between invocations.
#[derive(Debug, Clone)]
pub struct JobWorker {
    library: Library,
    jobs: Queue,
    files: Files,
    clock: Clock,
    memory: Arc<Memory>,
}

/// A job of a tenant, as a message names it.
#[derive(Debug, Clone, Copy)]
struct Of<'a> {
    tenant: &'a TenantId,
    id: &'a JobId,
}

impl JobWorker {
    pub fn new(library: Library, jobs: Queue, files: Files, clock: Clock) -> Self {
        Self { library, jobs, files, clock, memory: Arc::default() }
    }

    /// Answers a batch of the queue: which messages have to come again.
    ///
    /// # Errors
    /// For an event that is no batch.
    pub async fn handle(&self, event: Value) -> Result<Value, lambda_runtime::Error> {
        let batch = SqsEvent::deserialize(event)?;
        let steps = batch.records.into_iter().map(|message| async move {
            let outcome = self.step(&message).await;
            (message.message_id.unwrap_or_default(), outcome)
        });
        // Each may hold a hundred of the largest agents.
        let steps = futures_util::stream::iter(steps).buffer_unordered(STEPS_AT_ONCE);
        let outcomes: Vec<(String, Result<()>)> = steps.collect().await;
        let mut response = SqsBatchResponse::default();
        for (message_id, outcome) in outcomes {
            let Err(error) = outcome else { continue };
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::error!(%error, cause, "a step of a job failed");
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = message_id;
            response.batch_item_failures.push(failure);
        }
        Ok(serde_json::to_value(response)?)
    }

    async fn step(&self, message: &SqsMessage) -> Result<()> {
        let body = message.body.as_deref().unwrap_or_default();
        let said: Message =
            serde_json::from_str(body).map_err(|_| Error::internal("a message of the job queue is none"))?;
        let of = Of { tenant: &said.tenant, id: &said.job };
        let receptions = message.attributes.get("ApproximateReceiveCount");
        let receptions = receptions.and_then(|count| count.parse().ok()).unwrap_or(1);
        let done = match said.step {
            // It will not come again, and a job always ends.
            Step::Plan if receptions >= RECEPTIONS_MAX => self.give_up_planning(of).await,
            Step::Plan => self.plan(of).await,
            Step::Run { plan, chunk } => self.run(of, &plan, chunk, receptions).await,
        };
        match done {
            // It has been forgotten: there is nothing to do any more.
            Err(Error::NotFound("job")) => Ok(()),
            done => done,
        }
    }

    fn stamp(&self, job: &Job) -> Stamp {
        Stamp { at: self.clock.now(), by: job.created.by.clone() }
    }

    async fn spec(&self, of: Of<'_>) -> Result<Arc<Spec>> {
        if let Some(known) = self.memory.spec(of) {
            return Ok(known);
        }
        let spec = Arc::new(store::get_spec(&self.library.base.store, of.tenant, of.id).await?);
        self.memory.keep_spec(of, Arc::clone(&spec));
        Ok(spec)
    }

    /// Sends the messages of chunks that may run.
    async fn release(&self, of: Of<'_>, job: &Job, chunks: &[u32]) -> Result<()> {
        let Some(plan) = &job.plan else {
            return Ok(());
        };
        let message = |chunk: &u32| {
            let step = Step::Run { plan: plan.name.clone(), chunk: *chunk };
            Message::new(of.tenant, of.id, step)
        };
        let messages: Vec<Message> = chunks.iter().map(message).collect();
        self.jobs.send_of_group(of.tenant.as_str(), &messages).await
    }

    /// Does what follows a chunk that is behind its lane.
    async fn go_on(&self, of: Of<'_>, job: Job, chunk: u32) -> Result<()> {
        match job.after(chunk) {
            Next::Release(chunks) => self.release(of, &job, &chunks).await,
            Next::Finish => self.finish(of, job).await,
            Next::Nothing => Ok(()),
        }
    }

    /// Ends a job of which nothing is under way.
    async fn finish(&self, of: Of<'_>, mut job: Job) -> Result<()> {
        while !job.state.is_ended() || job.is_mended() {
            let (state, problem) = job.ending();
            let skipped =
                job.total().saturating_sub(job.counts.done() + job.counts.failed() + job.stuck_items);
            let ending = Ending { state, problem, skipped };
            match store::finish(&self.library.base.store, of.tenant, &job, ending, self.stamp(&job)).await? {
                Written::Done(_) => return Ok(()),
                // It was cancelled, or another has ended it.
                Written::Refused(now) => job = now,
            }
        }
        Ok(())
    }
}
