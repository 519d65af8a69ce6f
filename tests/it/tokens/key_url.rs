use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use authorizer::KeySource;
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http::HeaderMap;
use http_body_util::{BodyExt, Full};
use serde_json::json;

use super::{Judge, SigningKey, a_token, key_set, reason};

const URL: &str = "https://id.example.com/keys";
const MINUTE: Duration = Duration::from_mins(1);
const KEY_SET_MAX_BYTES: usize = 256 * 1024;

/// What the identity provider does with a fetch.
#[derive(Debug, Clone)]
enum Answer {
    Sends(u16, String),
    /// Sends everything, and then never says that this was all.
    SendsWithoutEnd(String),
    Unreachable,
    NeverAnswers,
}

/// The identity provider's server. It notes every fetch.
#[derive(Debug, Clone)]
struct KeyServer {
    state: Arc<Mutex<(Answer, Vec<String>)>>,
}

impl KeyServer {
    fn new(answer: Answer) -> Self {
        Self { state: Arc::new(Mutex::new((answer, Vec::new()))) }
    }

    fn publishing(keys: &[&SigningKey]) -> Self {
        Self::new(publishes(keys))
    }

    fn now(&self, answer: Answer) {
        self.locked().0 = answer;
    }

    fn fetches(&self) -> usize {
        self.locked().1.len()
    }

    fn locked(&self) -> MutexGuard<'_, (Answer, Vec<String>)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An authorizer that starts now.
    async fn judge(&self) -> Judge {
        let connector = SharedHttpConnector::new(self.clone());
        Judge::with_source(KeySource::Url { url: URL.to_owned(), connector }).await
    }
}

impl HttpConnector for KeyServer {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut state = self.locked();
        state.1.push(format!("{} {}", request.method(), request.uri()));
        let (status, body) = match state.0.clone() {
            Answer::Sends(status, body) => (status, SdkBody::from(body)),
            Answer::SendsWithoutEnd(body) => {
                let never = std::future::pending::<Option<Result<HeaderMap, Infallible>>>();
                let body = Full::new(Bytes::from(body)).with_trailers(never);
                (200, SdkBody::from_body_1_x(body))
            }
            Answer::Unreachable => {
                let error = ConnectorError::io("the connection was refused".into());
                return HttpConnectorFuture::ready(Err(error));
            }
            Answer::NeverAnswers => return HttpConnectorFuture::new(std::future::pending()),
        };
        let status = status.try_into().expect("tests send valid statuses");
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, body)))
    }
}

fn document(keys: &[&SigningKey]) -> String {
    key_set(&keys.iter().map(|key| key.jwk()).collect::<Vec<_>>()).to_string()
}

fn publishes(keys: &[&SigningKey]) -> Answer {
    Answer::Sends(200, document(keys))
}

/// The key set with spaces behind it, so that it has `bytes` bytes.
fn padded(keys: &[&SigningKey], bytes: usize) -> Answer {
    let document = document(keys);
    let spaces = " ".repeat(bytes - document.len());
    Answer::Sends(200, document + &spaces)
}

fn old_and_new() -> (SigningKey, SigningKey) {
    (SigningKey::ed25519("old"), SigningKey::ed25519("new"))
}

#[tokio::test]
async fn keys_are_fetched_at_start_and_known_keys_not_for_an_hour() {
    let key = SigningKey::ed25519("ed");
    let server = KeyServer::publishing(&[&key]);
    let judge = server.judge().await;
    assert_eq!(server.locked().1, [format!("GET {URL}")]);
    for _ in 0..5 {
        judge.caller(&a_token().signed_by(&key)).await;
        judge.app.advance(MINUTE);
    }
    assert_eq!(server.fetches(), 1);
}

