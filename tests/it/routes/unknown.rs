use harness::App;
use http::Method;
use insta::assert_snapshot;

#[tokio::test]
async fn an_unknown_route_is_a_problem_document() {
    let app = App::start().await;
    assert_snapshot!(app.client().get("/v1/robots").send().await);
}

#[tokio::test]
async fn another_method_names_those_that_there_are() {
    let app = App::start().await;
    assert_snapshot!(app.client().request(Method::DELETE, "/v1/agents").send().await);
}
