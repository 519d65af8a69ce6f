//! `GET /v1/agents`.

use agent_management::agent::store::{self, Order};
use agent_management::agent::{Fields, SUMMARY_FIELDS};
use agent_management::error::Result;
use agent_management::http::{Call, Reply};
use agent_management::page::{Binding, Page};

use crate::{Agents, request};

pub async fn list(agents: &Agents, call: &Call) -> Result<Reply> {
    let tenant = &call.caller()?.tenant;
    let parameters = call.parameters(&["limit", "cursor", "sort", "fields"])?;
    let limit = parameters.limit()?;
    let fields = parameters.get("fields").map(|fields| Fields::parse(fields, &SUMMARY_FIELDS)).transpose()?;
    let order = request::order(parameters)?;
    let binding = Binding::new(&[tenant.as_str(), "agents", order_name(order)]);
    let after = parameters.get("cursor").map(|cursor| binding.decode(cursor)).transpose()?;
    let page = store::list(&agents.base.store, tenant, order, after.as_deref(), limit).await?;
    let next_cursor = page.next_cursor.map(|sort_key| binding.encode(&sort_key));
    match fields {
        None => Reply::ok(&Page { items: page.items, next_cursor }),
        Some(fields) => {
            let rows = page.items.iter().map(|row| fields.of(row));
            Reply::ok(&Page { items: rows.collect::<Result<_>>()?, next_cursor })
        }
    }
}

fn order_name(order: Order) -> &'static str {
    match order {
        Order::NewestFirst => "-created_at",
        Order::OldestFirst => "created_at",
    }
}
