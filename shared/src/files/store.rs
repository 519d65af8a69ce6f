//! The bucket. Requests are signed by their URL, so the same signature lets a client fetch a file itself, for a
//! while; a form with a signed policy lets it send one.

mod form;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use jiff::Timestamp;
use rusty_s3::{Bucket, S3Action, UrlStyle};

use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::job::JobFile;

use super::UploadForm;
pub use rusty_s3::Credentials;
pub use writer::{PART_BYTES, Writer};

/// How long a request of our own may be under way before its signature expires.
const SIGNED_FOR: Duration = Duration::from_mins(5);
/// How long one attempt at a request may take.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(20);
const ATTEMPTS_MAX: u32 = 4;
/// The wait before the first repetition, in milliseconds; each further one is twice as long.
const BACK_OFF_MS: u64 = 50;
/// What S3 answers of an object that is not there to who may not list.
const ACCESS_DENIED: &[u8] = b"<Code>AccessDenied</Code>";
/// The most bytes of an answer that is no file.
const ANSWER_MAX_BYTES: usize = 64 * 1024;

/// Where the files are.
#[derive(Debug, Clone)]
pub struct Place {
    /// The endpoint of someone's own; none for AWS's.
    pub endpoint: Option<String>,
    pub region: String,
    pub bucket: String,
}

/// The place is none: what is wrong with it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct BadPlace(String);

/// The bucket, and who signs: enough to let clients send and fetch files themselves.
#[derive(Clone)]
pub struct Signer {
    bucket: Arc<Bucket>,
    credentials: Arc<Credentials>,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("bucket", &self.bucket.name()).finish_non_exhaustive()
    }
}

/// The bucket, for who reads and writes it.
#[derive(Debug, Clone)]
pub struct Files {
    signer: Signer,
    connector: SharedHttpConnector,
    clock: Clock,
}

/// What came back.
struct Answer {
    etag: Option<String>,
    body: Bytes,
}

/// Why a request has no answer.
enum Failure {
    /// There is no such object, or its role may not see it.
    Missing,
    TooLarge,
    /// The code that the bucket answered, or what became of the connection.
    Unavailable(String),
}

impl Signer {
    /// # Errors
    /// [`BadPlace`].
    pub fn new(place: Place, credentials: Credentials) -> Result<Self, BadPlace> {
        let Place { endpoint, region, bucket } = place;
        // A name below an endpoint of someone's own may have no address.
        let (endpoint, style) = match endpoint {
            Some(endpoint) => (endpoint, UrlStyle::Path),
            None => (format!("https://s3.{region}.{}", domain(&region)), UrlStyle::VirtualHost),
        };
        let endpoint = endpoint.parse().map_err(|_| BadPlace("the endpoint is no URL".to_owned()))?;
        let bucket =
            Bucket::new(endpoint, style, bucket, region).map_err(|error| BadPlace(error.to_string()))?;
        Ok(Self { bucket: Arc::new(bucket), credentials: Arc::new(credentials) })
    }

    /// A URL that fetches an object until it expires, as a file of this name.
    pub fn link(&self, key: &str, file: &JobFile, for_: Duration, now: Timestamp) -> String {
        let mut action = self.bucket.get_object(Some(&self.credentials), key);
        let disposition = format!("attachment; filename=\"{}\"", file.name);
        action.query_mut().insert("response-content-disposition", disposition);
        action.query_mut().insert("response-content-type", file.content_type());
        action.sign_with_time(for_, &now).into()
    }

    /// What a client sends to put an object of up to `max_bytes` until then.
    pub fn upload_form(
        &self,
        key: &str,
        max_bytes: u64,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> UploadForm {
        form::sign(&self.bucket, &self.credentials, key, max_bytes, now, expires_at)
    }
}

impl Files {
    pub fn new(signer: Signer, connector: SharedHttpConnector, clock: Clock) -> Self {
        Self { signer, connector, clock }
    }

