//! The functions put together: the one place that knows all of them, and what triggers each.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use agent_management::agent::Stamp;
use agent_management::clock::Clock;
use agent_management::dynamo::Store;
use agent_management::error::{Error, Result};
use agent_management::files::store::Files;
use agent_management::http::cors::Cors;
use agent_management::id::TenantId;
use agent_management::job::RECEPTIONS_MAX;
use agent_management::template::public::PublicTemplates;
use agent_management::tenant;
use agent_management::tier::{Entitlements, Overrides, Tiers};
use agent_management::usecase::Base;
use agent_management::usecase::library::Library;
use agents::Agents;
use authorizer::{Authorizer, KeySource, Settings};
use aws_sdk_dynamodb::config::SharedHttpClient;
use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use job_worker::JobWorker;
use jobs::Jobs;
use search_indexer::SearchIndexer;
use serde_json::Value;
use stream_fanout::StreamFanout;
use templates::Templates;
use webhooks::Webhooks;
use websocket::WebSocket;

use crate::bucket::{self, Bucket};
use crate::clients::{ClientOf, ConnectorOf};
use crate::gateway::{Functions, Gateway};
use crate::issuer::{AUDIENCE, ISSUER, Issuer};
use crate::mapping::Function;
use crate::mapping::queue::{QueueMapping, Settings as QueueSettings};
use crate::mapping::stream::{Settings as StreamSettings, StreamMapping};
use crate::queues::{JOBS, JOBS_DEAD, PARKED, Queues, WEBHOOKS};
use crate::sockets::{Hub, sockets};
use crate::table::stream::Trimmer;
use crate::table::{self, Engine};

/// The mapping of the stream to `stream-fanout`, as the template has it.
pub const FANOUT: StreamSettings = StreamSettings {
    name: "stream-fanout",
    // A creation is two records: the head, and the tenant's record that counts it.
    batch_size: 200,
    maximum_retry_attempts: 1_000,
    maximum_record_age: Duration::from_hours(12),
    bisect_batch_on_function_error: true,
    filter: is_announced,
};

/// The mapping of the stream to `search-indexer`, as the template has it.
pub const INDEXER: StreamSettings =
    StreamSettings { name: "search-indexer", batch_size: 100, filter: is_agent, ..FANOUT };

/// The mapping of the job queue, as the template has it.
pub const JOB_QUEUE: QueueSettings = QueueSettings {
    batch_size: 8,
    visibility_timeout: Duration::from_mins(6),
    max_receive_count: RECEPTIONS_MAX,
};

/// What a host is made of.
#[derive(Debug)]
pub struct Parts {
    pub engine: Engine,
    /// What the SDK talks to: the engine, or what stands before it.
    pub table_client: ClientOf,
    pub hub: Hub,
    /// What posts go to: the hub, or what stands before it.
    pub sockets_client: ClientOf,
    pub queues: Queues,
    /// Where messages go: the queues, or what stands before them.
    pub queues_client: ClientOf,
    pub bucket: Bucket,
    /// What requests for files go to: the bucket, or what stands before it.
    pub files_connector: ConnectorOf,
    /// Where the bucket is for clients, up to its name.
    pub files_url: String,
    pub trimmer: Option<Trimmer>,
    pub issuer: Issuer,
    pub clock: Clock,
    pub cors: Cors,
}

/// Who entitles tenants.
const OPERATOR: &str = "operator";

impl Parts {
    /// With nothing kept but what the engine keeps.
    ///
    /// # Errors
    /// When there are no queues to be had, as text.
    pub fn new(engine: Engine, issuer: Issuer, clock: Clock) -> Result<Self, String> {
        let hub = Hub::new(clock.clone());
        let queues = Queues::open(None, clock.clone())?;
        let bucket = Bucket::open(None, clock.clone())?;
        Ok(Self {
            files_connector: ConnectorOf::any(SharedHttpConnector::new(bucket.clone())),
            files_url: bucket::url("http://files.localhost"),
            bucket,
            table_client: ClientOf::any(SharedHttpClient::new(engine.clone())),
            engine,
            sockets_client: ClientOf::any(SharedHttpClient::new(hub.clone())),
            hub,
            queues_client: ClientOf::any(SharedHttpClient::new(queues.clone())),
            queues,
            trimmer: None,
            issuer,
            clock,
            cors: Cors::default(),
        })
    }

