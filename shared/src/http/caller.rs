//! Who calls: what the authorizer learned from the token and the tenant's record, as it travels in
//! API Gateway's authorizer context. Values there are strings and numbers, nothing else.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::id::{TenantId, UserId};
use crate::tier::Entitlements;

/// What a token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    AgentsRead,
    AgentsWrite,
    AgentsPublish,
    TemplatesRead,
    TemplatesWrite,
    JobsRead,
    JobsWrite,
    WebhooksRead,
    WebhooksWrite,
    EventsRead,
}

impl Scope {
    pub const ALL: [Self; 10] = [
        Self::AgentsRead,
        Self::AgentsWrite,
        Self::AgentsPublish,
        Self::TemplatesRead,
        Self::TemplatesWrite,
        Self::JobsRead,
        Self::JobsWrite,
        Self::WebhooksRead,
        Self::WebhooksWrite,
        Self::EventsRead,
    ];

    /// The scope as tokens write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AgentsRead => "agents:read",
            Self::AgentsWrite => "agents:write",
            Self::AgentsPublish => "agents:publish",
            Self::TemplatesRead => "templates:read",
            Self::TemplatesWrite => "templates:write",
            Self::JobsRead => "jobs:read",
            Self::JobsWrite => "jobs:write",
            Self::WebhooksRead => "webhooks:read",
            Self::WebhooksWrite => "webhooks:write",
            Self::EventsRead => "events:read",
        }
    }
}

/// An authenticated caller.
#[derive(Debug, Clone, PartialEq)]
pub struct Caller {
    pub tenant: TenantId,
    pub user: UserId,
    /// Separated by spaces, as in the token; names that we do not know mean nothing.
    pub scopes: String,
    /// The token's expiry. API Gateway may answer from its cache after it, so functions check it.
    pub expires_at: Timestamp,
    /// As the authorizer read them, up to the cache's age ago.
    pub entitlements: Entitlements,
}

impl Caller {
    pub fn has(&self, scope: Scope) -> bool {
        self.scopes.split(' ').any(|name| name == scope.as_str())
    }

    /// # Errors
    /// [`Error::InsufficientScope`] without the scope.
    pub fn require(&self, scope: Scope) -> Result<()> {
        if self.has(scope) { Ok(()) } else { Err(Error::InsufficientScope(scope.as_str())) }
    }

    /// The caller as an authorizer's context.
    pub fn to_context(&self) -> HashMap<String, Value> {
        let overrides = serde_json::to_string(&self.entitlements.overrides).unwrap_or_default();
        HashMap::from([
            ("tenant".to_owned(), self.tenant.as_str().into()),
            ("user".to_owned(), self.user.as_str().into()),
            ("scopes".to_owned(), self.scopes.as_str().into()),
            ("expires_at".to_owned(), self.expires_at.as_second().into()),
            ("tier".to_owned(), self.entitlements.tier.as_str().into()),
            ("overrides".to_owned(), overrides.into()),
            ("entitlements_rev".to_owned(), self.entitlements.rev.into()),
        ])
    }

    /// The caller in an authorizer's context, or none if it is not one that we made. API Gateway
    /// hands numbers on as strings.
    pub fn from_context(context: &HashMap<String, Value>) -> Option<Self> {
        let text = |name: &str| context.get(name).and_then(Value::as_str);
        let number = |name: &str| match context.get(name)? {
            Value::String(digits) => digits.parse().ok(),
            Value::Number(number) => number.as_i64(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        Some(Self {
            tenant: text("tenant")?.parse().ok()?,
            user: text("user")?.parse().ok()?,
            scopes: text("scopes")?.to_owned(),
            expires_at: Timestamp::from_second(number("expires_at")?).ok()?,
            entitlements: Entitlements {
                tier: text("tier")?.to_owned(),
                overrides: serde_json::from_str(text("overrides")?).ok()?,
                rev: u64::try_from(number("entitlements_rev")?).ok()?,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tier::LimitName;

    #[test]
    fn a_caller_survives_the_context_and_its_numbers_as_strings() {
        let caller = Caller {
            tenant: "acme".parse().unwrap(),
            user: "dev".parse().unwrap(),
            scopes: "agents:read agents:writer".to_owned(),
            expires_at: Timestamp::from_second(1_800_000_000).unwrap(),
            entitlements: Entitlements {
                tier: "pro".to_owned(),
                overrides: [(LimitName::RequestsPerMinute, None)].into(),
                rev: 3,
            },
        };
        let mut context = caller.to_context();
        assert_eq!(Caller::from_context(&context), Some(caller.clone()));
        for value in context.values_mut() {
            if value.is_number() {
                *value = Value::String(value.to_string());
            }
        }
        assert_eq!(Caller::from_context(&context), Some(caller.clone()));
        assert!(caller.has(Scope::AgentsRead));
        assert!(!caller.has(Scope::AgentsWrite), "a longer name is another scope");
        context.remove("tenant");
        assert_eq!(Caller::from_context(&context), None);
    }
}
