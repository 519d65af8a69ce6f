//! Posting to sockets through API Gateway's management API.

use std::time::Duration;

use aws_sdk_apigatewaymanagement::Client;
use aws_sdk_apigatewaymanagement::error::ProvideErrorMetadata;
use aws_sdk_apigatewaymanagement::primitives::Blob;

use super::{Connection, Frame, State, store};
use crate::dynamo::Store;
use crate::error::Result;
use crate::event::cursor;
use crate::id::{ConnectionId, TenantId};

/// How often a post is tried again that API Gateway throttled or that did not arrive.
const RETRIES_MAX: u32 = 2;
const BACKOFF_MAX_MS: u64 = 50;
/// How long one post may take in all. A socket that takes longer is told of a gap instead.
const POST_MAX: Duration = Duration::from_millis(750);

/// What became of a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Posted {
    Done,
    /// There is no such connection any more.
    Gone,
    /// It was throttled, too slow, or could not be reached.
    Dropped,
}

/// API Gateway's management API of the WebSocket API's stage.
#[derive(Debug, Clone)]
pub struct Sockets {
    client: Client,
}

impl Sockets {
    /// `client` must not retry by itself.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// Sends a text to a socket.
    pub async fn post(&self, id: &ConnectionId, text: &str) -> Posted {
        let attempts = async {
            for attempt in 0..=RETRIES_MAX {
                let post = self.client.post_to_connection().connection_id(id.as_str());
                let Err(error) = post.data(Blob::new(text.as_bytes())).send().await else {
                    return Posted::Done;
                };
                if error.code() == Some("GoneException") || status(&error) == Some(410) {
                    return Posted::Gone;
                }
                if attempt < RETRIES_MAX {
                    tokio::time::sleep(Duration::from_millis(fastrand::u64(1..=BACKOFF_MAX_MS))).await;
                }
            }
            Posted::Dropped
        };
        tokio::time::timeout(POST_MAX, attempts).await.unwrap_or(Posted::Dropped)
    }

    /// Whether a socket is still open. One that can't be asked about counts as open.
    pub async fn is_open(&self, id: &ConnectionId) -> bool {
        let asked = self.client.get_connection().connection_id(id.as_str()).send().await;
        match asked {
            Ok(_) => true,
            Err(error) => error.code() != Some("GoneException") && status(&error) != Some(410),
        }
    }

    /// Closes a socket, if it is open.
    pub async fn close(&self, id: &ConnectionId) {
        // A socket that stays open is told nothing more and ends by itself.
        let _ = self.client.delete_connection().connection_id(id.as_str()).send().await;
    }
}

/// Tells the client of each lost subscription and forgets it. The connection as it is then; none if it
/// is gone. What can't be told stays lost.
///
/// # Errors
/// As the database's.
pub async fn tell_lost(
    store: &Store,
    sockets: &Sockets,
    tenant: &TenantId,
    connection: Connection,
) -> Result<Option<Connection>> {
    let mut told = Vec::new();
    for (id, number) in connection.lost() {
        match sockets.post(&connection.id, &Frame::Gap { id, cursor: cursor(tenant, number) }.to_json()).await
        {
            Posted::Done => told.push((id.to_owned(), number)),
            Posted::Gone => {
                store::delete(store, tenant, &connection.id).await?;
                return Ok(None);
            }
            Posted::Dropped => break,
        }
    }
    if told.is_empty() {
        return Ok(Some(connection));
    }
    store::update(store, tenant, connection, |now| {
        let mut after = now.clone();
        after.subscriptions.retain(|subscription| {
            !told
                .iter()
                .any(|(id, number)| *id == subscription.id && subscription.state == State::Lost(*number))
        });
        Some(after)
    })
    .await
}

fn status<E>(
    error: &aws_sdk_apigatewaymanagement::error::SdkError<E, aws_smithy_runtime_api::http::Response>,
) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}
