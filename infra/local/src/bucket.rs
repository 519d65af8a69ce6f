//! One bucket of S3 on one machine: requests of S3's REST API answered from files, and the SDK's HTTP client
//! for them.
//!
//! Modelled: putting, reading (whole or a range), heading and deleting an object, multipart uploads, uploads
//! by a form with a signed policy, and signatures in the query. Whoever may do something shows a signature,
//! as at S3, and time comes from the clock that is given.
//!
//! Not modelled: versions of objects, access control lists, policies of the bucket, lifecycle rules, CORS
//! (the page is of the same origin), checksums, listing, copying, conditional requests, ranges that count
//! from the end, signatures in a header, `${filename}` in a form's key, and keys with empty or dotted
//! segments.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use agent_management::clock::Clock;
use agent_management::files::store::{self as files, Credentials, Place};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, LOCATION, RANGE,
};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use tokio::task::spawn_blocking;

pub use self::refusal::Refusal;

use self::form::Form;
use self::objects::{Key, Objects};
use self::signature::{Query, Signer};

mod form;
mod objects;
mod refusal;
pub mod signature;
mod xml;

/// The one bucket's name.
pub const NAME: &str = "files";
/// Where the bucket is below the host; an object is at this and its key.
pub const PATH: &str = "/_local/files/";
const NAME_AND_SLASH: &str = "files/";
/// The region that requests are signed for.
pub const REGION: &str = "eu-west-1";
/// The id of the one key that signs.
pub const ACCESS_KEY: &str = "local";
/// That key's secret, which is none: only a loopback host takes it.
pub const SECRET_KEY: &str = "local";

/// What an object is when whoever put it did not say.
const CONTENT_TYPE_DEFAULT: &str = "application/octet-stream";

const SIGNER: Signer<'static> = Signer { access_key: ACCESS_KEY, secret_key: SECRET_KEY, region: REGION };

/// Where clients reach the bucket of a host, up to its name.
pub fn url(base_url: &str) -> String {
    format!("{base_url}{}", PATH.trim_end_matches(NAME_AND_SLASH))
}

/// Who signs for the bucket that clients reach there.
///
/// # Errors
/// For what is no URL, as text.
pub fn signer(endpoint: String) -> Result<files::Signer, String> {
    let place = Place { endpoint: Some(endpoint), region: REGION.to_owned(), bucket: NAME.to_owned() };
    let credentials = Credentials::new(ACCESS_KEY, SECRET_KEY);
    files::Signer::new(place, credentials).map_err(|error| error.to_string())
}

/// The bucket. Its clones are handles of the same one.
#[derive(Debug, Clone)]
pub struct Bucket {
    objects: Arc<Objects>,
    clock: Clock,
    /// How many of the next requests are answered that the service is down.
    failing: Arc<AtomicU32>,
}

impl Bucket {
    /// Objects as files below `folder`, or in a temporary folder that goes with the last handle.
    ///
    /// # Errors
    /// As the file system's, as text.
    pub fn open(folder: Option<&Path>, clock: Clock) -> Result<Self, String> {
        let objects = Objects::open(folder).map_err(|error| error.to_string())?;
        Ok(Self { objects: Arc::new(objects), clock, failing: Arc::default() })
    }

    /// The next requests are refused, as by a service that is down.
    pub fn fail_next(&self, requests: u32) {
        self.failing.store(requests, Ordering::Relaxed);
    }

    /// What stands under a key, past every signature.
    pub fn object(&self, key: &str) -> Option<Vec<u8>> {
        let key = Key::parse(key).ok()?;
        self.objects.get(&key).ok().flatten().map(|object| object.bytes)
    }

    /// Puts an object, past every signature.
    ///
    /// # Errors
    /// What is wrong with the key, or the file system's, as text.
    pub fn put_object(&self, key: &str, bytes: &[u8]) -> Result<(), String> {
        let put = || -> Result<String, Refusal> {
            Ok(self.objects.put(&Key::parse(key)?, CONTENT_TYPE_DEFAULT, bytes)?)
        };
        put().map(drop).map_err(|refusal| refusal.message)
    }

