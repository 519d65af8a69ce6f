//! The process: data folder, listener, and an end that lets requests finish.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use agent_management::clock::Clock;
use agent_management::http::cors::Cors;
use agent_management::id::TenantId;
use agent_management::lambda::log_filter;
use agent_management::tenant;
use agent_management::tier::Overrides;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use axum::serve::ListenerExt;
use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::cli::Options;
use crate::gateway::BODY_MAX_BYTES;
use crate::host::{Host, Parts};
use crate::issuer::TokenRequest;
use crate::{banner, bucket, control, pages, schedule, socket};

/// What a demo tenant has to look at.
const SAMPLE_AGENT: &str = include_str!("../../seeds/sample-agent.json");

/// The greatest file that is sent at once, with the form around it.
const FILE_MAX_BYTES: usize = 80 * 1024 * 1024;

/// How long requests may take to finish after the signal to stop.
const DRAIN_MAX: Duration = Duration::from_secs(10);

#[derive(Debug)]
struct Server {
    host: Arc<Host>,
    base_url: String,
    /// Turns true when the host is about to stop, which ends its sockets.
    stopping: watch::Receiver<bool>,
}

/// Runs until SIGINT or SIGTERM.
///
/// # Errors
/// What keeps it from starting, in words for the person at the terminal.
pub async fn run(options: Options) -> Result<(), String> {
    init_tracing();
    let running = start(&options).await?;
    println!("{}", running.banner);
    wait_for_signal().await?;
    running.stop().await
}

/// A host that serves.
#[derive(Debug)]
pub struct Running {
    pub base_url: String,
    pub banner: String,
    stopping: watch::Sender<bool>,
    serving: JoinHandle<std::io::Result<()>>,
    background: Vec<JoinHandle<()>>,
    // Held until the end, so that no other process opens the table.
    _folder: DataFolder,
}

/// Starts a host: it serves when this returns.
///
/// # Errors
/// What keeps it from starting.
pub async fn start(options: &Options) -> Result<Running, String> {
    let cors = Cors::admitting(options.cors_origins.iter().map(String::as_str))
        .map_err(|error| format!("--cors-origin: {error}"))?;
    let listener = TcpListener::bind(("127.0.0.1", options.port)).await.map_err(|error| {
        format!("port {} can't be listened on: {error}; --port takes another", options.port)
    })?;
    let base_url = format!("http://{}", listener.local_addr().map_err(|error| error.to_string())?);
    let folder = DataFolder::open(options)?;
    let host = Arc::new(open_host(folder.path(), &base_url, cors).await?);
    let shown =
        if options.ephemeral { "kept nowhere".to_owned() } else { folder.path().display().to_string() };
    let banner = banner::text(&host, &base_url, &shown);
    let (stopping, stopped) = watch::channel(false);
    let background =
        vec![tokio::spawn(run_mapping(Arc::clone(&host))), tokio::spawn(schedule::run(Arc::clone(&host)))];
    let server = Server { host, base_url: base_url.clone(), stopping: stopped.clone() };
    let router = axum::Router::new().fallback(answer).with_state(Arc::new(server));
    // Without this a small frame waits for the acknowledgement of the one before it.
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    let serving = axum::serve(listener, router).with_graceful_shutdown(async move {
        let mut stopped = stopped;
        let _ = stopped.wait_for(|stopping| *stopping).await;
    });
    let serving = tokio::spawn(serving.into_future());
    Ok(Running { base_url, banner, stopping, serving, background, _folder: folder })
}

impl Running {
    /// Takes no more connections and lets the requests that are there finish.
    ///
    /// # Errors
    /// When some do not in time.
    pub async fn stop(self) -> Result<(), String> {
        self.stopping.send_replace(true);
        let drained = tokio::time::timeout(DRAIN_MAX, self.serving).await;
        // What they had not done yet is in the table and the queues, and is done at the next start.
        for task in &self.background {
            task.abort();
        }
        for task in self.background {
            let _ = task.await;
        }
        match drained {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(error))) => Err(error.to_string()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("some requests did not finish in time".to_owned()),
        }
    }
}

fn init_tracing() {
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    tracing_subscriber::registry().with(log_filter(LevelFilter::WARN)).with(lines).init();
}

