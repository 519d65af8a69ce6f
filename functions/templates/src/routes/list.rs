//! `GET /v1/templates`: the tenant's own, newest first, and then the service's, in its order.

use agent_management::error::{Error, Result};
use agent_management::http::{Call, Reply};
use agent_management::id::TenantId;
use agent_management::page::{Binding, Page};
use agent_management::template::{TemplateSummary, Visibility, store};

use crate::Templates;

/// Where in the service's own a page goes on, in a cursor.
const PUBLIC: &str = "public#";

pub async fn list(templates: &Templates, call: &Call) -> Result<Reply> {
    let tenant = &call.caller()?.tenant;
    let parameters = call.parameters(&["limit", "cursor", "visibility"])?;
    let limit = parameters.limit()?;
    let visibility = match parameters.get("visibility") {
        None => None,
        Some("public") => Some(Visibility::Public),
        Some("private") => Some(Visibility::Private),
        Some(_) => {
            let detail = "must be public or private".to_owned();
            return Err(Error::InvalidParameter { name: "visibility", detail });
        }
    };
    let bound_to = parameters.get("visibility").unwrap_or_default();
    let binding = Binding::new(&[tenant.as_str(), "templates", bound_to]);
    let after = parameters.get("cursor").map(|cursor| binding.decode(cursor)).transpose()?;
    let page = page(templates, tenant, visibility, after.as_deref(), limit).await?;
    let next_cursor = page.next_cursor.map(|place| binding.encode(&place));
    Reply::ok(&Page { items: page.items, next_cursor })
}

async fn page(
    templates: &Templates,
    tenant: &TenantId,
    visibility: Option<Visibility>,
    after: Option<&str>,
    limit: u32,
) -> Result<Page<TemplateSummary>> {
    let public_after = after.and_then(|place| place.strip_prefix(PUBLIC));
    let is_private_next = visibility != Some(Visibility::Public) && public_after.is_none();
    let mut items = Vec::new();
    if is_private_next {
        let page = store::list(&templates.library.base.store, tenant, after, limit).await?;
        items = page.items;
        if page.next_cursor.is_some() || visibility == Some(Visibility::Private) {
            return Ok(Page { items, next_cursor: page.next_cursor });
        }
    }
    let public = templates.library.public.all();
    let first = match public_after {
        Some(place) => place.parse().map_err(|_| Error::InvalidCursor)?,
        None if is_private_next || after.is_none() => 0,
        None => return Err(Error::InvalidCursor),
    };
    let room = usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(items.len());
    items.extend(public.iter().skip(first).take(room).map(TemplateSummary::from));
    let end = first.saturating_add(room);
    Ok(Page { items, next_cursor: (end < public.len()).then(|| format!("{PUBLIC}{end}")) })
}
