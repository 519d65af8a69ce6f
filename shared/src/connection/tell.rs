//! Telling a client which of its subscriptions are lost. A row keeps each until its client has been
//! told; the client then asks again, or does without.

use super::post::{Posted, Sockets};
use super::{Connection, Frame, State, store};
use crate::dynamo::Store;
use crate::error::Result;
use crate::event::cursor;
use crate::id::TenantId;

/// Tells the client of each lost subscription and forgets it. The connection as it is then; none if it
/// is gone. What can't be told stays lost.
///
/// # Errors
/// As the database's.
pub async fn lost(
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
