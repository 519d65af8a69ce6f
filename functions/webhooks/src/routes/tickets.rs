//! `POST /v1/ws-tickets`.

use agent_management::clock::rfc3339;
use agent_management::connection::{TICKET_AGE_S, Ticket, TicketDocument, store};
use agent_management::error::Result;
use agent_management::http::{Call, Reply};
use http::StatusCode;
use jiff::SignedDuration;

use crate::Webhooks;

pub async fn create(webhooks: &Webhooks, call: &Call) -> Result<Reply> {
    let caller = call.caller()?;
    call.parameters(&[])?;
    call.nothing_said()?;
    let ticket = Ticket::generate(&caller.tenant)?;
    store::insert_ticket(&webhooks.store, &ticket, caller, call.now).await?;
    let expires_at = call.now.saturating_add(SignedDuration::from_secs(TICKET_AGE_S));
    let document =
        TicketDocument { ticket: ticket.reveal(), expires_at: expires_at.map(rfc3339).unwrap_or_default() };
    Reply::json(StatusCode::CREATED, &document)
}
