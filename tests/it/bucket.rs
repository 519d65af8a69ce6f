//! The model of S3's bucket, held against what S3 documents and against a client library that signs.

use std::time::Duration;

use agent_management::clock::Clock;
use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use jiff::Timestamp;
use local::bucket::signature::{self, Signer};
use local::bucket::{ACCESS_KEY, Bucket, NAME, PATH, REGION, SECRET_KEY};
use rusty_s3::actions::{CompleteMultipartUploadResponse, CreateMultipartUpload};
use rusty_s3::{Credentials, S3Action, UrlStyle};

mod forms;

const HOST: &str = "http://127.0.0.1:9400";
const VALID: Duration = Duration::from_mins(1);
const PART_MIN_BYTES: usize = 5 * 1024 * 1024;

struct World {
    bucket: Bucket,
    clock: Clock,
    signer: rusty_s3::Bucket,
    credentials: Credentials,
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("a fixed text")
}

fn world() -> World {
    let clock = Clock::manual(at("2026-01-01T00:00:00Z"));
    let endpoint = format!("{HOST}/_local/").parse().expect("a fixed text");
    World {
        bucket: Bucket::open(None, clock.clone()).expect("a temporary folder"),
        clock,
        signer: rusty_s3::Bucket::new(endpoint, UrlStyle::Path, NAME, REGION).expect("a fixed text"),
        credentials: Credentials::new(ACCESS_KEY, SECRET_KEY),
    }
}

impl World {
    fn sign<'a>(&self, action: &impl S3Action<'a>) -> String {
        action.sign_with_time(VALID, &self.clock.now()).to_string()
    }

    fn url_to_get(&self, key: &str) -> String {
        self.sign(&self.signer.get_object(Some(&self.credentials), key))
    }

    fn url_to_put(&self, key: &str) -> String {
        self.sign(&self.signer.put_object(Some(&self.credentials), key))
    }

    async fn send(&self, method: &str, url: &str, body: impl Into<Bytes>) -> Response<Bytes> {
        let request = Request::builder().method(method).uri(url).body(body.into());
        self.bucket.answer(request.expect("a request")).await
    }

    /// The status and, of a refusal, S3's code.
    async fn outcome(&self, method: &str, url: &str, body: impl Into<Bytes>) -> (u16, String) {
        outcome(&self.send(method, url, body).await)
    }

    async fn create_upload(&self, key: &str) -> String {
        let action = self.signer.create_multipart_upload(Some(&self.credentials), key);
        let response = self.send("POST", &self.sign(&action), Bytes::new()).await;
        let answer = CreateMultipartUpload::parse_response(&text(&response)).expect("the client reads it");
        answer.upload_id().to_owned()
    }

    async fn put_part(&self, key: &str, number: u16, id: &str, bytes: Vec<u8>) -> String {
        let action = self.signer.upload_part(Some(&self.credentials), key, number, id);
        let response = self.send("PUT", &self.sign(&action), bytes).await;
        assert_eq!(response.status(), StatusCode::OK);
        response.headers()["etag"].to_str().expect("text").to_owned()
    }

    async fn complete(&self, key: &str, id: &str, etags: &[String]) -> Response<Bytes> {
        let etags = etags.iter().map(String::as_str);
        let action = self.signer.complete_multipart_upload(Some(&self.credentials), key, id, etags);
        let url = self.sign(&action);
        self.send("POST", &url, action.body()).await
    }
}

fn text(response: &Response<Bytes>) -> String {
    String::from_utf8(response.body().to_vec()).expect("UTF-8")
}

