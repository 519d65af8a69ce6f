//! The XML of S3's answers, and the one request that comes in it. It reads no more of XML than that request
//! has.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};

use super::objects::{Key, Part};
use super::{NAME, Refusal};

/// The namespace of S3's answers.
const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// An answer of one element.
pub fn document(status: StatusCode, element: &str) -> Response<Bytes> {
    let text = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>{element}");
    let mut response = Response::new(Bytes::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}

/// Text as it may stand in an element.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// What a multipart upload's creation is answered with.
pub fn initiated(key: &Key, upload_id: &str) -> String {
    let key = escaped(key.as_str());
    format!(
        "<InitiateMultipartUploadResult xmlns=\"{NAMESPACE}\"><Bucket>{NAME}</Bucket><Key>{key}</Key>\
         <UploadId>{upload_id}</UploadId></InitiateMultipartUploadResult>"
    )
}

/// What a multipart upload's completion is answered with.
pub fn completed(location: &str, key: &Key, etag: &str) -> String {
    let members = members(location, key, etag);
    format!("<CompleteMultipartUploadResult xmlns=\"{NAMESPACE}\">{members}</CompleteMultipartUploadResult>")
}

/// What a form is answered with that asks for 201.
pub fn posted(location: &str, key: &Key, etag: &str) -> String {
    format!("<PostResponse>{}</PostResponse>", members(location, key, etag))
}

fn members(location: &str, key: &Key, etag: &str) -> String {
    let (location, key) = (escaped(location), escaped(key.as_str()));
    format!("<Location>{location}</Location><Bucket>{NAME}</Bucket><Key>{key}</Key><ETag>{etag}</ETag>")
}

/// The parts that a completion lists, in its order: at least one.
pub fn parts(body: &[u8]) -> Result<Vec<Part>, Refusal> {
    let listed = || -> Option<Vec<Part>> {
        let parts = str::from_utf8(body).ok()?.split("<Part>").skip(1);
        parts.map(part).collect::<Option<Vec<_>>>().filter(|parts| !parts.is_empty())
    };
    listed().ok_or_else(|| {
        let message = "The XML you provided was not well-formed or did not validate against our schema.";
        Refusal::new(StatusCode::BAD_REQUEST, "MalformedXML", message)
    })
}

fn part(text: &str) -> Option<Part> {
    let (text, _) = text.split_once("</Part>")?;
    let etag = content(text, "ETag")?.replace("&quot;", "\"").replace("&#34;", "\"");
    Some(Part { number: content(text, "PartNumber")?.parse().ok()?, etag })
}

/// What stands in the first element of this name.
fn content<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (content, _) = rest.split_once(&format!("</{name}>"))?;
    Some(content.trim())
}
