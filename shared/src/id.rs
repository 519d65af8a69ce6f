//! Prefixed, opaque identifiers: a type per resource, each a prefix and 26 characters of Crockford
//! base 32. The characters are a ULID, or derived by SHA-256 when the same request must always
//! name the same resource. Nothing may read meaning out of them.

use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use ulid::Ulid;

/// The text is not an identifier of the kind that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {0}")]
pub struct InvalidId(pub &'static str);

macro_rules! prefixed_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            pub const PREFIX: &'static str = $prefix;

            /// A new random identifier.
            pub fn generate(now: Timestamp) -> Self {
                Self(format!("{}{}", $prefix, Ulid::from_datetime(SystemTime::from(now))))
            }

            /// The identifier that `parts` always lead to. Each part counts with its length, so
            /// that no two lists of parts run together.
            pub fn derived(parts: &[&str]) -> Self {
                Self(format!("{}{}", $prefix, Ulid::from_bytes(digest(parts))))
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// What the characters say, in 16 bytes.
            pub fn to_bytes(&self) -> [u8; 16] {
                let ulid = self.0.strip_prefix($prefix).and_then(|text| Ulid::from_string(text).ok());
                ulid.map(|ulid| ulid.to_bytes()).unwrap_or_default()
            }

            /// The identifier of [`Self::to_bytes`].
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(format!("{}{}", $prefix, Ulid::from_bytes(bytes)))
            }
        }

        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let pattern = concat!("^", $prefix, "[0-7][0-9A-HJKMNP-TV-Z]{25}$");
                schemars::json_schema!({"type": "string", "pattern": pattern})
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                match text.strip_prefix($prefix) {
                    Some(rest) if is_canonical_ulid(rest) => Ok(Self(text.to_owned())),
                    Some(_) | None => Err(InvalidId(stringify!($name))),
                }
            }
        }

        text_newtype!($name);
    };
}

macro_rules! text_newtype {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

prefixed_id!(
    /// An agent's identifier: `agt_` and 26 characters.
    AgentId,
    "agt_"
);

prefixed_id!(
    /// An approval's identifier: `apv_` and 26 characters.
    ApprovalId,
    "apv_"
);

prefixed_id!(
    /// A template's identifier: `tpl_` and 26 characters.
    TemplateId,
    "tpl_"
);

prefixed_id!(
    /// A job's identifier: `job_` and 26 characters.
    JobId,
    "job_"
);

prefixed_id!(
    /// An uploaded file's identifier: `upl_` and 26 characters.
    UploadId,
    "upl_"
);

prefixed_id!(
    /// A webhook endpoint's identifier: `whk_` and 26 characters.
    EndpointId,
    "whk_"
);

/// A tenant, as the token's tenant claim names it: `[A-Za-z0-9-]{1,64}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TenantId(String);

impl TenantId {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TenantId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidId("tenant"))
        }
    }
}

text_newtype!(TenantId);

/// A user of a tenant, as the token's subject claim names it: 1 to 128 bytes of visible ASCII.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UserId(String);

impl UserId {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        if is_visible(text) { Ok(Self(text.to_owned())) } else { Err(InvalidId("user")) }
    }
}

text_newtype!(UserId);

/// API Gateway's name for a connection: opaque, 1 to 128 bytes of visible ASCII.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(String);

impl ConnectionId {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ConnectionId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        if is_visible(text) { Ok(Self(text.to_owned())) } else { Err(InvalidId("connection")) }
    }
}

text_newtype!(ConnectionId);

/// The client's own name for an agent: unique per tenant, immutable, 1 to 128 characters of
/// `[A-Za-z0-9._-]` beginning with a letter or digit, so that it stands in a path as it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AgentKey(String);

impl AgentKey {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AgentKey {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let starts_well = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        if starts_well && text.len() <= 128 && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidId("key"))
        }
    }
}

text_newtype!(AgentKey);

/// A name that leads to versions of an agent: 1 to 64 characters of `[a-z0-9_-]` beginning with a letter.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AliasName(String);

impl AliasName {
    /// The alias of what conversations get that ask for nothing else.
    pub fn live() -> Self {
        Self("live".to_owned())
    }

    pub fn is_live(&self) -> bool {
        self.0 == "live"
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AliasName {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
        let starts_well = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
        if starts_well && text.len() <= 64 && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidId("alias"))
        }
    }
}

text_newtype!(AliasName);

/// A text that no other call gives.
pub fn nonce(now: Timestamp) -> String {
    Ulid::from_datetime(SystemTime::from(now)).to_string()
}

/// The first 16 bytes of the SHA-256 over `parts`, each preceded by its length.
pub fn digest(parts: &[&str]) -> [u8; 16] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    let hash = hasher.finalize();
    std::array::from_fn(|index| hash[index])
}

/// 1 to 128 bytes of visible ASCII.
fn is_visible(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Decoding accepts lower case and overflow; an identifier must be the one spelling that we write.
fn is_canonical_ulid(text: &str) -> bool {
    Ulid::from_string(text).is_ok_and(|ulid| ulid.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_spelling_is_an_id() {
        let id = AgentId::generate(Timestamp::UNIX_EPOCH);
        assert_eq!(id.as_str().parse::<AgentId>(), Ok(id.clone()));
        for bad in [
            "",
            "agt_",
            "agt_1",
            "tpl_00000000000000000000000000",
            &id.as_str().to_lowercase(),
            &format!("{id}0"),
            "agt_ZZZZZZZZZZZZZZZZZZZZZZZZZZ",
            "agt_0000000000000000000000000\u{0}",
        ] {
            assert!(bad.parse::<AgentId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn derived_ids_do_not_run_parts_together() {
        assert_eq!(AgentId::derived(&["a", "b"]), AgentId::derived(&["a", "b"]));
        assert_ne!(AgentId::derived(&["a", "b"]), AgentId::derived(&["ab", ""]));
        assert_ne!(AgentId::derived(&["a", "b"]), AgentId::derived(&["a", "b", ""]));
    }

    #[test]
    fn tenants_keep_to_their_alphabet() {
        assert!("acme-1".parse::<TenantId>().is_ok());
        for bad in ["", "_", "a#b", "a/b", "ä", &"a".repeat(65)] {
            assert!(bad.parse::<TenantId>().is_err(), "{bad:?}");
        }
    }
}
