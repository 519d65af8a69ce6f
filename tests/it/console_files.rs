//! The console's exports and imports in a headless browser: agents leave in a file and come back from one.

use harness::{Browser, options};
use local::server::start;
use serde_json::{Value, json};

use crate::console::{a_browser, keep};

/// So many agents with so long instructions make a file that does not go with the request.
const CROWD: usize = 12;
const INSTRUCTIONS_LEN: usize = 30_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_visitor_exports_agents_and_imports_the_file_elsewhere() {
    let Some(mut browser) = a_browser().await else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let host = start(&options(folder.path(), 0)).await.expect("it starts");
    browser.resize(1_280, 900).await;
    browser.open(&host.base_url).await;
    browser.wait_for("document.querySelector('#connection').dataset.state === 'live'").await;
    publish(&mut browser, "Traveller").await;

    // An export with everything. Its file has a link as soon as that is asked for.
    browser.click("#sides [data-show=jobs]").await;
    browser.click("#new-export").await;
    browser.wait_for("document.querySelector('#export-form').checkVisibility()").await;
    browser.click("#export-versions").await;
    browser.click("#export-templates").await;
    browser.click("#export-start").await;
    browser.wait_for("document.querySelector('#job[data-state=succeeded]')").await;
    browser.wait_for("document.querySelectorAll('#job-items [data-outcome=unchanged]').length === 2").await;
    assert_eq!(browser.run("document.querySelector('#job-revert') === null").await, true);
    let exported = opened(&mut browser).await;
    browser.click("#job-download").await;
    browser.wait_for("document.querySelector('#job-file-link').href.includes('X-Amz-Signature=')").await;
    assert_eq!(browser.run("document.querySelector('#job-file-link').innerText").await, "agents.ndjson");
    let shown = command(&mut browser).await;
    assert!(shown.contains(&format!("/v1/jobs/{exported}/file")), "{shown}");
    let file = linked(&mut browser).await;
    assert!(file.contains("Traveller") && file.contains(r#""versions""#), "{file}");
    keep(&mut browser, "export-1280").await;

    // Another tenant. Without a file there is nothing to try.
    browser.click("[name=tier][value=enterprise]").await;
    browser.wait_for("document.querySelector('#jobs-state').innerText.includes('no jobs yet')").await;
    browser.wait_for("document.querySelector('#connection').dataset.state === 'live'").await;
    browser.click("#new-import").await;
    browser.wait_for("document.querySelector('#import-format').value === 'agent_management'").await;
    browser.click("#import-start").await;
    browser.wait_for("document.querySelector('#import-file[aria-invalid=true]')").await;
    browser
        .wait_for("document.querySelector('#import-file-errors').innerText.includes('Choose a file')")
        .await;

    // A dry run says what would come of it and where each part goes.
    choose(&mut browser, "agents.ndjson", &file).await;
    browser.wait_for("document.querySelector('#import-file-errors').innerText === ''").await;
    browser.click("#import-versions").await;
    browser.click("#import-templates").await;
    assert_eq!(browser.run("document.querySelector('#import-dry').checked").await, true);
    browser.click("#import-start").await;
    browser.wait_for("document.querySelector('#job[data-state=succeeded]')").await;
    browser.wait_for("document.querySelectorAll('#job-items [data-outcome=changed]').length === 2").await;
    let shown = command(&mut browser).await;
    assert!(shown.contains("jq -Rs"), "the file goes with the request: {shown}");
    assert_eq!(named(&mut browser, "Traveller").await, json!([]));
    let dry = opened(&mut browser).await;
    browser.click("#job-download").await;
    browser.wait_for("document.querySelector('#job-file-link').innerText === 'fidelity.ndjson'").await;
    let fidelity = linked(&mut browser).await;
    assert!(fidelity.contains(r#""fidelity""#) && fidelity.contains(r#""mapped""#), "{fidelity}");
    keep(&mut browser, "import-dry-1280").await;

    // The same in earnest: the agent is there with its version.
    browser.click("#job-apply").await;
    browser.click("#job-yes").await;
    opened_after(&mut browser, &dry).await;
    browser.wait_for("document.querySelector('#job[data-state=succeeded]')").await;
    browser.wait_for("document.querySelectorAll('#job-items [data-outcome=changed]').length === 2").await;
    browser.wait_for("document.querySelector('#agents').innerText.includes('Traveller')").await;
    assert_eq!(named(&mut browser, "Traveller").await, json!([1]));
    let imported = opened(&mut browser).await;

    // A long file is sent first. Without a dry run there is a question.
    browser.click("#new-import").await;
    choose(&mut browser, "crowd.ndjson", &crowd()).await;
    browser.wait_for("document.querySelector('#import-file-told').innerText.includes('sent first')").await;
    browser.wait_for("document.querySelector('#import-dry').checked").await;
    browser.click("#import-dry").await;
    browser.click("#import-start").await;
    browser.wait_for("document.querySelector('#import-question').innerText.includes('crowd.ndjson')").await;
    browser.click("#import-yes").await;
    opened_after(&mut browser, &imported).await;
    browser.wait_for("document.querySelector('#job[data-state=succeeded]')").await;
    browser
        .wait_for(&format!(
            "document.querySelectorAll('#job-items [data-outcome=changed]').length === {CROWD}"
        ))
        .await;
    assert_eq!(browser.run("document.querySelector('#job-download') === null").await, true);
    let shown = command(&mut browser).await;
    for part in ["/v1/imports/uploads", "-F 'file=@crowd.ndjson'", r#""upload_id": "upl_"#] {
        assert!(shown.contains(part), "{part} in {shown}");
    }

    // A narrow window shows the same.
    browser.resize(390, 844).await;
    for form in ["export", "import"] {
        browser.click("#panels [data-show=jobs]").await;
        browser.click(&format!("#new-{form}")).await;
        browser.wait_for(&format!("document.querySelector('#{form}-form').checkVisibility()")).await;
        keep(&mut browser, &format!("{form}-390")).await;
        let overflow = "document.documentElement.scrollWidth <= 390";
        assert_eq!(browser.run(overflow).await, true, "nothing is wider than the window");
    }
    host.stop().await.expect("it stops");
}

/// Headers of a request in the name of the tenant whose tier is chosen.
const HEADERS: &str = "fetch('/_local/token', { method: 'POST', \
    headers: { 'Content-Type': 'application/json' }, \
    body: JSON.stringify({ tenant: 'demo-' + document.querySelector('[name=tier]:checked').value }) }) \
    .then((answer) => answer.json()).then(({ token }) => ({ \
    'Content-Type': 'application/json', Authorization: 'Bearer ' + token }))";

/// Makes an agent with a version, and waits until the search knows it.
async fn publish(browser: &mut Browser, name: &str) {
    let script = format!(
        "(async () => {{
            const headers = await {HEADERS};
            const post = async (path, document) => {{
                const body = JSON.stringify(document);
                const answer = await fetch(path, {{ method: 'POST', headers, body }});
                if (!answer.ok) throw new Error(await answer.text());
                return answer.json();
            }};
            const config = {{ model: {{ provider: 'anthropic', id: 'claude-haiku-4-5' }} }};
            const {{ id }} = await post('/v1/agents', {{ name: '{name}', config }});
            await post(`/v1/agents/${{id}}/publish`, {{ title: 'First' }});
            await fetch('/_local/idle');
        }})()"
    );
    browser.run(&script).await;
}

/// The published versions of agents of a name.
async fn named(browser: &mut Browser, name: &str) -> Value {
    let script = format!(
        "(async () => {{
            const headers = await {HEADERS};
            const {{ items }} = await (await fetch('/v1/agents?limit=100', {{ headers }})).json();
            const found = items.filter((agent) => agent.name === '{name}');
            return Promise.all(found.map(async ({{ id }}) =>
                (await (await fetch(`/v1/agents/${{id}}`, {{ headers }})).json()).published_version));
        }})()"
    );
    browser.run(&script).await
}