fn outcome(response: &Response<Bytes>) -> (u16, String) {
    let body = String::from_utf8_lossy(response.body()).into_owned();
    let code = body.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
    (response.status().as_u16(), code.map(|(code, _)| code.to_owned()).unwrap_or_default())
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

fn done(status: u16) -> (u16, String) {
    (status, String::new())
}

#[tokio::test]
async fn what_is_put_is_read_whole_in_ranges_and_under_another_name() {
    let world = world();
    let put = Request::put(world.url_to_put("tenants/a b/ü+1.txt")).header("content-type", "text/plain");
    let put = world.bucket.answer(put.body(Bytes::from("0123456789")).expect("a request")).await;
    assert_eq!(put.status(), StatusCode::OK);
    assert_eq!(world.bucket.keys(), ["tenants/a b/ü+1.txt"]);
    let url = world.url_to_get("tenants/a b/ü+1.txt");
    let got = world.send("GET", &url, Bytes::new()).await;
    assert_eq!((got.status(), text(&got).as_str()), (StatusCode::OK, "0123456789"));
    assert_eq!(got.headers()["content-type"], "text/plain");
    assert_eq!(got.headers()["content-length"], "10");
    assert_eq!(got.headers()["etag"], put.headers()["etag"]);
    let head = world.signer.head_object(Some(&world.credentials), "tenants/a b/ü+1.txt");
    let head = world.send("HEAD", &world.sign(&head), Bytes::new()).await;
    assert_eq!(head.headers()["content-length"], "10");
    assert_eq!(head.body().len(), 0);
    for (range, status, content_range, bytes) in [
        ("bytes=2-4", 206, "bytes 2-4/10", "234"),
        ("bytes=7-", 206, "bytes 7-9/10", "789"),
        ("bytes=9-99", 206, "bytes 9-9/10", "9"),
        ("bytes=10-", 416, "", ""),
        ("bytes=4-2", 416, "", ""),
    ] {
        let request = Request::get(&url).header("range", range).body(Bytes::new()).expect("a request");
        let part = world.bucket.answer(request).await;
        assert_eq!(part.status().as_u16(), status, "{range}");
        if status == 206 {
            assert_eq!(text(&part), bytes);
            assert_eq!(part.headers()["content-range"], content_range);
        }
    }
    let mut named = world.signer.get_object(Some(&world.credentials), "tenants/a b/ü+1.txt");
    named.query_mut().insert("response-content-disposition", "attachment; filename=\"a+b c.txt\"");
    named.query_mut().insert("response-content-type", "application/x-download");
    let named = world.send("GET", &world.sign(&named), Bytes::new()).await;
    assert_eq!(named.headers()["content-disposition"], "attachment; filename=\"a+b c.txt\"");
    assert_eq!(named.headers()["content-type"], "application/x-download");
}

#[tokio::test]
async fn what_is_deleted_or_never_was_is_not_found() {
    let world = world();
    world.bucket.put_object("a/b", b"1").expect("put");
    world.bucket.put_object("a", b"2").expect("a key may begin another");
    let delete = world.sign(&world.signer.delete_object(Some(&world.credentials), "a"));
    assert_eq!(world.outcome("DELETE", &delete, Bytes::new()).await, done(204));
    assert_eq!(world.outcome("DELETE", &delete, Bytes::new()).await, done(204));
    let get = world.url_to_get("a");
    assert_eq!(world.outcome("GET", &get, Bytes::new()).await, refused(404, "NoSuchKey"));
    assert_eq!((world.bucket.object("a"), world.bucket.object("a/b")), (None, Some(b"1".to_vec())));
}

#[tokio::test]
async fn a_signature_holds_for_its_time() {
    let world = world();
    world.bucket.put_object("a", b"1").expect("put");
    let url = world.url_to_get("a");
    world.clock.advance(VALID.saturating_sub(Duration::from_secs(1)));
    assert_eq!(world.outcome("GET", &url, Bytes::new()).await, done(200));
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(world.outcome("GET", &url, Bytes::new()).await, refused(403, "AccessDenied"));
    let action = world.signer.get_object(Some(&world.credentials), "a");
    let ahead = |seconds: i64, valid_s: u64| {
        let at = Timestamp::from_second(world.clock.now().as_second() + seconds).expect("in range");
        action.sign_with_time(Duration::from_secs(valid_s), &at).to_string()
    };
    let (near, far, long) = (ahead(900, 60), ahead(901, 60), ahead(0, 604_801));
    assert_eq!(world.outcome("GET", &near, Bytes::new()).await, done(200));
    assert_eq!(world.outcome("GET", &far, Bytes::new()).await, refused(403, "RequestTimeTooSkewed"));
    let malformed = refused(400, "AuthorizationQueryParametersError");
    assert_eq!(world.outcome("GET", &long, Bytes::new()).await, malformed);
}

#[tokio::test]
async fn what_is_signed_can_not_be_changed() {
    let world = world();
    world.bucket.put_object("a", b"1").expect("put");
    world.bucket.put_object("b", b"2").expect("put");
    let url = world.url_to_get("a");
    let mismatch = refused(403, "SignatureDoesNotMatch");
    for changed in [
        url.replace("/files/a?", "/files/b?"),
        url.replace("X-Amz-Expires=60", "X-Amz-Expires=61"),
        url.replace("127.0.0.1", "127.0.0.2"),
        format!("{url}&response-content-type=text%2Fhtml"),
        format!("{}0", &url[..url.len() - 1]),
        format!("{}1", &url[..url.len() - 1]),
    ] {
        let outcome = world.outcome("GET", &changed, Bytes::new()).await;
        assert!(changed == url || outcome == mismatch, "{changed} {outcome:?}");
    }
    assert_eq!(world.outcome("DELETE", &url, Bytes::new()).await, mismatch);
    assert_eq!(world.outcome("PUT", &url, "3").await, mismatch);
    let unsigned = format!("{HOST}{PATH}a");
    assert_eq!(world.outcome("GET", &unsigned, Bytes::new()).await, refused(403, "AccessDenied"));
    for (key, secret, expected) in
        [(ACCESS_KEY, "another", mismatch), ("another", SECRET_KEY, refused(403, "InvalidAccessKeyId"))]
    {
        let credentials = Credentials::new(key, secret);
        let url = world.sign(&world.signer.get_object(Some(&credentials), "a"));
        assert_eq!(world.outcome("GET", &url, Bytes::new()).await, expected);
    }
    assert_eq!(world.bucket.object("a"), Some(b"1".to_vec()));
}

const EXAMPLE: Signer<'static> = Signer {
    access_key: "AKIAIOSFODNN7EXAMPLE",
    secret_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    region: "us-east-1",
};

