//! What a newcomer reads first: where the service is, a token per tier, and commands to paste.

use crate::host::Host;
use crate::issuer::TokenRequest;

/// How long the banner's tokens are good: a working day.
const TOKEN_TTL_S: i32 = 12 * 3_600;

pub fn text(host: &Host, base_url: &str, data: &str) -> String {
    let token = |tier: &str| {
        let request =
            TokenRequest { ttl_s: Some(TOKEN_TTL_S), ..TokenRequest::for_tenant(&demo_tenant(tier)) };
        host.issuer.token(&request, host.clock.now())
    };
    let tiers = host.tiers.all();
    let lines = tiers.iter().map(|tier| format!("  {:<11} {}", tier.name, token(&tier.name)));
    let tokens = lines.collect::<Vec<_>>().join("\n\n");
    let first = tiers.first().map(|tier| token(&tier.name)).unwrap_or_default();
    let socket_url = crate::socket::url(base_url);
    let version = env!("CARGO_PKG_VERSION");
    format!(
        r#"
  Agent Management Service {version}, on this machine only
  Console   {base_url}
  REST      {base_url}/v1
  Socket    {socket_url}
  Health    {base_url}/health/ready
  API       {base_url}/docs and {base_url}/openapi.json
  Control   {base_url}/_local
  Data      {data}

A token for a tenant of each tier, good for 12 hours:
{tokens}

Try it: create an agent, get it, list them.

export URL={base_url} TOKEN={first}
curl -si $URL/v1/agents -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \
  -d '{{"name":"Support","config":{{"model":{{"provider":"anthropic","id":"claude-haiku-4-5"}},"instructions":"Answer questions about orders."}}}}' | tee /tmp/agent
curl -s $URL$(sed -n 's/^location: //p' /tmp/agent | tr -d '\r') -H "Authorization: Bearer $TOKEN"
curl -s "$URL/v1/agents?limit=10" -H "Authorization: Bearer $TOKEN"

Stop with Ctrl-C.
"#
    )
}

/// The tenant that shows a tier.
pub fn demo_tenant(tier: &str) -> String {
    format!("demo-{tier}")
}
