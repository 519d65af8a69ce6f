//! Scripts of other origins: those that the deployment admits may call, all others may not read.

use agent_management::http::routes::all;
use harness::App;
use http::Method;
use insta::assert_snapshot;

const ADMITTED: &str = "https://app.example.com";

async fn app() -> App {
    App::start_admitting(&[ADMITTED]).await
}

fn sample(path: &str) -> String {
    path.replace(['{', '}'], "")
}

#[tokio::test]
async fn a_preflight_names_the_methods_of_its_path_without_a_token() {
    let app = app().await;
    let preflight = |path: &str, origin: &str| {
        let request = app.client_sending(None).request(Method::OPTIONS, path).header("origin", origin);
        request.header("access-control-request-method", "PATCH").send()
    };
    assert_snapshot!(preflight("/v1/agents/agt_1", ADMITTED).await);
    for route in all() {
        preflight(&sample(route.path), ADMITTED).await.expect(204);
        let refused = preflight(&sample(route.path), "https://evil.example.com").await.expect(405);
        assert_eq!(refused.header("access-control-allow-origin"), None);
    }
    preflight("/v1/robots", ADMITTED).await.expect(404);
}

#[tokio::test]
async fn an_admitted_origin_may_read_answers_and_refusals() {
    let app = app().await;
    assert_snapshot!(app.client().get("/v1/agents").header("origin", ADMITTED).send().await);
    for client in [app.client_sending(None), app.client()] {
        for path in ["/v1/agents", "/v1/robots", "/v1/agents/x", "/health/live"] {
            let answer = client.get(path).header("origin", ADMITTED).send().await;
            assert_eq!(answer.header("access-control-allow-origin"), Some(ADMITTED), "{answer}");
        }
    }
}

#[tokio::test]
async fn another_origin_reads_nothing_and_caches_are_told_that_origins_differ() {
    let app = app().await;
    for origin in [
        "https://evil.example.com",
        "https://app.example.com.evil.example",
        "null",
        "HTTPS://APP.EXAMPLE.COM",
    ] {
        let answer = app.client().get("/v1/agents").header("origin", origin).send().await.expect(200);
        assert_eq!(
            (answer.header("access-control-allow-origin"), answer.header("vary")),
            (None, Some("origin"))
        );
    }
    let without = App::start().await.client().get("/v1/agents").header("origin", ADMITTED).send().await;
    assert_eq!((without.header("access-control-allow-origin"), without.header("vary")), (None, None));
}