#[tokio::test]
async fn unknown_keys_cost_one_fetch_a_minute_at_most() {
    let key = SigningKey::ed25519("ed");
    let server = KeyServer::publishing(&[&key]);
    let judge = server.judge().await;
    let knock = async |round: &str| {
        for index in 0..20 {
            let token = a_token().headed("kid", json!(format!("{round}-{index}"))).signed_by(&key);
            assert_eq!(judge.refusal(&token).await, reason::UNKNOWN_KEY);
        }
        server.fetches()
    };
    assert_eq!(knock("at the start").await, 1);
    judge.app.advance(MINUTE);
    assert_eq!(knock("after a minute").await, 2);
    judge.app.advance(Duration::from_millis(59_999));
    assert_eq!(knock("before the next").await, 2);
    judge.app.advance(Duration::from_millis(1));
    assert_eq!(knock("after the next").await, 3);
    server.now(Answer::Unreachable);
    judge.app.advance(MINUTE);
    assert_eq!(knock("while it is down").await, 4);
    judge.caller(&a_token().signed_by(&key)).await;
}

#[tokio::test]
async fn a_token_that_its_header_condemns_costs_no_fetch() {
    let (old, new) = old_and_new();
    let server = KeyServer::publishing(&[&old]);
    let judge = server.judge().await;
    judge.app.advance(MINUTE);
    let unsigned = a_token().headed("alg", json!("none"));
    let own_key = a_token().headed("jwk", new.jwk());
    let critical = a_token().headed("crit", json!(["x"]));
    for token in [unsigned, own_key, critical] {
        judge.refusal(&token.signed_by(&new)).await;
        assert_eq!(server.fetches(), 1);
    }
    judge.refusal(&a_token().signed_by(&new)).await;
    assert_eq!(server.fetches(), 2);
}

#[tokio::test]
async fn a_rotated_key_works_without_a_restart() {
    let (old, new) = old_and_new();
    let server = KeyServer::publishing(&[&old]);
    let judge = server.judge().await;
    let (of_old, of_new) = (a_token().signed_by(&old), a_token().signed_by(&new));
    judge.caller(&of_old).await;
    server.now(publishes(&[&old, &new]));
    judge.app.advance(MINUTE);
    judge.caller(&of_new).await;
    judge.caller(&of_old).await;
    let newest = SigningKey::p256("newest");
    server.now(publishes(&[&new, &newest]));
    judge.app.advance(MINUTE);
    judge.caller(&a_token().signed_by(&newest)).await;
    assert_eq!(judge.refusal(&of_old).await, reason::UNKNOWN_KEY, "it was withdrawn");
    judge.caller(&of_new).await;
    assert_eq!(server.fetches(), 3);
}

#[tokio::test]
async fn a_key_set_that_cannot_be_read_leaves_the_known_keys_good() {
    let (old, new) = old_and_new();
    let server = KeyServer::publishing(&[&old]);
    let judge = server.judge().await;
    let (of_old, of_new) = (a_token().signed_by(&old), a_token().signed_by(&new));
    // Each would bring the new key, if it were believed.
    let both = document(&[&old, &new]);
    let bad = [
        Answer::Unreachable,
        Answer::Sends(500, both.clone()),
        Answer::Sends(404, both.clone()),
        Answer::Sends(302, both.clone()),
        Answer::Sends(200, String::new()),
        Answer::Sends(200, format!("<html>{both}</html>")),
        Answer::Sends(200, format!("{both}{both}")),
        Answer::Sends(200, both[..both.len() - 1].to_owned()),
        Answer::Sends(200, format!("[{both}]")),
        Answer::Sends(200, json!({"keys": "none"}).to_string()),
        Answer::Sends(200, json!({"error": "try again"}).to_string()),
        padded(&[&old, &new], KEY_SET_MAX_BYTES + 1),
    ];
    for (index, answer) in bad.into_iter().enumerate() {
        let text = format!("{answer:?}").chars().take(200).collect::<String>();
        server.now(answer);
        judge.app.advance(MINUTE);
        assert_eq!(judge.refusal(&of_new).await, reason::UNKNOWN_KEY, "{text}");
        assert_eq!(server.fetches(), index + 2, "{text}");
        judge.caller(&of_old).await;
    }
    server.now(padded(&[&old, &new], KEY_SET_MAX_BYTES));
    judge.app.advance(MINUTE);
    judge.caller(&of_new).await;
    judge.caller(&of_old).await;
}

