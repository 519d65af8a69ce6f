//! Webhooks: which endpoints want which events, and the message that asks for a delivery. Nothing here
//! knows the store, the queue or the clock.

pub mod store;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::event::{Event, Filter};
use crate::id::{EndpointId, TenantId};

/// Where a tenant wants its events sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Endpoint {
    pub id: EndpointId,
    pub filter: Filter,
}

impl Endpoint {
    pub fn wants(&self, event: &Event) -> bool {
        self.filter.admits(event)
    }
}

/// What the webhook queue carries: one event for one endpoint. It may come more than once; whoever
/// delivers it tells it apart by endpoint and event.
#[derive(Debug, Serialize)]
pub struct Delivery<'a> {
    pub tenant: &'a TenantId,
    pub endpoint: &'a EndpointId,
    pub event: &'a RawValue,
}
