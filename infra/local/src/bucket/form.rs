//! Uploads by a form, as a page's `<form>` sends them: the fields, then the file, and a policy among the
//! fields that says what the rest may be. What no condition of the policy covers is refused.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html>

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::Refusal;
use super::signature::{ALGORITHM, Signer, verify_text};

/// The most that may stand before the file's content, in bytes.
const FIELDS_MAX_BYTES: usize = 20 * 1024;

/// A form that was sent.
#[derive(Debug)]
pub struct Form<'a> {
    /// By their names in lower case.
    fields: BTreeMap<String, &'a str>,
    file: &'a [u8],
}

impl<'a> Form<'a> {
    /// Reads `multipart/form-data` up to the file, as S3 does: what comes after it does not count.
    ///
    /// # Errors
    /// When it is no such form, has no file, or has a field twice.
    pub fn read(content_type: Option<&str>, body: &'a [u8]) -> Result<Self, Refusal> {
        let content_type = content_type.filter(|given| given.starts_with("multipart/form-data"));
        let boundary = content_type.and_then(|given| parameter(given, "boundary"));
        let boundary = boundary.filter(|boundary| !boundary.is_empty()).ok_or_else(|| {
            let message = "Bucket POST must be of the enclosure-type multipart/form-data.";
            Refusal::new(StatusCode::PRECONDITION_FAILED, "PreconditionFailed", message)
        })?;
        let delimiter = format!("\r\n--{boundary}");
        // No line ends before the first one.
        let first = body.strip_prefix(delimiter.trim_start().as_bytes());
        let mut rest = first.and_then(next_part).ok_or_else(malformed)?;
        let mut fields = BTreeMap::new();
        loop {
            let head_end = find(rest, b"\r\n\r\n").ok_or_else(malformed)?;
            let head = str::from_utf8(&rest[..head_end]).map_err(|_| malformed())?;
            let name = field_name(head).ok_or_else(malformed)?.to_ascii_lowercase();
            let content = &rest[head_end + 4..];
            if body.len() - content.len() > FIELDS_MAX_BYTES {
                let message = "Your POST request fields preceding the upload file was too large.";
                let code = "MaxPostPreDataLengthExceededError";
                return Err(Refusal::new(StatusCode::BAD_REQUEST, code, message));
            }
            let (content, following) = split(content, delimiter.as_bytes()).ok_or_else(malformed)?;
            if name == "file" {
                return Ok(Self { fields, file: content });
            }
            let value = str::from_utf8(content).map_err(|_| malformed())?;
            if fields.insert(name, value).is_some() {
                return Err(Refusal::invalid_argument("A field of the form is there twice."));
            }
            let no_file = || Refusal::invalid_argument("POST requires exactly one file upload per request.");
            rest = following.ok_or_else(no_file)?;
        }
    }