    /// An object of up to `max_bytes`; none if there is none.
    ///
    /// # Errors
    /// [`Error::TooLarge`]; [`Error::Unavailable`].
    pub async fn get(&self, key: &str, max_bytes: usize) -> Result<Option<Bytes>> {
        let action = self.signer.bucket.get_object(Some(&self.signer.credentials), key);
        match self.call(action, Bytes::new(), max_bytes).await {
            Ok(answer) => Ok(Some(answer.body)),
            Err(Failure::Missing) => Ok(None),
            Err(Failure::TooLarge) => Err(Error::TooLarge { limit_bytes: max_bytes }),
            Err(Failure::Unavailable(reason)) => Err(Error::Unavailable(reason.into())),
        }
    }

    /// Puts an object, in the place of one that is there.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn put(&self, key: &str, bytes: Bytes) -> Result<()> {
        let action = self.signer.bucket.put_object(Some(&self.signer.credentials), key);
        self.done(action, bytes).await.map(drop)
    }

    /// Writes an object of any size, which is there once it is whole.
    pub fn writer(&self, key: impl Into<String>) -> Writer<'_> {
        Writer::new(self, key.into())
    }

    /// A request that has to succeed.
    async fn done<'a, A: S3Action<'a>>(&'a self, action: A, body: Bytes) -> Result<Answer> {
        self.call(action, body, ANSWER_MAX_BYTES).await.map_err(|failure| {
            let reason = match failure {
                Failure::Missing => "the bucket or the upload is missing".to_owned(),
                Failure::TooLarge => "the bucket's answer is too large".to_owned(),
                Failure::Unavailable(reason) => reason,
            };
            Error::Unavailable(reason.into())
        })
    }

    async fn call<'a, A: S3Action<'a>>(
        &'a self,
        action: A,
        body: Bytes,
        max_bytes: usize,
    ) -> Result<Answer, Failure> {
        let method = A::METHOD.to_str();
        let url = String::from(action.sign_with_time(SIGNED_FOR, &self.clock.now()));
        let mut attempt = 0;
        loop {
            let answered = self.attempt(method, &url, body.clone(), max_bytes);
            let failure = match tokio::time::timeout(ATTEMPT_TIMEOUT, answered).await {
                Ok(Err(Failure::Unavailable(reason))) => reason,
                Ok(answered) => return answered,
                Err(_) => "the bucket does not answer".to_owned(),
            };
            attempt += 1;
            if attempt >= ATTEMPTS_MAX {
                return Err(Failure::Unavailable(failure));
            }
            let most = BACK_OFF_MS << attempt;
            tokio::time::sleep(Duration::from_millis(fastrand::u64(most / 2..=most))).await;
        }
    }

    async fn attempt(
        &self,
        method: &str,
        url: &str,
        body: Bytes,
        max_bytes: usize,
    ) -> Result<Answer, Failure> {
        let unavailable = |reason: &str| Failure::Unavailable(reason.to_owned());
        let length = body.len();
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.set_method(method).map_err(|_| unavailable("the method is none"))?;
        request.set_uri(url).map_err(|_| unavailable("the bucket's URL is none"))?;
        request.headers_mut().insert("content-length", length.to_string());
        let response = self.connector.call(request).await;
        let response = response.map_err(|_| unavailable("the bucket can't be reached"))?;
        let status = response.status().as_u16();
        let etag = response.headers().get("etag").map(ToOwned::to_owned);
        let is_ok = response.status().is_success();
        let limit = if is_ok { max_bytes } else { ANSWER_MAX_BYTES };
        let body = match Limited::new(response.into_body(), limit).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => return Err(Failure::TooLarge),
            Err(_) => return Err(unavailable("the bucket's answer ended early")),
        };
        match status {
            _ if is_ok => Ok(Answer { etag, body }),
            404 => Err(Failure::Missing),
            // Of a missing object, too, as long as the role may not list.
            403 if body.windows(ACCESS_DENIED.len()).any(|text| text == ACCESS_DENIED) => {
                tracing::warn!("the bucket does not let the function see an object, or there is none");
                Err(Failure::Missing)
            }
            status => Err(Failure::Unavailable(format!("the bucket answers {status}"))),
        }
    }
}

/// The domain of AWS's endpoints in a region.
fn domain(region: &str) -> &'static str {
    if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" }
}
