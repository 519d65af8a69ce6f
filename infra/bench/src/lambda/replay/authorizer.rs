//! Tokens of many users, signed by each algorithm in turn.

use serde_json::{Value, json};

use super::{Event, Replay, check_none};
use crate::seed::{Seeded, TENANT};
use crate::services::Received;
use crate::signers::Algorithm;

#[derive(Debug)]
pub struct Authorizations<'a> {
    seeded: &'a Seeded,
    turn: usize,
}

impl<'a> Authorizations<'a> {
    pub fn new(seeded: &'a Seeded) -> Self {
        Self { seeded, turn: 0 }
    }

    fn user(&self) -> String {
        format!("user-{}", self.turn)
    }
}

impl Replay for Authorizations<'_> {
    fn next(&mut self) -> Result<Event, String> {
        let algorithm = Algorithm::ALL[self.turn % Algorithm::ALL.len()];
        let now = self.seeded.host.clock.now();
        let token = self.seeded.signers.token(algorithm, TENANT, &self.user(), now)?;
        let bearer = format!("Bearer {token}");
        let path = "/v1/agents";
        let event = json!({
            "type": "REQUEST",
            "methodArn": "arn:aws:execute-api:us-east-1:000000000000:bench/v1/GET/v1/agents",
            "resource": path,
            "path": path,
            "httpMethod": "GET",
            "headers": {"Host": "api.example.com", "Authorization": bearer, "X-Forwarded-Proto": "https"},
            "multiValueHeaders": {
                "Host": ["api.example.com"], "Authorization": [bearer], "X-Forwarded-Proto": ["https"],
            },
            "queryStringParameters": {},
            "multiValueQueryStringParameters": {},
            "pathParameters": {},
            "stageVariables": {},
            "requestContext": {
                "accountId": "000000000000",
                "apiId": "bench",
                "httpMethod": "GET",
                "identity": {"sourceIp": "192.0.2.1"},
                "path": path,
                "requestId": format!("00000000-0000-4000-9000-{:012x}", self.turn),
                "resourcePath": path,
                "stage": "v1",
            },
        });
        Ok(Event { name: algorithm.as_str(), json: event.to_string() })
    }

    fn heard(&mut self, answer: &Value) -> Result<(), String> {
        let is_allowed = answer["policyDocument"]["Statement"][0]["Effect"] == "Allow";
        let context = &answer["context"];
        if !is_allowed || context["tenant"] != TENANT || context["user"] != self.user() {
            return Err("not admitted as its user".to_owned());
        }
        self.turn += 1;
        Ok(())
    }

    fn check(&self, received: Received) -> Result<(), String> {
        check_none(received)
    }
}