    /// The value of a field, whose name is in lower case.
    ///
    /// # Errors
    /// When there is no such field.
    pub fn field(&self, name: &str) -> Result<&'a str, Refusal> {
        self.fields.get(name).copied().ok_or_else(|| {
            Refusal::invalid_argument(format!("Bucket POST must contain a field named '{name}'."))
        })
    }

    /// The content of the file.
    pub fn file(&self) -> &'a [u8] {
        self.file
    }

    /// Whether the form's policy is signed rightly, holds `now`, and admits the form into this bucket.
    ///
    /// # Errors
    /// What is not so, in S3's words.
    pub fn admit(&self, signer: &Signer<'_>, bucket: &str, now: Timestamp) -> Result<(), Refusal> {
        let policy = self.field("policy").map_err(|_| Refusal::denied("Access Denied"))?;
        if self.field("x-amz-algorithm")? != ALGORITHM {
            return Err(Refusal::invalid_argument("X-Amz-Algorithm only supports AWS4-HMAC-SHA256."));
        }
        let (credential, at) = (self.field("x-amz-credential")?, self.field("x-amz-date")?);
        verify_text(signer, policy, credential, at, self.field("x-amz-signature")?)?;
        let json = STANDARD.decode(policy).map_err(|_| invalid_policy())?;
        let policy: Policy = serde_json::from_slice(&json).map_err(|_| invalid_policy())?;
        if now >= policy.expiration {
            return Err(unlike("Policy expired."));
        }
        let read = |text| Condition::read(text).ok_or_else(invalid_policy);
        let conditions = policy.conditions.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let mut covered = BTreeSet::from(["policy", "x-amz-signature"]);
        for (condition, text) in conditions.iter().zip(&policy.conditions) {
            let Some(name) = condition.name() else { continue };
            let given = if name == "bucket" { Some(bucket) } else { self.fields.get(name).copied() };
            if !given.is_some_and(|given| condition.admits(given)) {
                return Err(unlike(&format!("Policy Condition failed: {text}")));
            }
            covered.insert(name);
        }
        let is_covered = |name: &str| covered.contains(name) || name.starts_with("x-ignore-");
        if let Some(extra) = self.fields.keys().find(|name| !is_covered(name)) {
            return Err(unlike(&format!("Extra input fields: {extra}")));
        }
        self.check_size(&conditions)
    }

    fn check_size(&self, conditions: &[Condition<'_>]) -> Result<(), Refusal> {
        let size = u64::try_from(self.file.len()).unwrap_or(u64::MAX);
        for condition in conditions {
            let Condition::Size { min_bytes, max_bytes } = condition else { continue };
            if size > *max_bytes {
                let message = "Your proposed upload exceeds the maximum allowed size";
                return Err(Refusal::new(StatusCode::BAD_REQUEST, "EntityTooLarge", message));
            }
            if size < *min_bytes {
                let message = "Your proposed upload is smaller than the minimum allowed size";
                return Err(Refusal::new(StatusCode::BAD_REQUEST, "EntityTooSmall", message));
            }
        }
        Ok(())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Policy {
    expiration: Timestamp,
    conditions: Vec<Value>,
}

/// What a policy demands; names are in lower case.
#[derive(Debug)]
enum Condition<'a> {
    Equal { name: String, value: &'a str },
    StartsWith { name: String, prefix: &'a str },
    Size { min_bytes: u64, max_bytes: u64 },
}

impl<'a> Condition<'a> {
    fn read(condition: &'a Value) -> Option<Self> {
        match condition {
            Value::Object(members) if members.len() == 1 => {
                let (name, value) = members.iter().next()?;
                Some(Self::Equal { name: name.to_ascii_lowercase(), value: value.as_str()? })
            }
            Value::Array(items) => {
                let [operator, first, second] = items.as_slice() else { return None };
                let name = || Some(first.as_str()?.strip_prefix('$')?.to_ascii_lowercase());
                match operator.as_str()? {
                    "eq" => Some(Self::Equal { name: name()?, value: second.as_str()? }),
                    "starts-with" => Some(Self::StartsWith { name: name()?, prefix: second.as_str()? }),
                    "content-length-range" => {
                        Some(Self::Size { min_bytes: first.as_u64()?, max_bytes: second.as_u64()? })
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// The field that it is about, if it is about one.
    fn name(&self) -> Option<&str> {
        match self {
            Self::Equal { name, .. } | Self::StartsWith { name, .. } => Some(name),
            Self::Size { .. } => None,
        }
    }

    /// Whether a field may have this value; a size says nothing of it.
    fn admits(&self, given: &str) -> bool {
        match self {
            Self::Equal { value, .. } => given == *value,
            Self::StartsWith { prefix, .. } => given.starts_with(*prefix),
            Self::Size { .. } => true,
        }
    }
}

/// The name that a part's head gives its field.
fn field_name(head: &str) -> Option<&str> {
    head.split("\r\n").find_map(|line| {
        let (header, value) = line.split_once(':')?;
        if header.eq_ignore_ascii_case("content-disposition") { parameter(value, "name") } else { None }
    })
}

/// A parameter of a header's value, out of its quotes if it has them.
fn parameter<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = header;
    loop {
        let (given, after) = rest.split_once(';')?.1.split_once('=')?;
        let (value, following) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_at(after.find(';').unwrap_or(after.len())),
        };
        if given.trim().eq_ignore_ascii_case(name) {
            return Some(value.trim_end());
        }
        rest = following;
    }
}

/// A part's content, and what follows the delimiter after it: the next part, or nothing after the last.
fn split<'a>(content: &'a [u8], delimiter: &[u8]) -> Option<(&'a [u8], Option<&'a [u8]>)> {
    let mut from = 0;
    loop {
        let at = from + find(&content[from..], delimiter)?;
        let after = &content[at + delimiter.len()..];
        if after.starts_with(b"--") {
            return Some((&content[..at], None));
        }
        if let Some(next) = next_part(after) {
            return Some((&content[..at], Some(next)));
        }
        // It was the beginning of something longer, which is content.
        from = at + 1;
    }
}

/// What follows the rest of a delimiter's line, which may have blanks and nothing else.
fn next_part(after: &[u8]) -> Option<&[u8]> {
    let blanks = after.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    after[blanks..].strip_prefix(b"\r\n")
}

fn find(bytes: &[u8], sought: &[u8]) -> Option<usize> {
    bytes.windows(sought.len()).position(|window| window == sought)
}

fn malformed() -> Refusal {
    let message = "The body of your POST request is not well-formed multipart/form-data.";
    Refusal::new(StatusCode::BAD_REQUEST, "MalformedPOSTRequest", message)
}

fn invalid_policy() -> Refusal {
    let message = "The content of the form does not meet the conditions of a policy document.";
    Refusal::new(StatusCode::BAD_REQUEST, "InvalidPolicyDocument", message)
}

fn unlike(what: &str) -> Refusal {
    Refusal::denied(format!("Invalid according to Policy: {what}"))
}