#[test]
fn the_published_example_of_a_signed_request_is_signed_rightly() {
    let url = "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256\
        &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
        &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
        &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
    let now = at("2013-05-24T12:00:00Z");
    let verify = |url: &str| {
        let request = Request::get(url).body(()).expect("a request");
        signature::verify(&EXAMPLE, &request, now).map_err(|refusal| refusal.code)
    };
    assert_eq!(verify(url), Ok(()));
    assert_eq!(verify(&url.replace("test.txt", "test.txs")), Err("SignatureDoesNotMatch"));
}

#[test]
fn the_published_example_of_a_policy_is_signed_rightly() {
    let policy = "{ \"expiration\": \"2015-12-30T12:00:00.000Z\",\r\n  \"conditions\": [\r\n    \
        {\"bucket\": \"sigv4examplebucket\"},\r\n    [\"starts-with\", \"$key\", \"user/user1/\"],\r\n    \
        {\"acl\": \"public-read\"},\r\n    {\"success_action_redirect\": \
        \"http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html\"},\r\n    \
        [\"starts-with\", \"$Content-Type\", \"image/\"],\r\n    \
        {\"x-amz-meta-uuid\": \"14365123651274\"},\r\n    {\"x-amz-server-side-encryption\": \"AES256\"},\
        \r\n    [\"starts-with\", \"$x-amz-meta-tag\", \"\"],\r\n\r\n    {\"x-amz-credential\": \
        \"AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request\"},\r\n    \
        {\"x-amz-algorithm\": \"AWS4-HMAC-SHA256\"},\r\n    \
        {\"x-amz-date\": \"20151229T000000Z\" }\r\n  ]\r\n}";
    let credential = "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request";
    let signature = "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e";
    let verify = |policy: &str| {
        let policy = STANDARD.encode(policy);
        signature::verify_text(&EXAMPLE, &policy, credential, "20151229T000000Z", signature)
            .map_err(|refusal| refusal.code)
    };
    assert_eq!(verify(policy), Ok(()));
    assert_eq!(verify(&policy.replace("user1", "user2")), Err("SignatureDoesNotMatch"));
}

