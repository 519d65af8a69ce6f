//! How long a change takes to a socket, to a thousand of them, and how many events pass in a second.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use agent_management::clock::Clock;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use local::host::{Host, Parts};
use local::issuer::TokenRequest;
use local::mapping::Turn;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::client::Client;
use crate::load;
use crate::server::Server;

/// Sockets that one change goes to.
const SOCKETS: usize = 1_000;
/// Connections that changes are sent over.
const SENDERS: usize = 8;
/// Changes that pass the fan-out alone.
const FANNED_OUT: usize = 5_000;
const PATIENCE: Duration = Duration::from_secs(30);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Prints the table of latencies.
pub async fn measure(server: &Server, token: &str, duration: Duration) -> Result<(), String> {
    let mut settling = Client::connect(&server.address).await?;
    settling.send("GET", "/_local/idle", None, None).await?;
    println!("\n{:<34} {:>9} {:>9} {:>9}", "change to socket", "changes", "p50 ms", "p99 ms");
    for per_second in [1, 200] {
        let seconds = if per_second == 1 { duration.max(Duration::from_secs(10)) } else { duration };
        let mut latencies = latencies(server, token, per_second, seconds).await?;
        latencies.sort_unstable();
        let at = |hundredths: usize| latencies[latencies.len() * hundredths / 100].as_secs_f64() * 1_000.0;
        let name = format!("{per_second} changes a second");
        println!("{name:<34} {:>9} {:>9.2} {:>9.2}", latencies.len(), at(50), at(99));
    }
    let (first, last) = to_many(server, token).await?;
    println!("\none change to {SOCKETS} sockets: the first after {first:.1} ms, the last after {last:.1} ms");
    Ok(())
}

/// Opens a socket that gets every event.
async fn subscribe(server: &Server, client: &mut Client, token: &str) -> Result<Socket, String> {
    let ticket = client.send("POST", "/v1/ws-tickets", Some(token), None).await?;
    let ticket: Value = serde_json::from_slice(&ticket).map_err(|error| error.to_string())?;
    let url = format!("ws://{}/ws?ticket={}", server.address, ticket["ticket"].as_str().unwrap_or_default());
    let (mut socket, _) = tokio_tungstenite::connect_async_with_config(url, None, true)
        .await
        .map_err(|error| error.to_string())?;
    let message = json!({"action": "subscribe", "id": "bench"}).to_string();
    socket.send(Message::text(message)).await.map_err(|error| error.to_string())?;
    let answer = hear(&mut socket).await?;
    if answer["type"] == "subscribed" { Ok(socket) } else { Err(answer.to_string()) }
}

async fn hear(socket: &mut Socket) -> Result<Value, String> {
    loop {
        let message = tokio::time::timeout(PATIENCE, socket.next()).await.map_err(|_| "no frame in time")?;
        let message = message.ok_or("the socket ended")?.map_err(|error| error.to_string())?;
        if let Message::Text(text) = message {
            return serde_json::from_str(&text).map_err(|error| error.to_string());
        }
    }
}

async fn create(client: &mut Client, token: &str) -> Result<String, String> {
    let answer = client.send("POST", "/v1/agents", Some(token), Some(&load::an_agent())).await?;
    let agent: Value = serde_json::from_slice(&answer).map_err(|error| error.to_string())?;
    Ok(format!("/v1/agents/{}", agent["id"].as_str().unwrap_or_default()))
}

/// From sending each change, at a steady rate, to its arrival at a socket.
async fn latencies(
    server: &Server,
    token: &str,
    per_second: u32,
    duration: Duration,
) -> Result<Vec<Duration>, String> {
    let mut client = Client::connect(&server.address).await?;
    let mut senders = Vec::new();
    for _ in 0..SENDERS {
        let path = create(&mut client, token).await?;
        let (sender, mut changes) = mpsc::unbounded_channel::<usize>();
        let mut connection = Client::connect(&server.address).await?;
        let token = token.to_owned();
        tokio::spawn(async move {
            while let Some(change) = changes.recv().await {
                let patch = json!({"name": format!("change {change}")});
                if let Err(error) = connection.change(&path, &token, &patch).await {
                    eprintln!("{error}");
                }
            }
        });
        senders.push(sender);
    }
    client.send("GET", "/_local/idle", None, None).await?;
    let mut socket = subscribe(server, &mut client, token).await?;
    let changes = usize::try_from(per_second).unwrap_or_default()
        * usize::try_from(duration.as_secs()).unwrap_or_default();
    let mut sent: HashMap<String, Instant> = HashMap::new();
    let mut found = Vec::new();
    let mut pace = tokio::time::interval(Duration::from_secs(1) / per_second);
    let mut change = 0;
    while found.len() < changes {
        tokio::select! {
            _ = pace.tick(), if change < changes => {
                sent.insert(format!("change {change}"), Instant::now());
                let _ = senders[change % SENDERS].send(change);
                change += 1;
            }
            frame = hear(&mut socket) => {
                let frame = frame?;
                let name = frame["event"]["data"]["name"].as_str().unwrap_or_default();
                match sent.remove(name) {
                    Some(sent_at) => found.push(sent_at.elapsed()),
                    None => return Err(format!("an unexpected frame: {frame}")),
                }
            }
        }
    }
    Ok(found)
}

/// From sending one change to its arrival at the first and the last of many sockets, in milliseconds.
async fn to_many(server: &Server, token: &str) -> Result<(f64, f64), String> {
    let mut client = Client::connect(&server.address).await?;
    let path = create(&mut client, token).await?;
    client.send("GET", "/_local/idle", None, None).await?;
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    for _ in 0..SOCKETS {
        let mut socket = subscribe(server, &mut client, token).await?;
        let arrived = arrived.clone();
        tokio::spawn(async move {
            let outcome = hear(&mut socket).await.map(|_| Instant::now());
            let _ = arrived.send(outcome);
        });
    }
    let sent_at = Instant::now();
    client.change(&path, token, &json!({"name": "to many"})).await?;
    let mut after = Vec::new();
    for _ in 0..SOCKETS {
        let arrived_at = arrivals.recv().await.ok_or("a socket ended")??;
        after.push((arrived_at - sent_at).as_secs_f64() * 1_000.0);
    }
    after.sort_unstable_by(f64::total_cmp);
    Ok((after[0], after[SOCKETS - 1]))
}

/// How many events a second pass from the stream to the log, the audit and one tenant's sockets, of
/// which there are none, when nothing else happens.
pub async fn measure_fanout() -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let host = Host::new(Parts::kept_in(folder.path(), Clock::system())?).await?;
    let tenant = "bench".parse().map_err(|_| "a tenant")?;
    let overrides = [(agent_management::tier::LimitName::Agents, None)].into();
    host.entitle(&tenant, "enterprise", &overrides).await.map_err(|error| error.to_string())?;
    let token = host.issuer.token(&TokenRequest::for_tenant("bench"), host.clock.now());
    for _ in 0..FANNED_OUT {
        let request = http::Request::post("/v1/agents")
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .body(Bytes::from(load::an_agent().to_string()))
            .map_err(|error| error.to_string())?;
        let status = host.gateway.answer(request).await.status();
        if status != 201 {
            return Err(format!("a creation was answered {status}"));
        }
    }
    let start = Instant::now();
    while host.fanout.turn().await? != Turn::Idle {}
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let per_second = FANNED_OUT as f64 / start.elapsed().as_secs_f64();
    println!("{FANNED_OUT} events through the fan-out: {per_second:.0} a second");
    Ok(())
}
