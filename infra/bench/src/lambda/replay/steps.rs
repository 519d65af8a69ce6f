//! Jobs in the table, written as the service writes them, and the messages of their steps.

use agent_management::creation::{Creation, Request};
use agent_management::id::{JobId, UserId};
use agent_management::job::message::{Message, Step};
use agent_management::job::store;
use agent_management::job::{Job, JobDocument, Spec};
use serde_json::{Value, json};
use tokio::runtime::Handle;

use crate::seed::Seeded;

/// Who starts jobs.
const USER: &str = "dev";

/// Waits for what the table of this process does.
pub fn wait<T, E: ToString>(work: impl Future<Output = Result<T, E>>) -> Result<T, String> {
    let done = tokio::task::block_in_place(|| Handle::current().block_on(work));
    done.map_err(|error| error.to_string())
}

/// Writes a job that is asked for like this.
pub fn start(seeded: &Seeded, said: Value) -> Result<JobId, String> {
    insert(seeded, &JobDocument::read(said).map_err(|error| error.to_string())?)
}

/// Writes a job that nobody has planned.
pub fn insert(seeded: &Seeded, spec: &Spec) -> Result<JobId, String> {
    let now = seeded.host.clock.now();
    let by: UserId = USER.parse().map_err(|_| "a user")?;
    let job = Job::new(JobId::generate(now), spec, &by, now);
    let request = Request { route: "POST /v1/jobs", idempotency_key: None, said: "" };
    let creation = Creation::new(&by, &request, now);
    wait(store::insert(&seeded.host.store, &seeded.tenant, &job, spec, creation))?;
    Ok(job.id)
}

pub fn get(seeded: &Seeded, id: &JobId) -> Result<Job, String> {
    wait(store::get(&seeded.host.store, &seeded.tenant, id, seeded.host.clock.now()))
}

/// The step that plans a job.
pub fn plan(seeded: &Seeded, id: &JobId) -> Result<Value, String> {
    event(&Message::new(&seeded.tenant, id, Step::Plan))
}

/// The step that runs the one chunk of a job.
pub fn run(seeded: &Seeded, id: &JobId) -> Result<Value, String> {
    let plan = get(seeded, id)?.plan.ok_or("the job has no plan")?;
    event(&Message::new(&seeded.tenant, id, Step::Run { plan: plan.name, chunk: 1 }))
}

/// A batch of one message, as SQS's mapping has it.
fn event(message: &Message) -> Result<Value, String> {
    let body = serde_json::to_string(message).map_err(|error| error.to_string())?;
    let at = "1767225600000";
    Ok(json!({"Records": [{
        "messageId": "00000000-0000-4000-8000-000000000001",
        "receiptHandle": "bench",
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": at,
            "SenderId": "bench",
            "ApproximateFirstReceiveTimestamp": at,
        },
        "messageAttributes": {},
        "md5OfBody": "",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:jobs",
        "awsRegion": "us-east-1",
    }]}))
}