/// The folder of the table and the key, held by one process at a time.
#[derive(Debug)]
struct DataFolder {
    path: PathBuf,
    _lock: File,
    _temporary: Option<tempfile::TempDir>,
}

impl DataFolder {
    fn open(options: &Options) -> Result<Self, String> {
        let temporary = options
            .ephemeral
            .then(tempfile::tempdir)
            .transpose()
            .map_err(|error| format!("no temporary folder: {error}"))?;
        let path = temporary.as_ref().map_or_else(|| options.data.clone(), |folder| folder.path().to_owned());
        let unusable =
            |error: std::io::Error| format!("the data folder {} can't be used: {error}", path.display());
        std::fs::create_dir_all(&path).map_err(unusable)?;
        let lock = File::create(path.join("lock")).map_err(unusable)?;
        lock.try_lock().map_err(|_| {
            format!("another process uses the data folder {}; --data takes another", path.display())
        })?;
        Ok(Self { path, _lock: lock, _temporary: temporary })
    }

    fn path(&self) -> &Path {
        &self.path
    }
}

/// Feeds the stream and the queue to their functions.
async fn run_mapping(host: Arc<Host>) {
    tokio::join!(host.fanout.run(), host.indexer.run(), host.jobs.run());
}

async fn open_host(folder: &Path, base_url: &str, cors: Cors) -> Result<Host, String> {
    let files_url = bucket::url(base_url);
    let host = Host::new(Parts { files_url, cors, ..Parts::kept_in(folder, Clock::system())? }).await?;
    entitle_demo_tenants(&host).await.map_err(|error| error.to_string())?;
    create_samples(&host).await;
    Ok(host)
}

/// Gives each demo tenant an agent to look at, through the service's own door. It is made once: the
/// same request later finds it, or finds that it was deleted.
async fn create_samples(host: &Host) {
    for tier in host.tiers.all() {
        let request = TokenRequest::for_tenant(&banner::demo_tenant(&tier.name));
        let token = host.issuer.token(&request, host.clock.now());
        let request = http::Request::post("/v1/agents")
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .header("idempotency-key", "sample-agent")
            .body(Bytes::from_static(SAMPLE_AGENT.as_bytes()));
        if let Ok(request) = request {
            host.gateway.answer(request).await;
        }
    }
}

/// Gives each tier its tenant, once.
async fn entitle_demo_tenants(host: &Host) -> agent_management::error::Result<()> {
    for tier in host.tiers.all() {
        let Ok(demo) = banner::demo_tenant(&tier.name).parse::<TenantId>() else {
            continue;
        };
        let record = tenant::store::get(&host.store, &demo).await?;
        if record.and_then(|record| record.entitlements).is_none() {
            host.entitle(&demo, &tier.name, &Overrides::new()).await?;
        }
    }
    Ok(())
}

async fn wait_for_signal() -> Result<(), String> {
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.map_err(|error| error.to_string()),
        _ = terminate.recv() => Ok(()),
    }
}

async fn answer(State(server): State<Arc<Server>>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    if parts.uri.path() == socket::PATH {
        return Box::pin(socket::open(&server.host, &mut parts, server.stopping.clone())).await;
    }
    if parts.uri.path().starts_with(bucket::PATH) {
        return match to_bytes(body, FILE_MAX_BYTES).await {
            Ok(body) => control::file(&server.host, Request::from_parts(parts, body)).await.map(Body::from),
            Err(_) => Response::builder().status(413).body(Body::empty()).unwrap_or_default(),
        };
    }
    // One byte over the limit, so that the gateway sees that there is more.
    let body = match to_bytes(body, BODY_MAX_BYTES + 1).await {
        Ok(body) => body,
        Err(_) => vec![0; BODY_MAX_BYTES + 1].into(),
    };
    let request = Request::from_parts(parts, body);
    let path = request.uri().path();
    let response = if path == "/_local" || path.starts_with("/_local/") {
        control::answer(&server.host, &server.base_url, request).await
    } else if let Some(page) = pages::answer(request.method(), path) {
        page
    } else {
        server.host.gateway.answer(request).await
    };
    response.map(Body::from)
}