    /// The keys of all objects, sorted; none when the folder can't be read.
    pub fn keys(&self) -> Vec<String> {
        self.objects.keys().unwrap_or_default()
    }

    /// Answers a request to the bucket or to an object in it.
    pub async fn answer(&self, request: Request<Bytes>) -> Response<Bytes> {
        let bucket = self.clone();
        let is_head = request.method() == Method::HEAD;
        // Files are read, written and hashed, which would hold up everything else.
        let answered = spawn_blocking(move || bucket.reply(&request)).await;
        let mut response = match answered {
            Ok(Ok(response)) => response,
            Ok(Err(refusal)) => refusal.response(),
            Err(_) => Refusal::internal("The request's task ended early.").response(),
        };
        if is_head {
            *response.body_mut() = Bytes::new();
        }
        response
    }

    fn reply(&self, request: &Request<Bytes>) -> Result<Response<Bytes>, Refusal> {
        let is_failing =
            self.failing.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if is_failing.is_ok() {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            return Err(Refusal::new(status, "SlowDown", "Please reduce your request rate."));
        }
        let path = request.uri().path();
        if path == PATH || PATH.strip_suffix('/') == Some(path) {
            return self.reply_for_bucket(request);
        }
        let Some(key) = path.strip_prefix(PATH) else {
            let status = StatusCode::NOT_FOUND;
            return Err(Refusal::new(status, "NoSuchBucket", "The specified bucket does not exist."));
        };
        let key = Key::of_path(key)?;
        signature::verify(&SIGNER, request, self.clock.now())?;
        self.reply_for_object(request, &key)
    }

    fn reply_for_bucket(&self, request: &Request<Bytes>) -> Result<Response<Bytes>, Refusal> {
        if request.method() != Method::POST {
            return Err(Refusal::not_implemented("Only forms are posted to the bucket here."));
        }
        let form = Form::read(text(request.headers(), "content-type"), request.body())?;
        form.admit(&SIGNER, NAME, self.clock.now())?;
        let key = Key::parse(form.field("key")?)?;
        let content_type = form.field("content-type").unwrap_or(CONTENT_TYPE_DEFAULT);
        let etag = self.objects.put(&key, content_type, form.file())?;
        let location = location(request, &key);
        let mut response = match form.field("success_action_status") {
            Ok("200") => Response::new(Bytes::new()),
            Ok("201") => xml::document(StatusCode::CREATED, &xml::posted(&location, &key, &etag)),
            Ok(_) | Err(_) => empty(StatusCode::NO_CONTENT),
        };
        response.headers_mut().insert(ETAG, header(&etag)?);
        response.headers_mut().insert(LOCATION, header(&location)?);
        Ok(response)
    }

