//! What the routes' queries say, read into the types that the handlers work with.

use agent_management::error::{Error, Result};
use agent_management::event::{EventType, Filter};
use agent_management::http::Parameters;
use agent_management::id::AgentId;
use agent_management::page::LIMIT_MAX;

/// How many of the newest events `last` asks for, if it does.
///
/// # Errors
/// [`Error::InvalidParameter`] outside 1 to [`LIMIT_MAX`], or beside `after` or `limit`.
pub fn last(parameters: Parameters<'_>) -> Result<Option<usize>> {
    let Some(given) = parameters.get("last") else {
        return Ok(None);
    };
    let invalid = |detail: String| Err(Error::InvalidParameter { name: "last", detail });
    if parameters.get("after").is_some() || parameters.get("limit").is_some() {
        return invalid("must not stand beside after or limit".to_owned());
    }
    let is_plain = given.bytes().all(|byte| byte.is_ascii_digit());
    match given.parse::<u32>() {
        Ok(count) if is_plain && (1..=LIMIT_MAX).contains(&count) => Ok(Some(count as usize)),
        Ok(_) | Err(_) => invalid(format!("must be a number from 1 to {LIMIT_MAX}")),
    }
}

/// Which events `types` and `agent` ask for.
///
/// # Errors
/// [`Error::InvalidParameter`].
pub fn filter(parameters: Parameters<'_>) -> Result<Filter> {
    let mut types = Vec::new();
    if let Some(names) = parameters.get("types") {
        for (index, name) in names.split(',').enumerate() {
            types.push(name.parse().map_err(|_| {
                let detail = format!("its entry {} is not one of {}", index + 1, EventType::NAMES.join(", "));
                Error::InvalidParameter { name: "types", detail }
            })?);
        }
    }
    let agent_ids = match parameters.get("agent") {
        None => Vec::new(),
        Some(id) => {
            let invalid =
                |_| Error::InvalidParameter { name: "agent", detail: "is no agent's id".to_owned() };
            vec![id.parse::<AgentId>().map_err(invalid)?.to_string()]
        }
    };
    Ok(Filter { types, agent_ids, tags: Vec::new() })
}
