//! Cross-origin requests, as the Fetch standard has them: which origins a deployment admits, what
//! their scripts may send, and which headers of an answer they may read.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use lambda_http::{Body, Request, RequestExt, Response};

use super::routes::{self, Found};

const EXPOSED: HeaderValue = HeaderValue::from_static(
    "ETag, Location, Idempotent-Replayed, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id",
);
const SENDABLE: HeaderValue =
    HeaderValue::from_static("Authorization, Content-Type, If-Match, If-None-Match, Idempotency-Key");
/// Seconds that a browser may remember a preflight's answer.
const PREFLIGHT_AGE_S: HeaderValue = HeaderValue::from_static("600");

/// The origins that a deployment admits.
#[derive(Debug, Clone, Default)]
pub struct Cors {
    origins: Vec<HeaderValue>,
}

/// An origin is not one: scheme, host and perhaps port, without a path.
#[derive(Debug, thiserror::Error)]
#[error("an origin must be a scheme, a host and perhaps a port, such as https://app.example.com")]
pub struct BadOrigin;

impl Cors {
    /// Admits these origins, written as browsers send them.
    ///
    /// # Errors
    /// [`BadOrigin`].
    pub fn admitting<'a>(origins: impl IntoIterator<Item = &'a str>) -> Result<Self, BadOrigin> {
        let origins = origins.into_iter().map(|origin| {
            let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
            let is_good =
                host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '?', '#', '@', '*']));
            if is_good { HeaderValue::from_str(origin).map_err(|_| BadOrigin) } else { Err(BadOrigin) }
        });
        Ok(Self { origins: origins.collect::<Result<_, _>>()? })
    }

    /// The answer to a preflight request of an admitted origin for a path that exists.
    pub fn preflight(&self, request: &Request) -> Option<Response<Body>> {
        let headers = request.headers();
        let is_preflight =
            request.method() == Method::OPTIONS && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        let is_admitted = headers.get(ORIGIN).is_some_and(|origin| self.origins.contains(origin));
        if !is_preflight || !is_admitted {
            return None;
        }
        let Found::OtherMethods(methods) = routes::find("OPTIONS", request.raw_http_path()) else {
            return None;
        };
        let methods = methods.iter().map(|method| method.as_str()).collect::<Vec<_>>().join(", ");
        let mut response = Response::new(Body::Empty);
        *response.status_mut() = StatusCode::NO_CONTENT;
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_str(&methods).ok()?);
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_HEADERS, SENDABLE);
        response.headers_mut().insert(ACCESS_CONTROL_MAX_AGE, PREFLIGHT_AGE_S);
        self.mark(headers.get(ORIGIN), response.headers_mut());
        Some(response)
    }

    /// Lets the scripts of `origin`, the request's, read the answer, if the origin is admitted.
    pub fn mark(&self, origin: Option<&HeaderValue>, answer: &mut HeaderMap) {
        if self.origins.is_empty() {
            return;
        }
        answer.insert(VARY, HeaderValue::from_static("origin"));
        if let Some(origin) = origin.filter(|origin| self.origins.contains(origin)) {
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_origins_are_origins() {
        assert!(Cors::admitting(["https://app.example.com", "http://localhost:5173"]).is_ok());
        for bad in ["*", "https://*", "https://", "app.example.com", "https://a/b", "null", "https://a?b"] {
            assert!(Cors::admitting([bad]).is_err(), "{bad}");
        }
    }
}
