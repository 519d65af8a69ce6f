//! Cursors: where a list goes on. A cursor is base64url of eight bytes that bind it to its query
//! and tenant, followed by the sort key of the last row. It never carries a partition key, so it
//! can't reach another tenant's rows whatever it says.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schemars::JsonSchema;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::id::digest;

/// Rows that a list gives when the client names no `limit`.
pub const LIMIT_DEFAULT: u32 = 20;
/// The most rows that a client may ask of a list.
pub const LIMIT_MAX: u32 = 100;
/// A cursor's greatest length in characters, above every one that we make.
const CURSOR_MAX: usize = 512;
const BINDING_BYTES: usize = 8;

/// A page of a list, as the client sees it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "{T}Page")]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Null on the last page.
    pub next_cursor: Option<String>,
}

/// What a cursor is bound to: the tenant and whatever changes the rows or their order.
#[derive(Debug, Clone, Copy)]
pub struct Binding([u8; BINDING_BYTES]);

impl Binding {
    pub fn new(parts: &[&str]) -> Self {
        let hash = digest(parts);
        Self(std::array::from_fn(|index| hash[index]))
    }

    pub fn encode(self, sort_key: &str) -> String {
        let mut bytes = self.0.to_vec();
        bytes.extend_from_slice(sort_key.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The number in `cursor`, as it was written.
    ///
    /// # Errors
    /// [`Error::InvalidCursor`] when this query did not make it.
    pub fn decode_number(self, cursor: &str) -> Result<u64> {
        let digits = self.decode(cursor)?;
        let number: u64 = digits.parse().map_err(|_| Error::InvalidCursor)?;
        if number.to_string() == digits { Ok(number) } else { Err(Error::InvalidCursor) }
    }

    /// The sort key in `cursor`.
    ///
    /// # Errors
    /// [`Error::InvalidCursor`] when this query did not make it.
    pub fn decode(self, cursor: &str) -> Result<String> {
        if cursor.len() > CURSOR_MAX {
            return Err(Error::InvalidCursor);
        }
        let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| Error::InvalidCursor)?;
        let sort_key = bytes.strip_prefix(self.0.as_slice()).ok_or(Error::InvalidCursor)?;
        String::from_utf8(sort_key.to_vec()).map_err(|_| Error::InvalidCursor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_goes_back_to_its_own_query_only() {
        let binding = Binding::new(&["acme", "agents", "-created_at"]);
        let cursor = binding.encode("2026#agt_1");
        assert_eq!(binding.decode(&cursor).unwrap(), "2026#agt_1");
        for other in [["acme", "agents", "created_at"], ["evil", "agents", "-created_at"]] {
            assert!(Binding::new(&other).decode(&cursor).is_err());
        }
        for hostile in ["", "=", "%00", "AAAA", &"A".repeat(10_000)] {
            assert!(binding.decode(hostile).is_err());
        }
    }
}
