//! The pages of the local host: files of `infra/console`, embedded when it is built. They load
//! nothing from elsewhere.

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Method, Response};

struct Page {
    path: &'static str,
    content_type: &'static str,
    content: &'static str,
}

const PAGES: [Page; 3] = [
    Page {
        path: "/docs",
        content_type: "text/html; charset=utf-8",
        content: include_str!("../../console/docs.html"),
    },
    Page {
        path: "/docs/docs.css",
        content_type: "text/css; charset=utf-8",
        content: include_str!("../../console/docs.css"),
    },
    Page {
        path: "/docs/docs.js",
        content_type: "text/javascript; charset=utf-8",
        content: include_str!("../../console/docs.js"),
    },
];

const HEADERS: [(HeaderName, HeaderValue); 3] = [
    (CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'self'")),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
];

/// The page at `path`, if there is one.
pub fn answer(method: &Method, path: &str) -> Option<Response<Bytes>> {
    let page = PAGES.iter().find(|page| page.path == path && method == Method::GET)?;
    let mut response = Response::new(Bytes::from_static(page.content.as_bytes()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(page.content_type));
    response.headers_mut().extend(HEADERS);
    Some(response)
}
