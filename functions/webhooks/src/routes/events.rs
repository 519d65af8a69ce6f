//! `GET /v1/events`.

use agent_management::error::Result;
use agent_management::event::{self, EventsPage, LoggedEvent, store};
use agent_management::http::{Call, Reply};

use crate::{Webhooks, request};

/// How many pieces of the log one request reads when few of its events are wanted.
const READS_MAX: usize = 4;

pub async fn list(webhooks: &Webhooks, call: &Call) -> Result<Reply> {
    let caller = call.caller()?;
    let tenant = &caller.tenant;
    let parameters = call.parameters(&["after", "types", "agent", "limit", "last"])?;
    let limit = parameters.limit()? as usize;
    let filter = request::filter(parameters)?;
    let window = event::replay_window(&webhooks.tiers.limits(&caller.entitlements));
    if let Some(count) = request::last(parameters)? {
        let (found, newest) =
            store::read_last(&webhooks.store, tenant, count, &filter, window, call.now).await?;
        let items = found.iter().map(|numbered| event::logged(tenant, numbered)).collect();
        return Reply::ok(&EventsPage { items, next_cursor: None, cursor: event::cursor(tenant, newest) });
    }
    let given = parameters.get("after").map(|cursor| event::read_cursor(tenant, cursor)).transpose()?;
    let mut position = match given {
        Some(number) => number,
        None => store::window_start(&webhooks.store, tenant, window, call.now).await?,
    };
    let mut items: Vec<LoggedEvent> = Vec::new();
    for turn in 0..READS_MAX {
        let read = store::read_after(&webhooks.store, tenant, position).await?;
        if turn == 0 && given.is_some() {
            store::check_window(&read, position, window, call.now)?;
        }
        for numbered in &read.events {
            if items.len() == limit {
                return page(items, event::cursor(tenant, position), End::Open);
            }
            position = numbered.seq;
            if filter.admits(&numbered.event) {
                items.push(event::logged(tenant, numbered));
            }
        }
        if read.is_at_end {
            return page(items, event::cursor(tenant, position), End::Reached);
        }
    }
    page(items, event::cursor(tenant, position), End::Open)
}

/// Whether the log's end has been read.
#[derive(Clone, Copy)]
enum End {
    Reached,
    Open,
}

fn page(items: Vec<LoggedEvent>, cursor: String, end: End) -> Result<Reply> {
    let next_cursor = match end {
        End::Reached => None,
        End::Open => Some(cursor.clone()),
    };
    Reply::ok(&EventsPage { items, next_cursor, cursor })
}
