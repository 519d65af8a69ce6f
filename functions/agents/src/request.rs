//! What the routes' queries say, read into the types that the handlers work with.

use agent_management::agent::store::Order;
use agent_management::error::{Error, Result};
use agent_management::http::Parameters;

/// The order that `sort` asks for.
///
/// # Errors
/// [`Error::InvalidParameter`].
pub fn order(parameters: Parameters<'_>) -> Result<Order> {
    match parameters.get("sort") {
        None | Some("-created_at") => Ok(Order::NewestFirst),
        Some("created_at") => Ok(Order::OldestFirst),
        Some(_) => {
            let detail = "must be created_at or -created_at".to_owned();
            Err(Error::InvalidParameter { name: "sort", detail })
        }
    }
}
