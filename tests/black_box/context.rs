//! What a case has: clients of fresh tenants, and the rules that hold for every answer.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use agent_management::lambda::https_connector;
use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use harness::PATIENCE;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::client::Client;
use crate::coverage::Coverage;
use crate::http::{Answer, Sent, exchange};
use crate::socket::Socket;
use crate::target::{Kind, Target};

/// Who acts in the cases, unless they say otherwise.
pub const USER: &str = "ann";

/// How long to wait before looking again.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What the gateway may refuse before a function sees it.
#[derive(Debug, Clone, Copy)]
pub enum Refusal {
    Unauthorized,
    /// Two tokens at once: API Gateway may take that for no request at all.
    TwoTokens,
    UnknownRoute,
    OtherMethod,
}

#[derive(Debug, Clone)]
pub struct Context(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    target: Target,
    connector: SharedHttpConnector,
    coverage: Coverage,
    /// Pages of problems that have been seen to be there.
    followed: Mutex<BTreeSet<String>>,
    /// Sets this run's tenants apart from all others': a deployed stack keeps what it is given.
    run: String,
    tenants: AtomicU64,
}

impl Context {
    pub fn new(target: Target) -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock that is set");
        Self(Arc::new(Shared {
            target,
            connector: https_connector(),
            coverage: Coverage::default(),
            followed: Mutex::default(),
            run: format!("{:x}", since_epoch.as_micros()),
            tenants: AtomicU64::new(0),
        }))
    }

    /// An origin whose pages may call the service, if one is known.
    pub fn origin(&self) -> Option<&str> {
        self.0.target.origin.as_deref()
    }

    pub fn kind(&self) -> Kind {
        self.0.target.kind
    }

    pub fn coverage(&self) -> &Coverage {
        &self.0.coverage
    }

    pub fn fresh_tenant(&self) -> String {
        format!("bb-{}-{}", self.0.run, self.0.tenants.fetch_add(1, Ordering::Relaxed))
    }

    /// A client of a fresh tenant, which is on the default tier, with every scope.
    pub async fn client(&self) -> Client {
        let tenant = self.fresh_tenant();
        self.client_with(&json!({"tenant": tenant, "user": USER})).await
    }

    /// The same on another tier, where anyone may set it. The tier is set before the token is used, since
    /// what a gateway remembers of a token may be a minute old.
    pub async fn client_on(&self, tier: &str) -> Client {
        let tenant = self.fresh_tenant();
        self.set_tier(&tenant, tier).await;
        self.client_with(&json!({"tenant": tenant, "user": USER})).await
    }

    /// A client with a token that says this.
    pub async fn client_with(&self, said: &Value) -> Client {
        let tenant = said["tenant"].as_str().unwrap_or_default();
        let token = self.token(said).await;
        Client::new(self.clone(), tenant, Some(&format!("Bearer {token}")))
    }

    /// A client without a token.
    pub fn anyone(&self) -> Client {
        Client::new(self.clone(), "", None)
    }

    /// A token that says this.
    pub async fn token(&self, said: &Value) -> String {
        let mut sent = Sent::new("POST", &self.0.target.token_url);
        sent.headers.push(("content-type".to_owned(), "application/json".to_owned()));
        sent.body = said.to_string().into_bytes();
        let answer = exchange(&self.0.connector, sent).await;
        answer.unwrap_or_else(|reason| panic!("{reason}")).expect(200).text("/token")
    }

    /// Puts a tenant on a tier. Only a local host lets anyone.
    pub async fn set_tier(&self, tenant: &str, tier: &str) {
        let url = format!("{}/_local/tenants/{tenant}", self.0.target.rest_url);
        let sent = Sent { body: json!({"tier": tier}).to_string().into_bytes(), ..Sent::new("PUT", &url) };
        exchange(&self.0.connector, sent).await.unwrap_or_else(|reason| panic!("{reason}")).expect(200);
    }

    /// The service's own description of itself.
    pub async fn openapi(&self) -> Value {
        let sent = Sent::new("GET", &format!("{}/openapi.json", self.0.target.rest_url));
        let answer = exchange(&self.0.connector, sent).await;
        answer.unwrap_or_else(|reason| panic!("{reason}")).expect(200).json()
    }

    /// Sends a request to a path or to a whole URL, and holds the answer against what is true of all.
    pub async fn send(&self, mut sent: Sent) -> Answer {
        let rest_url = &self.0.target.rest_url;
        if sent.url.starts_with('/') {
            sent.url = format!("{rest_url}{}", sent.url);
        }
        let answer = exchange(&self.0.connector, sent).await.unwrap_or_else(|reason| panic!("{reason}"));
        self.check(&answer).await;
        if let Some(path) = answer.url.strip_prefix(rest_url) {
            self.0.coverage.record(path, &answer);
        }
        answer
    }

    /// Sends a request to where the service keeps its files, whose answers have rules of their own.
    pub async fn send_elsewhere(&self, sent: Sent) -> Answer {
        exchange(&self.0.connector, sent).await.unwrap_or_else(|reason| panic!("{reason}"))
    }

    /// Every answer has a request id, and every refusal is a problem document whose type is explained.
    async fn check(&self, answer: &Answer) {
        // The stand-in refuses in its own words, whatever the stack says about that.
        let is_its_own = self.kind() == Kind::StandIn && answer.status >= 400 && !answer.is_problem();
        if is_its_own {
            return;
        }
        // What API Gateway answers by itself has its id under a name of Amazon's only.
        let amazon_s = answer.header("x-amzn-requestid").filter(|_| self.kind() == Kind::Aws);
        let request_id = answer.header("x-request-id").or(amazon_s).unwrap_or_default();
        assert!(!request_id.is_empty(), "no x-request-id: {answer}");
        if answer.status < 400 {
            return;
        }
        assert!(answer.is_problem(), "no problem document: {answer}");
        let problem = answer.json();
        assert_eq!((&problem["status"], &problem["request_id"]), (&json!(answer.status), &json!(request_id)));
        for member in ["code", "title", "detail"] {
            assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "no {member}: {answer}");
        }
        let page = self.follow(answer, &answer.text("/type"));
        let is_known = self.0.followed.lock().unwrap_or_else(PoisonError::into_inner).contains(&page);
        if !is_known {
            let found = exchange(&self.0.connector, Sent::new("GET", &page)).await;
            found.unwrap_or_else(|reason| panic!("{reason}")).expect(200);
            self.0.followed.lock().unwrap_or_else(PoisonError::into_inner).insert(page);
        }
    }

    /// Where a link in an answer leads (RFC 3986 §5.2, for the links that there are).
    pub fn follow(&self, answer: &Answer, link: &str) -> String {
        if link.contains("://") {
            return link.to_owned();
        }
        if self.kind() == Kind::StandIn {
            // Its URLs have more before the stage, which every link has.
            let rest_url = &self.0.target.rest_url;
            let stage = &rest_url[rest_url.rfind('/').unwrap_or_default()..];
            let own =
                link.strip_prefix(stage).unwrap_or_else(|| panic!("{link} does not begin with {stage}"));
            return format!("{rest_url}{own}");
        }
        let path_at = answer.url.match_indices('/').nth(2).map_or(answer.url.len(), |(at, _)| at);
        let folder_at = answer.url.rfind('/').unwrap_or_default() + 1;
        let base = &answer.url[..if link.starts_with('/') { path_at } else { folder_at }];
        format!("{base}{link}")
    }

    /// Checks what may be the gateway's own answer. Of the stand-in's nothing but the status can be said.
    ///
    /// # Panics
    /// If it is another refusal, or none.
    #[track_caller]
    pub fn assert_gateway_problem(&self, answer: &Answer, refusal: Refusal) {
        let (status, code) = match refusal {
            Refusal::Unauthorized | Refusal::TwoTokens => (401, "unauthorized"),
            Refusal::UnknownRoute => (404, "route_not_found"),
            Refusal::OtherMethod => (405, "method_not_allowed"),
        };
        let admitted: &[u16] = match (self.kind(), refusal) {
            (Kind::Local, _) => {
                answer.problem(status, code);
                return;
            }
            (Kind::Aws | Kind::StandIn, Refusal::Unauthorized) => &[401],
            (Kind::Aws | Kind::StandIn, Refusal::TwoTokens) => &[400, 401],
            (Kind::Aws, Refusal::UnknownRoute) => &[404],
            (Kind::StandIn, Refusal::UnknownRoute) => &[403, 404],
            // API Gateway does not tell an unknown method from an unknown path.
            (Kind::Aws | Kind::StandIn, Refusal::OtherMethod) => &[403, 404, 405],
        };
        assert!(admitted.contains(&answer.status), "{refusal:?}: {answer}");
    }

    /// Asks for a socket with this query and Authorization header.
    pub async fn handshake(&self, query: &str, authorization: Option<&str>) -> Result<Socket, u16> {
        Socket::open(&format!("{}{query}", self.0.target.ws_url), authorization).await
    }

    /// Checks that a handshake was refused with this status.
    ///
    /// # Panics
    /// If it was not.
    #[track_caller]
    pub fn assert_refused(&self, outcome: Result<Socket, u16>, expected: u16) {
        let Some(status) = outcome.err() else { panic!("a socket, where {expected} was expected") };
        // There the authorizer's refusal of a handshake is answered as if it had failed.
        let is_the_stand_in_s = self.kind() == Kind::StandIn && (expected, status) == (401, 500);
        assert!(status == expected || is_the_stand_in_s, "{status}, where {expected} was expected");
    }
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.kind(), self.0.target.rest_url)
    }
}

/// Looks again and again until there is something to see.
///
/// # Panics
/// If there is nothing in time.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(Instant::now() < end, "never: {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
