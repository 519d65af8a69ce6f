//! Uploads by clients: the fields of an HTML form that S3 takes, with a policy of what may be sent
//! (<https://docs.aws.amazon.com/AmazonS3/latest/developerguide/sigv4-post-example.html>). A URL alone could not
//! bound the size.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use ring::hmac::{self, HMAC_SHA256};
use rusty_s3::{Bucket, Credentials};
use serde_json::{Value, json};

use crate::clock::rfc3339;
use crate::files::UploadForm;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// A form for one object.
pub(super) fn sign(
    bucket: &Bucket,
    credentials: &Credentials,
    key: &str,
    max_bytes: u64,
    now: Timestamp,
    expires_at: Timestamp,
) -> UploadForm {
    let date = now.strftime("%Y%m%d").to_string();
    let scope = format!("{date}/{}/s3/aws4_request", bucket.region());
    let mut fields = BTreeMap::from([
        ("key".to_owned(), key.to_owned()),
        ("x-amz-algorithm".to_owned(), ALGORITHM.to_owned()),
        ("x-amz-credential".to_owned(), format!("{}/{scope}", credentials.key())),
        ("x-amz-date".to_owned(), now.strftime("%Y%m%dT%H%M%SZ").to_string()),
    ]);
    if let Some(token) = credentials.token() {
        fields.insert("x-amz-security-token".to_owned(), token.to_owned());
    }
    let mut conditions =
        vec![json!({"bucket": bucket.name()}), json!(["content-length-range", 1, max_bytes])];
    conditions.extend(fields.iter().map(|(name, value)| json!({name: value})));
    let policy: Value = json!({"expiration": rfc3339(expires_at), "conditions": conditions});
    let policy = STANDARD.encode(policy.to_string());
    let signature = signature(credentials.secret(), &date, bucket.region(), &policy);
    fields.insert("policy".to_owned(), policy);
    fields.insert("x-amz-signature".to_owned(), signature);
    UploadForm { url: bucket.base_url().as_str().to_owned(), fields }
}

/// The signature of a policy, in hexadecimal.
fn signature(secret: &str, date: &str, region: &str, policy: &str) -> String {
    let tag = |key: &[u8], text: &str| hmac::sign(&hmac::Key::new(HMAC_SHA256, key), text.as_bytes());
    let mut key = tag(format!("AWS4{secret}").as_bytes(), date);
    for part in [region, "s3", "aws4_request"] {
        key = tag(key.as_ref(), part);
    }
    let digits = |byte: &u8| [byte >> 4, byte & 15].map(|digit| char::from_digit(u32::from(digit), 16));
    tag(key.as_ref(), policy).as_ref().iter().flat_map(digits).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The policy of S3's example (<https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-post-example.html>), and the
    /// signature that it has there.
    #[test]
    fn a_policy_is_signed_as_s3_s_example_is() {
        let policy = concat!(
            "eyAiZXhwaXJhdGlvbiI6ICIyMDE1LTEyLTMwVDEyOjAwOjAwLjAwMFoiLA0KICAiY29uZGl0aW9ucyI6IFsNCiAgICB7ImJ1Y2tldCI",
            "6ICJzaWd2NGV4YW1wbGVidWNrZXQifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRrZXkiLCAidXNlci91c2VyMS8iXSwNCiAgICB7Im",
            "FjbCI6ICJwdWJsaWMtcmVhZCJ9LA0KICAgIHsic3VjY2Vzc19hY3Rpb25fcmVkaXJlY3QiOiAiaHR0cDovL3NpZ3Y0ZXhhbXBsZWJ1Y",
            "2tldC5zMy5hbWF6b25hd3MuY29tL3N1Y2Nlc3NmdWxfdXBsb2FkLmh0bWwifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRDb250ZW50",
            "LVR5cGUiLCAiaW1hZ2UvIl0sDQogICAgeyJ4LWFtei1tZXRhLXV1aWQiOiAiMTQzNjUxMjM2NTEyNzQifSwNCiAgICB7IngtYW16LXN",
            "lcnZlci1zaWRlLWVuY3J5cHRpb24iOiAiQUVTMjU2In0sDQogICAgWyJzdGFydHMtd2l0aCIsICIkeC1hbXotbWV0YS10YWciLCAiIl",
            "0sDQoNCiAgICB7IngtYW16LWNyZWRlbnRpYWwiOiAiQUtJQUlPU0ZPRE5ON0VYQU1QTEUvMjAxNTEyMjkvdXMtZWFzdC0xL3MzL2F3c",
            "zRfcmVxdWVzdCJ9LA0KICAgIHsieC1hbXotYWxnb3JpdGhtIjogIkFXUzQtSE1BQy1TSEEyNTYifSwNCiAgICB7IngtYW16LWRhdGUi",
            "OiAiMjAxNTEyMjlUMDAwMDAwWiIgfQ0KICBdDQp9",
        );
        let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        let signature = signature(secret, "20151229", "us-east-1", policy);
        assert_eq!(signature, "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e");
    }
}
