//! Signature version 4, read from its specification and from no client library, so that where a client and
//! this agree two readings do. It knows nothing of objects: a request or a text is signed rightly, or not.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>

use std::fmt;

use http::header::{AUTHORIZATION, HOST};
use http::{Request, StatusCode, Uri};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use ring::digest::{SHA256, digest};
use ring::hmac;

use super::Refusal;

/// The one algorithm.
pub const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// The longest that a signed request can be valid, in seconds: a week.
const EXPIRES_MAX_S: i64 = 604_800;
/// How far a signer's clock may be ahead, in seconds.
const SKEW_MAX_S: i64 = 900;
/// How a signature's time is written.
const TIME: &str = "%Y%m%dT%H%M%SZ";

const SIGNATURE: &str = "X-Amz-Signature";
const PARAMETERS: [&str; 6] =
    ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", SIGNATURE];

/// What stays as it is in a canonical query; in a canonical path the slash does, too.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const ENCODED_IN_PATH: &AsciiSet = &ENCODED.remove(b'/');

/// Whose key signs, and for which region.
#[derive(Clone, Copy)]
pub struct Signer<'a> {
    /// The id of the key.
    pub access_key: &'a str,
    /// The key.
    pub secret_key: &'a str,
    /// The region of the bucket.
    pub region: &'a str,
}

impl fmt::Debug for Signer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut signer = f.debug_struct("Signer");
        signer.field("access_key", &self.access_key).field("region", &self.region).finish_non_exhaustive()
    }
}

/// A query's parameters out of their percent-encoding, in their order. A plus is a plus.
#[derive(Debug)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// The parameters of an address.
    pub fn of(uri: &Uri) -> Self {
        let pairs = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        Self(pairs.map(|(name, value)| (decoded(name), decoded(value))).collect())
    }

    /// The first parameter of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// Every parameter but the signature, sorted as they are encoded.
    fn canonical(&self) -> String {
        let signed = self.0.iter().filter(|(name, _)| name != SIGNATURE);
        let mut pairs: Vec<_> = signed.map(|(name, value)| (encoded(name), encoded(value))).collect();
        pairs.sort();
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("&")
    }
}

/// Whether a request carries a signature in its query that is right and valid `now`.
///
/// # Errors
/// What is wrong with it, in S3's words.
pub fn verify<B>(signer: &Signer<'_>, request: &Request<B>, now: Timestamp) -> Result<(), Refusal> {
    let query = Query::of(request.uri());
    let given = PARAMETERS.map(|name| query.get(name));
    if given.iter().all(Option::is_none) {
        return Err(Refusal::denied("Access Denied"));
    }
    if request.headers().contains_key(AUTHORIZATION) {
        return Err(Refusal::invalid_argument("Only one auth mechanism allowed."));
    }
    let [Some(ALGORITHM), Some(credential), Some(at), Some(expires_s), Some(names), Some(signature)] = given
    else {
        return Err(malformed("Version 4 in the query takes all of its six X-Amz parameters."));
    };
    let date = date_of(signer, credential, at)?;
    check_time(at, expires_s, now)?;
    let canonical = canonical_request(request, &query, names)?;
    let hash = hexadecimal(digest(&SHA256, canonical.as_bytes()).as_ref());
    let region = signer.region;
    let text = format!("{ALGORITHM}\n{at}\n{date}/{region}/s3/aws4_request\n{hash}");
    check(signer, date, &text, signature)
}

/// Whether a text, such as a form's policy in base64, is signed rightly.
///
/// # Errors
/// What is wrong with the signature, in S3's words.
pub fn verify_text(
    signer: &Signer<'_>,
    text: &str,
    credential: &str,
    at: &str,
    signature: &str,
) -> Result<(), Refusal> {
    let date = date_of(signer, credential, at)?;
    instant(at)?;
    check(signer, date, text, signature)
}

/// The host that a request is to, as it is signed.
pub fn host<B>(request: &Request<B>) -> Option<&str> {
    let header = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    header.or_else(|| request.uri().authority().map(http::uri::Authority::as_str))
}

/// A path in its percent-encoding: slashes stay.
pub fn encoded_path(path: &str) -> String {
    utf8_percent_encode(path, ENCODED_IN_PATH).to_string()
}

