//! The one TLS stack, and whom it trusts.
//!
//! AWS's endpoints are issued by Amazon Trust Services, whose five roots are part of the binary: reading
//! the system's hundred and more took two thirds of a cold start
//! (`docs/decisions/0009-small-and-quick-binaries.md`). Anything else is judged by the system's.

use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::{SharedHttpClient, SharedHttpConnector};

/// All five that a trust store of one's own is to have, by <https://www.amazontrust.com/repository/>.
const AMAZON_ROOTS: &[u8] = include_bytes!("amazon-roots.pem");

/// Partitions whose endpoints others issue, by how their regions begin.
const OTHER_ISSUERS: [&str; 3] = ["cn-", "us-iso", "eu-iso"];

const PROVIDER: Provider = Provider::Rustls(CryptoMode::Ring);

/// Whom the calls to AWS trust.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Roots {
    Amazon,
    /// The system's, or those of the file that `SSL_CERT_FILE` names.
    System,
}

impl Roots {
    /// For the endpoints of `region`. With an endpoint of someone's own, or certificates of theirs, the
    /// system decides: so does whoever has to get by without a new release.
    pub(super) fn of(region: &str, has_own_endpoint: bool, has_own_certificates: bool) -> Self {
        let is_others = OTHER_ISSUERS.iter().any(|beginning| region.starts_with(beginning));
        if has_own_endpoint || has_own_certificates || is_others { Self::System } else { Self::Amazon }
    }

    fn context(self) -> TlsContext {
        let trust_store = match self {
            Self::Amazon => TrustStore::empty().with_pem_certificate(AMAZON_ROOTS),
            Self::System => TrustStore::default(),
        };
        TlsContext::builder().with_trust_store(trust_store).build().expect("a trust store alone is a context")
    }
}

/// A client for AWS's endpoints.
pub(super) fn http_client(roots: Roots) -> SharedHttpClient {
    aws_smithy_http_client::Builder::new().tls_provider(PROVIDER).tls_context(roots.context()).build_https()
}

/// A connector for AWS's endpoints, where there is no client of the SDK's.
pub(super) fn connector(roots: Roots) -> SharedHttpConnector {
    let connector = aws_smithy_http_client::Connector::builder().tls_provider(PROVIDER);
    SharedHttpConnector::new(connector.tls_context(roots.context()).build())
}

/// A connector for https, to whoever the system trusts.
pub fn https_connector() -> SharedHttpConnector {
    SharedHttpConnector::new(aws_smithy_http_client::Connector::builder().tls_provider(PROVIDER).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_roots_in_the_binary_are_five_that_can_be_read() {
        // A connector reads what it trusts as soon as it is made, and panics at a root that is none.
        let connector = aws_smithy_http_client::Connector::builder().tls_provider(PROVIDER);
        let _ = connector.tls_context(Roots::Amazon.context()).build();
        let begin = AMAZON_ROOTS.windows(27).filter(|text| text == b"-----BEGIN CERTIFICATE-----");
        assert_eq!(begin.count(), 5);
    }

    #[test]
    fn amazon_s_roots_are_for_amazon_s_endpoints() {
        assert_eq!(Roots::of("eu-west-1", false, false), Roots::Amazon);
        assert_eq!(Roots::of("us-gov-west-1", false, false), Roots::Amazon);
        for others in ["cn-north-1", "us-iso-east-1", "us-isob-east-1", "eu-isoe-west-1"] {
            assert_eq!(Roots::of(others, false, false), Roots::System);
        }
        assert_eq!(Roots::of("eu-west-1", true, false), Roots::System);
        assert_eq!(Roots::of("eu-west-1", false, true), Roots::System);
    }
}