    /// With everything kept in `folder`.
    ///
    /// # Errors
    /// What in the folder can't be used.
    pub fn kept_in(folder: &Path, clock: Clock) -> Result<Self, String> {
        let file = folder.join("table.sqlite");
        let engine = table::open_file(&file)?;
        let issuer =
            Issuer::kept_in(folder).map_err(|error| format!("the signing key can't be used: {error}"))?;
        let trimmer = Trimmer::open(&file).map_err(|error| error.to_string())?;
        let queues = Queues::open(Some(&folder.join("queues.sqlite")), clock.clone())?;
        let queues_client = ClientOf::any(SharedHttpClient::new(queues.clone()));
        let bucket = Bucket::open(Some(&folder.join("files")), clock.clone())?;
        let files_connector = ConnectorOf::any(SharedHttpConnector::new(bucket.clone()));
        let trimmer = Some(trimmer);
        let rest = Self::new(engine, issuer, clock)?;
        Ok(Self { queues, queues_client, bucket, files_connector, trimmer, ..rest })
    }
}

/// The service on one machine.
#[derive(Debug)]
pub struct Host {
    pub gateway: Gateway,
    /// The host's own, for what no function does.
    pub store: Store,
    pub engine: Engine,
    pub hub: Hub,
    pub queues: Queues,
    pub bucket: Bucket,
    /// From the table's stream to `stream-fanout`.
    pub fanout: StreamMapping,
    /// From the table's stream to `search-indexer`.
    pub indexer: StreamMapping,
    /// From the job queue to `job-worker`.
    pub jobs: QueueMapping,
    /// The function that the first mapping and the schedule invoke.
    pub stream_fanout: StreamFanout,
    pub search_indexer: SearchIndexer,
    pub job_worker: JobWorker,
    pub issuer: Issuer,
    pub tiers: Arc<Tiers>,
    pub clock: Clock,
}

impl Host {
    /// Entitles a tenant to a tier and limits of its own, as its operator does, and lets the authorizer's cache
    /// forget what it was entitled to.
    ///
    /// # Errors
    /// As the database's.
    pub async fn entitle(
        &self,
        tenant: &TenantId,
        tier: &str,
        overrides: &Overrides,
    ) -> Result<Entitlements> {
        let by = OPERATOR.parse().map_err(|_| Error::internal("the operator has no name"))?;
        let by = Stamp { at: self.clock.now(), by };
        tenant::store::put_entitlements(&self.store, tenant, tier, overrides, &by).await
    }

