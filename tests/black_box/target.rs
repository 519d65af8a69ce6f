//! Where the service is that the cases are run against, and where its tokens come from.

use std::env;
use std::fs;

use agent_management::lambda::https_connector;
use harness::Listening;
use serde_json::Value;

use crate::http::{Sent, exchange};

/// What stands in front of the functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The local host.
    Local,
    /// A stand-in for AWS on one machine, with a stack deployed to it.
    StandIn,
    Aws,
}

impl Kind {
    /// The most cases that may be left out: today's count, so that a new skip raises it knowingly.
    pub const fn skips_max(self) -> usize {
        match self {
            Self::Local => 0,
            Self::StandIn => 9,
            Self::Aws => 8,
        }
    }
}

const _: () = {
    let all = [Kind::Local.skips_max(), Kind::StandIn.skips_max(), Kind::Aws.skips_max()];
    assert!(all[0] <= 10 && all[1] <= 10 && all[2] <= 10);
};

/// What the suite's own host admits.
const ORIGIN: &str = "https://app.example.com";

/// A running service.
#[derive(Debug)]
pub struct Target {
    pub kind: Kind,
    /// Without `/v1`, and without a slash at the end; it may have a path.
    pub rest_url: String,
    pub ws_url: String,
    /// An origin whose pages it admits, if one is known.
    pub origin: Option<String>,
    /// Answers `{tenant, user?, scopes?, ttl_s?}` with `{token}`.
    pub token_url: String,
}

impl Target {
    /// The service that the environment names. Where it names none, a local host of this process's own
    /// comes with it.
    ///
    /// # Errors
    /// What is wrong with the environment, or with what it names.
    pub async fn from_env() -> Result<(Self, Option<Listening>), String> {
        match (variable("BLACK_BOX_URL"), variable("BLACK_BOX_OUTPUTS")) {
            (Some(_), Some(_)) => Err("BLACK_BOX_URL and BLACK_BOX_OUTPUTS name two targets".to_owned()),
            (Some(url), None) => Ok((Self::local(&url).await?, None)),
            (None, Some(file)) => {
                let token_url = variable("BLACK_BOX_TOKEN_URL");
                let token_url = token_url.ok_or("BLACK_BOX_OUTPUTS needs BLACK_BOX_TOKEN_URL beside it")?;
                Ok((Self::stack(&file, token_url)?, None))
            }
            (None, None) => {
                let host = Listening::start_admitting(ORIGIN).await;
                let target = Self::local(&host.host.base_url).await?;
                Ok((Self { origin: Some(ORIGIN.to_owned()), ..target }, Some(host)))
            }
        }
    }

    /// A local host that answers at `url`.
    async fn local(url: &str) -> Result<Self, String> {
        let url = url.trim_end_matches('/');
        let sent = Sent::new("GET", &format!("{url}/_local"));
        let about = exchange(&https_connector(), sent).await?;
        if about.status != 200 {
            return Err(format!("{url} is no local host: {about}"));
        }
        Ok(Self {
            kind: Kind::Local,
            rest_url: about.text("/rest_url"),
            ws_url: about.text("/ws_url"),
            origin: variable("BLACK_BOX_ORIGIN"),
            token_url: format!("{url}/_local/token"),
        })
    }

    /// A deployed stack, by its outputs as `aws cloudformation describe-stacks` lists them.
    fn stack(file: &str, token_url: String) -> Result<Self, String> {
        let text = fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
        let outputs: Value = serde_json::from_str(&text).map_err(|error| format!("{file}: {error}"))?;
        let output = |key: &str| {
            let found = outputs.as_array()?.iter().find(|output| output["OutputKey"] == key)?;
            Some(found["OutputValue"].as_str()?.trim_end_matches('/').to_owned())
        };
        let named = |key| output(key).ok_or_else(|| format!("{file}: no output {key}"));
        let (rest_url, ws_url) = (named("RestUrl")?, named("WebSocketUrl")?);
        let kind = if rest_url.contains("/_aws/execute-api/") { Kind::StandIn } else { Kind::Aws };
        Ok(Self { kind, rest_url, ws_url, origin: variable("BLACK_BOX_ORIGIN"), token_url })
    }
}

/// The variable, if it is set to anything.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