#[tokio::test]
async fn parts_become_an_object_at_completion_and_not_before() {
    let world = world();
    let action = world.signer.create_multipart_upload(Some(&world.credentials), "big");
    let create = Request::post(world.sign(&action)).header("content-type", "text/csv").body(Bytes::new());
    let created = world.bucket.answer(create.expect("a request")).await;
    let created = CreateMultipartUpload::parse_response(&text(&created)).expect("the client reads it");
    let id = created.upload_id();
    world.put_part("big", 1, id, vec![b'x'; PART_MIN_BYTES]).await;
    let first = world.put_part("big", 1, id, vec![b'a'; PART_MIN_BYTES]).await;
    let missing = world.complete("big", id, &[first.clone(), first.clone()]).await;
    assert_eq!(outcome(&missing), refused(400, "InvalidPart"));
    let second = world.put_part("big", 2, id, b"end".to_vec()).await;
    assert_eq!((world.bucket.object("big"), world.bucket.keys().len()), (None, 0));
    let swapped = world.complete("big", id, &[second.clone(), first.clone()]).await;
    assert_eq!(outcome(&swapped), refused(400, "InvalidPart"));
    let unread = world.url_to_get("big");
    assert_eq!(world.outcome("GET", &unread, Bytes::new()).await, refused(404, "NoSuchKey"));
    let etags = [first, second];
    let completed = world.complete("big", id, &etags).await;
    let answer = CompleteMultipartUploadResponse::parse(&text(&completed)).expect("the client reads it");
    let got = world.send("GET", &world.url_to_get("big"), Bytes::new()).await;
    assert_eq!(got.headers()["etag"], answer.etag());
    assert_eq!(got.headers()["content-type"], "text/csv");
    assert!(got.body().len() == PART_MIN_BYTES + 3 && got.body().ends_with(b"aaend"));
    assert_eq!(outcome(&world.complete("big", id, &etags).await), refused(404, "NoSuchUpload"));
}

#[tokio::test]
async fn only_the_last_part_may_be_small() {
    let world = world();
    world.bucket.put_object("big", b"before").expect("put");
    let id = world.create_upload("big").await;
    let first = world.put_part("big", 1, &id, vec![b'a'; PART_MIN_BYTES - 1]).await;
    let second = world.put_part("big", 2, &id, b"end".to_vec()).await;
    let completed = world.complete("big", &id, &[first.clone(), second]).await;
    assert_eq!(outcome(&completed), refused(400, "EntityTooSmall"));
    assert_eq!(world.bucket.object("big"), Some(b"before".to_vec()));
    assert_eq!(outcome(&world.complete("big", &id, &[first]).await), done(200));
    assert_eq!(world.bucket.object("big").map(|bytes| bytes.len()), Some(PART_MIN_BYTES - 1));
}