/// The one test that waits, three seconds: a clock that tests move would be another build of tokio.
#[tokio::test(start_paused = true)]
async fn a_key_set_that_hangs_leaves_the_known_keys_good() {
    let (old, new) = old_and_new();
    let (of_old, of_new) = (a_token().signed_by(&old), a_token().signed_by(&new));
    let hang = async |answer: Answer| {
        let server = KeyServer::publishing(&[&old]);
        let judge = server.judge().await;
        server.now(answer);
        judge.app.advance(MINUTE);
        assert_eq!(judge.refusal(&of_new).await, reason::UNKNOWN_KEY);
        assert_eq!(server.fetches(), 2);
        judge.caller(&of_old).await;
        server.now(publishes(&[&old, &new]));
        judge.app.advance(MINUTE);
        judge.caller(&of_new).await;
    };
    let start = async {
        let server = KeyServer::new(Answer::NeverAnswers);
        let judge = server.judge().await;
        server.now(publishes(&[&old]));
        judge.app.advance(MINUTE);
        judge.caller(&of_old).await;
    };
    let stalled = Answer::SendsWithoutEnd(document(&[&old, &new]));
    let (silent, stalled) = (Box::pin(hang(Answer::NeverAnswers)), Box::pin(hang(stalled)));
    let start = Box::pin(start);
    let all = Box::pin(async { tokio::join!(silent, stalled, start) });
    tokio::time::timeout(Duration::from_secs(20), all).await.expect("a hanging fetch is given up");
}

#[tokio::test]
async fn a_source_that_is_down_at_start_works_after_a_minute() {
    let key = SigningKey::ed25519("ed");
    let server = KeyServer::new(Answer::Unreachable);
    let judge = server.judge().await;
    let token = a_token().signed_by(&key);
    // No 401: the token may be good.
    assert!(judge.is_unable(&token).await);
    server.now(publishes(&[&key]));
    judge.app.advance(MINUTE);
    judge.caller(&token).await;
}

/// A start that found no key is no reason to turn good tokens away for a minute.
#[tokio::test]
async fn a_source_that_is_down_at_start_is_asked_again_by_the_first_token() {
    let key = SigningKey::ed25519("ed");
    let server = KeyServer::new(Answer::Unreachable);
    let judge = server.judge().await;
    server.now(publishes(&[&key]));
    judge.caller(&a_token().signed_by(&key)).await;
    assert_eq!(server.fetches(), 2);
}

#[tokio::test]
async fn a_source_that_stays_down_is_asked_once_a_minute() {
    let key = SigningKey::ed25519("ed");
    let server = KeyServer::new(Answer::Unreachable);
    let judge = server.judge().await;
    let token = a_token().signed_by(&key);
    let knock = async || {
        for _ in 0..5 {
            assert!(judge.is_unable(&token).await);
        }
        server.fetches()
    };
    let first = knock().await;
    assert!(first <= 2, "the start's and the first token's: {first}");
    judge.app.advance(MINUTE);
    assert_eq!(knock().await, first + 1);
    judge.app.advance(MINUTE);
    assert_eq!(knock().await, first + 2);
}

#[tokio::test]
async fn a_key_that_the_provider_withdraws_is_refused_after_an_hour() {
    let (old, new) = old_and_new();
    let server = KeyServer::publishing(&[&old, &new]);
    let judge = server.judge().await;
    let of_old = a_token().claiming("exp", json!(4_102_444_800_u64)).signed_by(&old);
    server.now(publishes(&[&new]));
    judge.app.advance(Duration::from_mins(59));
    judge.caller(&of_old).await;
    judge.app.advance(MINUTE);
    assert_eq!(judge.refusal(&of_old).await, reason::UNKNOWN_KEY);
}
