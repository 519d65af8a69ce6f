//! The template against the code: routes, variables, permissions and settings. `tests/template.json` is
//! what template.yaml becomes on AWS, made by `.ci/template --write`; everyday tests need no more.

mod body;
mod permissions;
mod routes;
mod settings;
mod variables;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use harness::template::template;
use sha2::{Digest, Sha256};

#[test]
fn the_transformed_template_is_of_today() {
    let mut digest = Sha256::new();
    for file in ["template.yaml", "infra/gateway/rest.json"] {
        let path = format!("{}/../{file}", env!("CARGO_MANIFEST_DIR"));
        digest.update(std::fs::read(path).expect("it is there"));
    }
    assert_eq!(template()["Source"], STANDARD.encode(digest.finalize()), "run `.ci/template --write`");
}
