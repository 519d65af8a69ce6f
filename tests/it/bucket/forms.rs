//! Uploads by a form. Policies are signed here, since the client library signs none.

use std::fmt::Write as _;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Request;
use local::bucket::{ACCESS_KEY, NAME, PATH, REGION, SECRET_KEY};
use ring::hmac;
use serde_json::{Value, json};

use super::{HOST, World, done, outcome, refused, world};

const KEY: &str = "tenants/acme/a.bin";
const SIZE_MAX_BYTES: usize = 100;
const TIME: &str = "20260101T000000Z";

/// A form that the bucket takes, until a test changes it.
struct Form {
    fields: Vec<(String, String)>,
    file: Vec<u8>,
}

fn credential() -> String {
    format!("{ACCESS_KEY}/20260101/{REGION}/s3/aws4_request")
}

/// What the policy of [`a_form`] demands.
fn conditions() -> Vec<Value> {
    vec![
        json!({"bucket": NAME}),
        json!(["eq", "$key", KEY]),
        json!(["starts-with", "$Content-Type", "image/"]),
        json!({"x-amz-algorithm": "AWS4-HMAC-SHA256"}),
        json!({"x-amz-credential": credential()}),
        json!({"x-amz-date": TIME}),
        json!(["content-length-range", 1, SIZE_MAX_BYTES]),
    ]
}

fn a_form() -> Form {
    a_form_with(&conditions())
}

fn a_form_with(conditions: &[Value]) -> Form {
    let policy = json!({"expiration": "2026-01-01T00:10:00Z", "conditions": conditions});
    let policy = STANDARD.encode(policy.to_string());
    let signature = sign(&policy);
    let fields = [
        ("key", KEY.to_owned()),
        ("Content-Type", "image/png".to_owned()),
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256".to_owned()),
        ("X-Amz-Credential", credential()),
        ("X-Amz-Date", TIME.to_owned()),
        ("Policy", policy),
        ("X-Amz-Signature", signature),
    ];
    let fields = fields.map(|(name, value)| (name.to_owned(), value));
    Form { fields: fields.into(), file: b"content".to_vec() }
}

fn sign(policy: &str) -> String {
    let mut key = format!("AWS4{SECRET_KEY}").into_bytes();
    let mut tag = |text: &str| {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), text.as_bytes());
        key = tag.as_ref().to_vec();
        tag
    };
    for part in ["20260101", REGION, "s3", "aws4_request"] {
        tag(part);
    }
    let mut digits = String::new();
    for byte in tag(policy).as_ref() {
        write!(digits, "{byte:02x}").expect("a string takes everything");
    }
    digits
}

impl Form {
    /// The form with a field changed, or added before the file.
    fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.retain(|(given, _)| given != name);
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(given, _)| given != name);
        self
    }

    fn of(self, file: &[u8]) -> Self {
        Self { file: file.to_vec(), ..self }
    }

    fn body(&self) -> Bytes {
        let mut body: Vec<u8> = Vec::new();
        for (name, value) in &self.fields {
            let disposition = format!("Content-Disposition: form-data; name=\"{name}\"");
            body.extend(format!("--boundary\r\n{disposition}\r\n\r\n{value}\r\n").into_bytes());
        }
        let disposition = "Content-Disposition: form-data; name=\"file\"; filename=\"x; name=y.png\"";
        let head = format!("--boundary\r\n{disposition}\r\nContent-Type: text/html\r\n\r\n");
        body.extend(head.into_bytes());
        body.extend(&self.file);
        body.extend(b"\r\n--boundary--\r\n");
        body.into()
    }
}

async fn post(world: &World, form: &Form) -> (u16, String) {
    let request = Request::post(format!("{HOST}{PATH}"))
        .header("content-type", "multipart/form-data; boundary=boundary")
        .body(form.body());
    outcome(&world.bucket.answer(request.expect("a request")).await)
}

#[tokio::test]
async fn a_form_that_its_policy_admits_becomes_an_object() {
    let world = world();
    assert_eq!(post(&world, &a_form()).await, done(204));
    assert_eq!(world.bucket.object(KEY), Some(b"content".to_vec()));
    let got = world.send("GET", &world.url_to_get(KEY), Bytes::new()).await;
    assert_eq!(got.headers()["content-type"], "image/png");
    for status in ["200", "201"] {
        let mut conditions = conditions();
        conditions.push(json!({"success_action_status": status}));
        let form = a_form_with(&conditions).with("success_action_status", status);
        assert_eq!(post(&world, &form).await.0.to_string(), status);
    }
}