    /// # Errors
    /// A bad tier file, as text.
    pub async fn new(parts: Parts) -> Result<Self, String> {
        let Parts {
            engine,
            table_client,
            hub,
            sockets_client,
            queues,
            queues_client,
            bucket,
            files_connector,
            files_url,
            trimmer,
            issuer,
            clock,
            cors,
        } = parts;
        let embedded = || Tiers::embedded().map_err(|error| error.to_string());
        let tiers = Arc::new(embedded()?);
        let store = |function| table::store(table_client.function(function));
        let sockets = |function| sockets(sockets_client.function(function));
        let settings = Settings {
            issuer: ISSUER.to_owned(),
            audience: AUDIENCE.to_owned(),
            tenant_claim: "tenant".to_owned(),
            keys: KeySource::Inline(issuer.key_set()),
        };
        let base = |function| Base::new(store(function), Arc::clone(&tiers));
        let public = Arc::new(PublicTemplates::embedded().map_err(|error| error.to_string())?);
        let signer = bucket::signer(files_url)?;
        let functions = Functions {
            templates: Templates::new(
                Library::new(base("templates"), Arc::clone(&public)),
                clock.clone(),
                cors.clone(),
            ),
            jobs: Jobs::new(base("jobs"), signer.clone(), clock.clone(), cors.clone()),
            agents: Agents::new(base("agents"), clock.clone(), cors.clone()),
            authorizer: Authorizer::new(settings, store("authorizer"), embedded()?, clock.clone()).await,
            webhooks: Webhooks::new(store("webhooks"), Arc::clone(&tiers), clock.clone(), cors.clone()),
            websocket: WebSocket::new(
                store("websocket"),
                sockets("websocket"),
                Arc::clone(&tiers),
                clock.clone(),
            ),
        };
        let queue = |function, name| Queues::queue(name, queues_client.function(function));
        let sending = stream_fanout::Queues {
            webhooks: queue("stream-fanout", WEBHOOKS),
            jobs: queue("stream-fanout", JOBS),
            parked: queue("stream-fanout", PARKED),
        };
        let stream_fanout =
            StreamFanout::new(base("stream-fanout"), sockets("stream-fanout"), sending, clock.clone());
        let function = stream_fanout.clone();
        let function = Function::new(move |event: Value| {
            let function = function.clone();
            async move { function.handle(event).await }
        });
        let trimmer = trimmer.map(|trimmer| Arc::new(Mutex::new(trimmer)));
        let fanout = StreamMapping::new(engine.clone(), FANOUT, function, clock.clone(), trimmer.clone());
        let parked = queue("search-indexer", PARKED);
        let search_indexer = SearchIndexer::new(store("search-indexer"), parked, clock.clone());
        let function = search_indexer.clone();
        let function = Function::new(move |event: Value| {
            let function = function.clone();
            async move { function.handle(event).await }
        });
        let indexer = StreamMapping::new(engine.clone(), INDEXER, function, clock.clone(), trimmer);
        let library = Library::new(base("job-worker"), public);
        let files = Files::new(signer, files_connector.function("job-worker"), clock.clone());
        let job_worker = JobWorker::new(library, queue("job-worker", JOBS), files, clock.clone());
        let function = job_worker.clone();
        let function = Function::new(move |event: Value| {
            let function = function.clone();
            async move { function.handle(event).await }
        });
        let jobs = QueueMapping::new(queues.clone(), JOBS, JOBS_DEAD, JOB_QUEUE, function);
        Ok(Self {
            gateway: Gateway::new(functions, clock.clone(), cors),
            store: store("local"),
            engine,
            hub,
            queues,
            bucket,
            fanout,
            indexer,
            jobs,
            stream_fanout,
            search_indexer,
            job_worker,
            issuer,
            tiers,
            clock,
        })
    }
}

/// The mapping's filter as Lambda has it: heads of agents, jobs and templates, approvals, and
/// tenants' records.
pub const FANOUT_PATTERN: &str =
    r#"{"dynamodb": {"NewImage": {"entity": {"S": ["agent", "approval", "job", "template", "tenant"]}}}}"#;

/// The filter of the other mapping: heads of agents.
pub const INDEXER_PATTERN: &str = r#"{"dynamodb": {"NewImage": {"entity": {"S": ["agent"]}}}}"#;

/// What [`INDEXER_PATTERN`] lets through.
fn is_agent(record: &Value) -> bool {
    record["dynamodb"]["NewImage"]["entity"]["S"] == "agent"
}

/// What [`FANOUT_PATTERN`] lets through.
fn is_announced(record: &Value) -> bool {
    let entity = &record["dynamodb"]["NewImage"]["entity"]["S"];
    ["agent", "approval", "job", "template", "tenant"].iter().any(|announced| entity == *announced)
}