    fn reply_for_object(&self, request: &Request<Bytes>, key: &Key) -> Result<Response<Bytes>, Refusal> {
        let query = Query::of(request.uri());
        let put_as = text(request.headers(), "content-type").unwrap_or(CONTENT_TYPE_DEFAULT);
        match (request.method(), query.get("uploadId")) {
            (&Method::GET | &Method::HEAD, None) => self.read(request.headers(), key, &query),
            (&Method::PUT, _) if request.headers().contains_key("x-amz-copy-source") => {
                Err(Refusal::not_implemented("Objects are not copied here."))
            }
            (&Method::PUT, None) => with_etag(&self.objects.put(key, put_as, request.body())?),
            (&Method::DELETE, None) => {
                self.objects.delete(key)?;
                Ok(empty(StatusCode::NO_CONTENT))
            }
            (&Method::POST, None) if query.get("uploads").is_some() => {
                let id = self.objects.create_upload(key, put_as)?;
                Ok(xml::document(StatusCode::OK, &xml::initiated(key, &id)))
            }
            (&Method::PUT, Some(id)) => {
                let number = query.get("partNumber").unwrap_or_default();
                with_etag(&self.objects.put_part(key, id, number, request.body())?)
            }
            (&Method::POST, Some(id)) => {
                let etag = self.objects.complete_upload(key, id, &xml::parts(request.body())?)?;
                Ok(xml::document(StatusCode::OK, &xml::completed(&location(request, key), key, &etag)))
            }
            (&Method::DELETE, Some(id)) => {
                self.objects.abort_upload(key, id)?;
                Ok(empty(StatusCode::NO_CONTENT))
            }
            (&Method::GET | &Method::HEAD, Some(_)) => {
                Err(Refusal::not_implemented("Parts are not listed here."))
            }
            _ => {
                let message = "The specified method is not allowed against this resource.";
                Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message))
            }
        }
    }

    /// The object or a range of it, under the names that the query gives it.
    fn read(&self, headers: &HeaderMap, key: &Key, query: &Query) -> Result<Response<Bytes>, Refusal> {
        let object = self.objects.get(key)?.ok_or_else(|| {
            Refusal::new(StatusCode::NOT_FOUND, "NoSuchKey", "The specified key does not exist.")
        })?;
        let whole = Bytes::from(object.bytes);
        let content_type = query.get("response-content-type").unwrap_or(&object.content_type);
        let mut response = Response::builder()
            .header(CONTENT_TYPE, content_type)
            .header(ETAG, object.etag.as_str())
            .header(ACCEPT_RANGES, "bytes");
        if let Some(disposition) = query.get("response-content-disposition") {
            response = response.header(CONTENT_DISPOSITION, disposition);
        }
        let bytes = if headers.contains_key(RANGE) {
            let len = whole.len();
            let (first, last) =
                text(headers, "range").and_then(|range| span(range, len)).ok_or_else(|| {
                    let status = StatusCode::RANGE_NOT_SATISFIABLE;
                    Refusal::new(status, "InvalidRange", "The requested range is not satisfiable.")
                })?;
            response = response
                .status(StatusCode::PARTIAL_CONTENT)
                .header(CONTENT_RANGE, format!("bytes {first}-{last}/{len}"));
            whole.slice(first..=last)
        } else {
            whole
        };
        response
            .header(CONTENT_LENGTH, bytes.len())
            .body(bytes)
            .map_err(|_| Refusal::invalid_argument("A header's value can't be sent."))
    }
}

/// The first and the last byte of a range of an object of `len` bytes; none that is not within it.
fn span(range: &str, len: usize) -> Option<(usize, usize)> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let first: usize = first.trim().parse().ok()?;
    let end = len.checked_sub(1)?;
    let last = match last.trim() {
        "" => end,
        last => last.parse::<usize>().ok()?.min(end),
    };
    (first <= last).then_some((first, last))
}

/// A header's text, if it is there and is text.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn header(value: &str) -> Result<http::HeaderValue, Refusal> {
    value.parse().map_err(|_| Refusal::invalid_argument("A header's value can't be sent."))
}

fn location(request: &Request<Bytes>, key: &Key) -> String {
    let host = signature::host(request).unwrap_or_default();
    format!("http://{host}{PATH}{}", signature::encoded_path(key.as_str()))
}

fn empty(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response
}

fn with_etag(etag: &str) -> Result<Response<Bytes>, Refusal> {
    let mut response = empty(StatusCode::OK);
    response.headers_mut().insert(ETAG, header(etag)?);
    Ok(response)
}

impl HttpConnector for Bucket {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let request = match plain(request) {
            Ok(request) => request,
            Err(error) => return HttpConnectorFuture::ready(Err(error)),
        };
        let bucket = self.clone();
        HttpConnectorFuture::new(async move {
            let response = bucket.answer(request).await.map(SdkBody::from);
            HttpResponse::try_from(response).map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// The SDK's request as any other, if its body is in memory.
fn plain(request: HttpRequest) -> Result<Request<Bytes>, ConnectorError> {
    let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
    let (parts, body) = request.into_parts();
    let bytes = body.bytes().ok_or_else(|| ConnectorError::user("the body is not in memory".into()))?;
    Ok(Request::from_parts(parts, Bytes::copy_from_slice(bytes)))
}

impl HttpClient for Bucket {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