#[tokio::test]
async fn an_upload_that_was_aborted_or_is_to_another_key_takes_nothing() {
    let world = world();
    let id = world.create_upload("big").await;
    let etag = world.put_part("big", 1, &id, b"all".to_vec()).await;
    let none = refused(404, "NoSuchUpload");
    assert_eq!(outcome(&world.complete("other", &id, std::slice::from_ref(&etag)).await), none);
    let abort = world.signer.abort_multipart_upload(Some(&world.credentials), "big", &id);
    let abort = world.sign(&abort);
    assert_eq!(world.outcome("DELETE", &abort, Bytes::new()).await, done(204));
    assert_eq!(world.outcome("DELETE", &abort, Bytes::new()).await, none);
    assert_eq!(outcome(&world.complete("big", &id, &[etag]).await), none);
    for id in [id.as_str(), "../objects", ".", ""] {
        let part = world.signer.upload_part(Some(&world.credentials), "big", 1, id);
        assert_eq!(world.outcome("PUT", &world.sign(&part), "all").await, none, "{id}");
    }
    assert_eq!(world.bucket.keys(), [] as [&str; 0]);
}

#[tokio::test]
async fn no_key_leads_out_of_the_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let world = World {
        bucket: Bucket::open(Some(&folder.path().join("files")), world().clock).expect("opens"),
        ..world()
    };
    let invalid = refused(400, "InvalidArgument");
    for key in ["a//b", "a/", "/a", "a\\..\\b", "a\0"] {
        assert_eq!(world.outcome("PUT", &world.url_to_put(key), "1").await, invalid, "{key:?}");
    }
    for path in ["../a", "%2e%2e/a", "a/%2E%2E/%2e%2e/b", "./a", "..%2Fa", "a%5Cb", "a%00", "%ff"] {
        let url = format!("{HOST}{PATH}{path}");
        assert_eq!(world.outcome("PUT", &url, "1").await, invalid, "{path}");
    }
    for key in ["..", "../a", "a/../../b", ".", "", "/etc/passwd"] {
        assert!(world.bucket.put_object(key, b"1").is_err(), "{key}");
    }
    let (longest, longer) = ("k".repeat(1024), "k".repeat(1025));
    assert_eq!(world.outcome("PUT", &world.url_to_put(&longest), "1").await, done(200));
    assert_eq!(world.outcome("PUT", &world.url_to_put(&longer), "1").await, refused(400, "KeyTooLongError"));
    assert_eq!(world.bucket.keys(), [longest]);
    assert_eq!(std::fs::read_dir(folder.path()).expect("readable").count(), 1);
}

#[tokio::test]
async fn objects_and_uploads_outlive_the_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let open =
        || World { bucket: Bucket::open(Some(folder.path()), world().clock).expect("opens"), ..world() };
    let world = open();
    world.bucket.put_object("a", b"1").expect("put");
    let id = world.create_upload("b").await;
    let etag = world.put_part("b", 1, &id, b"2".to_vec()).await;
    drop(world);
    let world = open();
    assert_eq!(outcome(&world.complete("b", &id, &[etag]).await), done(200));
    assert_eq!(world.bucket.keys(), ["a", "b"]);
    assert_eq!(world.bucket.object("b"), Some(b"2".to_vec()));
}

#[tokio::test]
async fn a_bucket_that_is_down_refuses_as_many_requests_as_it_is_told() {
    let world = world();
    world.bucket.fail_next(2);
    for expected in [refused(503, "SlowDown"), refused(503, "SlowDown"), done(200)] {
        assert_eq!(world.outcome("PUT", &world.url_to_put("a"), "1").await, expected);
    }
}

#[tokio::test]
async fn the_sdks_http_client_reaches_the_bucket() {
    let world = world();
    let put = Request::put(world.url_to_put("a")).body(SdkBody::from("1")).expect("a request");
    let response = world.bucket.call(HttpRequest::try_from(put).expect("it has no odd header")).await;
    assert_eq!(response.expect("an answer").status().as_u16(), 200);
    let get = Request::get(world.url_to_get("a")).body(SdkBody::empty()).expect("a request");
    let response = world.bucket.call(HttpRequest::try_from(get).expect("it has no odd header")).await;
    assert_eq!(response.expect("an answer").body().bytes(), Some(&b"1"[..]));
}
