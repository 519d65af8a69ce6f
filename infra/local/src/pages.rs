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

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

const fn page(path: &'static str, content_type: &'static str, content: &'static str) -> Page {
    Page { path, content_type, content }
}

const PAGES: [Page; 48] = [
    page("/", HTML, include_str!("../../console/index.html")),
    page("/docs", HTML, include_str!("../../console/docs.html")),
    page("/docs/docs.css", CSS, include_str!("../../console/docs.css")),
    page("/docs/docs.js", JAVASCRIPT, include_str!("../../console/docs.js")),
    page("/console/agents.js", JAVASCRIPT, include_str!("../../console/agents.js")),
    page("/console/alias.js", JAVASCRIPT, include_str!("../../console/alias.js")),
    page("/console/aliases.js", JAVASCRIPT, include_str!("../../console/aliases.js")),
    page("/console/align.js", JAVASCRIPT, include_str!("../../console/align.js")),
    page("/console/api.js", JAVASCRIPT, include_str!("../../console/api.js")),
    page("/console/approvals.js", JAVASCRIPT, include_str!("../../console/approvals.js")),
    page("/console/ask.js", JAVASCRIPT, include_str!("../../console/ask.js")),
    page("/console/compare.js", JAVASCRIPT, include_str!("../../console/compare.js")),
    page("/console/conflicts.js", JAVASCRIPT, include_str!("../../console/conflicts.js")),
    page("/console/connection.js", JAVASCRIPT, include_str!("../../console/connection.js")),
    page("/console/console.css", CSS, include_str!("../../console/console.css")),
    page("/console/console.js", JAVASCRIPT, include_str!("../../console/console.js")),
    page("/console/content.js", JAVASCRIPT, include_str!("../../console/content.js")),
    page("/console/dom.js", JAVASCRIPT, include_str!("../../console/dom.js")),
    page("/console/drift.js", JAVASCRIPT, include_str!("../../console/drift.js")),
    page("/console/events.js", JAVASCRIPT, include_str!("../../console/events.js")),
    page("/console/facts.js", JAVASCRIPT, include_str!("../../console/facts.js")),
    page("/console/fields.js", JAVASCRIPT, include_str!("../../console/fields.js")),
    page("/console/files.js", JAVASCRIPT, include_str!("../../console/files.js")),
    page("/console/form.js", JAVASCRIPT, include_str!("../../console/form.js")),
    page("/console/history.js", JAVASCRIPT, include_str!("../../console/history.js")),
    page("/console/icon.svg", SVG, include_str!("../../console/icon.svg")),
    page("/console/instantiate.js", JAVASCRIPT, include_str!("../../console/instantiate.js")),
    page("/console/job.js", JAVASCRIPT, include_str!("../../console/job.js")),
    page("/console/jobs.css", CSS, include_str!("../../console/jobs.css")),
    page("/console/jobs.js", JAVASCRIPT, include_str!("../../console/jobs.js")),
    page("/console/outcomes.js", JAVASCRIPT, include_str!("../../console/outcomes.js")),
    page("/console/panels.css", CSS, include_str!("../../console/panels.css")),
    page("/console/patch.js", JAVASCRIPT, include_str!("../../console/patch.js")),
    page("/console/plan.js", JAVASCRIPT, include_str!("../../console/plan.js")),
    page("/console/policy.js", JAVASCRIPT, include_str!("../../console/policy.js")),
    page("/console/publish.js", JAVASCRIPT, include_str!("../../console/publish.js")),
    page("/console/risks.js", JAVASCRIPT, include_str!("../../console/risks.js")),
    page("/console/search.js", JAVASCRIPT, include_str!("../../console/search.js")),
    page("/console/shares.js", JAVASCRIPT, include_str!("../../console/shares.js")),
    page("/console/start.js", JAVASCRIPT, include_str!("../../console/start.js")),
    page("/console/template.js", JAVASCRIPT, include_str!("../../console/template.js")),
    page("/console/templates.css", CSS, include_str!("../../console/templates.css")),
    page("/console/templates.js", JAVASCRIPT, include_str!("../../console/templates.js")),
    page("/console/timeline.js", JAVASCRIPT, include_str!("../../console/timeline.js")),
    page("/console/usage.js", JAVASCRIPT, include_str!("../../console/usage.js")),
    page("/console/variables.js", JAVASCRIPT, include_str!("../../console/variables.js")),
    page("/console/versions.js", JAVASCRIPT, include_str!("../../console/versions.js")),
    page("/console/views.js", JAVASCRIPT, include_str!("../../console/views.js")),
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