/// Bytes in lower-case hexadecimal.
pub fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// The request in the one form in which it is signed. It is made of what came, whatever the client meant.
fn canonical_request<B>(request: &Request<B>, query: &Query, names: &str) -> Result<String, Refusal> {
    let mut names: Vec<_> = names.split(';').map(str::to_ascii_lowercase).collect();
    names.sort();
    let is_signed = |name: &str| names.iter().any(|signed| signed == name);
    let must_be_signed = |name: &str| name == "host" || name.starts_with("x-amz-");
    let mut present = request.headers().keys().map(http::HeaderName::as_str).chain(["host"]);
    if present.any(|name| must_be_signed(name) && !is_signed(name)) {
        return Err(Refusal::denied("There were headers present in the request which were not signed"));
    }
    let headers: String = names.iter().map(|name| header_line(request, name)).collect();
    let method = request.method();
    let path = encoded_path(&decoded(request.uri().path()));
    let (query, names) = (query.canonical(), names.join(";"));
    Ok(format!("{method}\n{path}\n{query}\n{headers}\n{names}\nUNSIGNED-PAYLOAD"))
}

fn header_line<B>(request: &Request<B>, name: &str) -> String {
    let words = |value: &str| value.split_whitespace().collect::<Vec<_>>().join(" ");
    let value = if name == "host" {
        words(host(request).unwrap_or_default())
    } else {
        let values = request.headers().get_all(name).iter();
        let values = values.map(|value| words(&String::from_utf8_lossy(value.as_bytes())));
        values.collect::<Vec<_>>().join(",")
    };
    format!("{name}:{value}\n")
}

/// The date that a credential signs for, if it is the signer's and that of the signature's time.
fn date_of<'a>(signer: &Signer<'_>, credential: &'a str, at: &str) -> Result<&'a str, Refusal> {
    let parts: Vec<&'a str> = credential.split('/').collect();
    let &[access_key, date, region, "s3", "aws4_request"] = parts.as_slice() else {
        return Err(malformed("The credential is not of the form <key>/YYYYMMDD/<region>/s3/aws4_request."));
    };
    if access_key != signer.access_key {
        let message = "The AWS Access Key Id you provided does not exist in our records.";
        return Err(Refusal::new(StatusCode::FORBIDDEN, "InvalidAccessKeyId", message));
    }
    if region != signer.region {
        return Err(malformed("The credential's region is wrong."));
    }
    if at.split_once('T').is_none_or(|(day, _)| day != date) {
        return Err(malformed("The credential's date is not the same as X-Amz-Date."));
    }
    Ok(date)
}

fn check_time(at: &str, expires_s: &str, now: Timestamp) -> Result<(), Refusal> {
    let (at_s, now_s) = (instant(at)?.as_second(), now.as_second());
    let expires_s = expires_s.parse::<i64>().ok().filter(|given| (1..=EXPIRES_MAX_S).contains(given));
    let expires_s = expires_s.ok_or_else(|| malformed("X-Amz-Expires must be between 1 and 604800."))?;
    if at_s - now_s > SKEW_MAX_S {
        let message = "The difference between the request time and the current time is too large.";
        return Err(Refusal::new(StatusCode::FORBIDDEN, "RequestTimeTooSkewed", message));
    }
    if now_s >= at_s + expires_s {
        return Err(Refusal::denied("Request has expired"));
    }
    Ok(())
}

/// The time of a signature, as `20130524T000000Z`.
fn instant(text: &str) -> Result<Timestamp, Refusal> {
    let read = || -> Result<Timestamp, jiff::Error> {
        Ok(DateTime::strptime(TIME, text)?.to_zoned(TimeZone::UTC)?.timestamp())
    };
    // The parser overlooks spaces and missing zeros.
    let at = read().ok().filter(|at| at.strftime(TIME).to_string() == text);
    at.ok_or_else(|| malformed("X-Amz-Date must be in the ISO8601 format YYYYMMDDTHHMMSSZ."))
}

/// Compares in constant time, as whoever has a secret does.
fn check(signer: &Signer<'_>, date: &str, text: &str, signature: &str) -> Result<(), Refusal> {
    let key = |secret: &[u8]| hmac::Key::new(hmac::HMAC_SHA256, secret);
    let first = key(format!("AWS4{}", signer.secret_key).as_bytes());
    let scope = [date, signer.region, "s3", "aws4_request"];
    let signing_key = scope.iter().fold(first, |last, part| key(hmac::sign(&last, part.as_bytes()).as_ref()));
    let tag = bytes_of(signature).unwrap_or_default();
    hmac::verify(&signing_key, text.as_bytes(), &tag).map_err(|_| {
        let message = "The request signature we calculated does not match the signature you provided.";
        Refusal::new(StatusCode::FORBIDDEN, "SignatureDoesNotMatch", message)
    })
}

/// The bytes of lower-case hexadecimal.
fn bytes_of(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let bytes = text.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => Some(digit(*high)? * 16 + digit(*low)?),
        _ => None,
    });
    bytes.collect()
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

fn malformed(message: &'static str) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "AuthorizationQueryParametersError", message)
}