#[tokio::test]
async fn a_file_may_hold_anything_but_the_boundary() {
    let world = world();
    let file = b"\x00\xff\r\n--boundar\r\n--boundary-\r\n--boundaryy\r\n\r\n--\n--boundary--\r\n";
    assert_eq!(post(&world, &a_form().of(file)).await, done(204));
    assert_eq!(world.bucket.object(KEY), Some(file.to_vec()));
}

#[tokio::test]
async fn a_file_has_the_size_that_the_policy_says() {
    let world = world();
    for (size, expected) in
        [(0, refused(400, "EntityTooSmall")), (SIZE_MAX_BYTES + 1, refused(400, "EntityTooLarge"))]
    {
        assert_eq!(post(&world, &a_form().of(&vec![b'x'; size])).await, expected);
        assert_eq!(world.bucket.object(KEY), None);
    }
    for size in [1, SIZE_MAX_BYTES] {
        assert_eq!(post(&world, &a_form().of(&vec![b'x'; size])).await, done(204));
        assert_eq!(world.bucket.object(KEY), Some(vec![b'x'; size]));
    }
}

#[tokio::test]
async fn a_form_is_refused_that_its_policy_does_not_admit() {
    let world = world();
    let foreign = a_form_with(&[&conditions()[1..], &[json!({"bucket": "another"})]].concat());
    let unbounded = a_form_with(&conditions()[..1]);
    let missing = a_form().without("Content-Type");
    for form in [
        a_form().with("key", "tenants/other/a.bin"),
        a_form().with("Content-Type", "text/html"),
        a_form().with("acl", "public-read"),
        a_form().without("Policy"),
        foreign,
        unbounded,
        missing,
    ] {
        assert_eq!(post(&world, &form).await, refused(403, "AccessDenied"), "{:?}", form.fields);
    }
    assert_eq!(world.bucket.keys(), [] as [&str; 0]);
    assert_eq!(post(&world, &a_form().with("x-ignore-note", "1")).await, done(204));
}

#[tokio::test]
async fn a_policy_holds_until_it_expires() {
    let world = world();
    world.clock.advance(Duration::from_secs(599));
    assert_eq!(post(&world, &a_form()).await, done(204));
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(post(&world, &a_form()).await, refused(403, "AccessDenied"));
}

#[tokio::test]
async fn a_policy_that_was_not_signed_so_is_refused() {
    let world = world();
    let policy = json!({"expiration": "2027-01-01T00:00:00Z", "conditions": conditions()});
    let tampered = a_form().with("Policy", &STANDARD.encode(policy.to_string()));
    assert_eq!(post(&world, &tampered).await, refused(403, "SignatureDoesNotMatch"));
    let stranger = credential().replace(ACCESS_KEY, "another");
    let stranger = a_form().with("X-Amz-Credential", &stranger);
    assert_eq!(post(&world, &stranger).await, refused(403, "InvalidAccessKeyId"));
    let text = STANDARD.encode("{}");
    let none = a_form().with("Policy", &text).with("X-Amz-Signature", &sign(&text));
    assert_eq!(post(&world, &none).await, refused(400, "InvalidPolicyDocument"));
    assert_eq!(world.bucket.keys(), [] as [&str; 0]);
}

#[tokio::test]
async fn a_form_with_a_hostile_key_or_shape_is_refused() {
    let world = world();
    let mut any_key = conditions();
    any_key[1] = json!(["starts-with", "$key", ""]);
    for key in ["../a", "a/../../b", "/a", "a//b", ""] {
        let form = a_form_with(&any_key).with("key", key);
        assert_eq!(post(&world, &form).await, refused(400, "InvalidArgument"), "{key}");
    }
    let mut twice = a_form();
    twice.fields.push(("KEY".to_owned(), "another".to_owned()));
    assert_eq!(post(&world, &twice).await, refused(400, "InvalidArgument"));
    let long = a_form().with("x-ignore-note", &"x".repeat(20 * 1024));
    assert_eq!(post(&world, &long).await, refused(400, "MaxPostPreDataLengthExceededError"));
    let whole = a_form().body();
    for len in [0, 5, 40, whole.len() - 20] {
        let request = Request::post(format!("{HOST}{PATH}"))
            .header("content-type", "multipart/form-data; boundary=\"boundary\"")
            .body(whole.slice(..len));
        let outcome = outcome(&world.bucket.answer(request.expect("a request")).await);
        assert_eq!(outcome, refused(400, "MalformedPOSTRequest"), "{len}");
    }
    let bare = world.outcome("POST", &format!("{HOST}{PATH}"), whole).await;
    assert_eq!(bare, refused(412, "PreconditionFailed"));
    assert_eq!(world.bucket.keys(), [] as [&str; 0]);
}