/// A long file: an agent a line.
fn crowd() -> String {
    let instructions = "word ".repeat(INSTRUCTIONS_LEN / 5);
    let line = |number: usize| {
        let model = json!({"provider": "anthropic", "id": "claude-haiku-4-5"});
        let config = json!({"model": model, "instructions": instructions});
        json!({"name": format!("Crowd {number}"), "config": config}).to_string()
    };
    (1..=CROWD).map(line).collect::<Vec<_>>().join("\n")
}

/// Chooses a file, as a person does.
async fn choose(browser: &mut Browser, name: &str, content: &str) {
    let content = json!(content);
    let script = format!(
        "((input) => {{
            const chosen = new DataTransfer();
            chosen.items.add(new File([{content}], '{name}'));
            input.files = chosen.files;
            for (const name of ['input', 'change']) input.dispatchEvent(new Event(name, {{ bubbles: true }}));
        }})(document.querySelector('#import-file'))"
    );
    browser.run(&script).await;
}

/// What the link to the opened job's file answers.
async fn linked(browser: &mut Browser) -> String {
    let script = "fetch(document.querySelector('#job-file-link').href).then((answer) => answer.text())";
    browser.run(script).await.as_str().expect("a text").to_owned()
}

/// The command that does what was done last.
async fn command(browser: &mut Browser) -> String {
    let text = browser.run("document.querySelector('#curl-text').textContent").await;
    text.as_str().expect("a text").to_owned()
}

/// The id of the job that is opened.
async fn opened(browser: &mut Browser) -> String {
    let id = browser.run("document.querySelector('#job').dataset.opened").await;
    id.as_str().expect("an id").to_owned()
}

/// Waits until another job than the one before is opened.
async fn opened_after(browser: &mut Browser, before: &str) {
    browser
        .wait_for(&format!(
            "![undefined, '{before}'].includes(document.querySelector('#job:not([hidden])')?.dataset.opened)"
        ))
        .await;
}
