//! The console's jobs in a headless browser: what is done to many agents at once.

use harness::{Browser, options};
use local::server::start;
use serde_json::{Value, json};

use crate::console::{a_browser, keep};

const FLEET: usize = 3;
/// So many agents, one in a wave, that a job over them is not over when it is cancelled at once.
const CROWD: usize = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_visitor_changes_many_agents_watches_cancels_and_reverts() {
    let Some(mut browser) = a_browser().await else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let host = start(&options(folder.path(), 0)).await.expect("it starts");
    browser.resize(1_280, 900).await;
    browser.open(&host.base_url).await;
    browser.wait_for("document.querySelector('#connection').dataset.state === 'live'").await;
    create(&mut browser, "Fleet", FLEET).await;

    // None yet. What is searched for is what a job is offered for.
    browser.click("#sides [data-show=jobs]").await;
    browser.wait_for("document.querySelector('#jobs-state').innerText.includes('no jobs yet')").await;
    browser.fill("#search", "fleet").await;
    browser.wait_for("document.querySelector('#search-count').innerText === '3 agents'").await;
    browser.click("#new-job").await;
    browser.wait_for("document.querySelector('#job-count').dataset.count === '3'").await;
    assert_eq!(browser.run("document.querySelector('#job-searched').checked").await, true);
    assert_eq!(browser.run("document.querySelector('#job-dry').checked").await, true);

    // What is no JSON is said beside the field, before anything is sent.
    browser.fill("#job-patch", r#"{"tags": ["#).await;
    browser.wait_for("document.querySelector('#job-patch[aria-invalid=true]')").await;
    browser.wait_for("document.querySelector('#job-patch-errors').innerText.includes('not JSON')").await;

    // A dry run shows what would change, and changes nothing.
    browser.fill("#job-patch", r#"{"tags": ["fleet-eu"]}"#).await;
    browser.click("#job-start").await;
    browser.wait_for("document.querySelector('#job[data-state=succeeded]')").await;
    let would = "[...document.querySelectorAll('#job-items [data-outcome=changed] .patch')].filter((patch) => patch.innerText.includes('fleet-eu')).length";
    browser.wait_for(&format!("{would} === 3")).await;
    keep(&mut browser, "jobs-1280").await;
    assert_eq!(tags(&mut browser).await, json!([[], [], []]));
    let dry = opened(&mut browser).await;
    assert_eq!(browser.run("document.querySelector('#job-revert') === null").await, true);

    // The same in earnest: the socket tells when it is over.
    confirm(&mut browser, "#job-apply").await;
    let done = opened_after(&mut browser, &dry).await;
    wait_for_event(&mut browser, "job.finished", &done).await;
    browser.wait_for("document.querySelector('#job[data-state=succeeded]')").await;
    browser.wait_for("document.querySelectorAll('#job-items [data-outcome=changed]').length === 3").await;
    browser
        .wait_for(&format!(
            "document.querySelector('#jobs [data-job={done}][data-state=succeeded] progress').value === 3"
        ))
        .await;
    assert_eq!(tags(&mut browser).await, json!([["fleet-eu"], ["fleet-eu"], ["fleet-eu"]]));

    // From the job to an agent, and back.
    browser.click("#job-items .link").await;
    browser.wait_for("document.querySelector('#agent-title').innerText.includes('Fleet')").await;
    browser.wait_for("document.querySelector('#f-tags').value === 'fleet-eu'").await;
    browser.click(&format!("#jobs [data-job={done}]")).await;
    browser.wait_for("document.querySelector('#job').checkVisibility()").await;

    // Reverted: the agent that was opened follows, too.
    confirm(&mut browser, "#job-revert").await;
    let reverted = opened_after(&mut browser, &done).await;
    wait_for_event(&mut browser, "job.finished", &reverted).await;
    browser.wait_for("document.querySelector('#job[data-state=succeeded]')").await;
    browser.wait_for("document.querySelectorAll('#job-items [data-outcome=changed]').length === 3").await;
    assert_eq!(browser.run("document.querySelector('#job-of').innerText").await, done.as_str());
    assert_eq!(tags(&mut browser).await, json!([[], [], []]));
    browser.wait_for("document.querySelector('#f-tags').value === ''").await;

    // A job that is cancelled skips the rest, which can be tried again. Where the page comes too late, because the
    // machine is busy, it is another one.
    create(&mut browser, "Crowd", CROWD).await;
    browser.fill("#search", "crowd").await;
    let mut before = reverted;
    for attempt in 0.. {
        assert!(attempt < 8, "none is cancelled in time");
        browser.click("#new-job").await;
        browser.wait_for("document.querySelector('#job-count').dataset.count === '40'").await;
        browser.wait_for("document.querySelector('#job-dry').checked").await;
        browser.click("#job-dry").await;
        browser.fill("#job-wave", "1").await;
        cancel_at_once(&mut browser).await;
        browser.click("#job-start").await;
        browser.click("#job-start-yes").await;
        before = opened_after(&mut browser, &before).await;
        let ended = "['cancelled', 'succeeded'].includes(document.querySelector('#job').dataset.state)";
        browser.wait_for(ended).await;
        if browser.run("document.querySelector('#job').dataset.state").await == "cancelled" {
            break;
        }
    }
    wait_for_event(&mut browser, "job.cancelled", &before).await;
    browser.wait_for("document.querySelector('#job-items [data-outcome=skipped]')").await;
    browser.wait_for("document.querySelector('#job-retry') && !document.querySelector('#job-cancel')").await;

    // A narrow window shows the same.
    browser.resize(390, 844).await;
    keep(&mut browser, "job-390").await;
    let overflow = "document.documentElement.scrollWidth <= 390";
    assert_eq!(browser.run(overflow).await, true, "nothing is wider than the window");
    browser.click("#panels [data-show=jobs]").await;
    browser.wait_for("document.querySelectorAll('#jobs [data-job]').length >= 4").await;
    keep(&mut browser, "jobs-390").await;
    assert_eq!(browser.run(overflow).await, true, "nothing is wider than the window");
    browser.click("#new-job").await;
    browser.wait_for("document.querySelector('#job-form').checkVisibility()").await;
    keep(&mut browser, "new-job-390").await;
    assert_eq!(browser.run(overflow).await, true, "nothing is wider than the window");
    host.stop().await.expect("it stops");
}

/// Makes agents as the page's tenant, and waits until the search knows them.
async fn create(browser: &mut Browser, name: &str, count: usize) {
    let script = format!(
        "(async () => {{
            const headers = await {HEADERS};
            for (let number = 1; number <= {count}; number += 1) {{
                const config = {{ model: {{ provider: 'anthropic', id: 'claude-haiku-4-5' }} }};
                const body = JSON.stringify({{ name: '{name} ' + number, config }});
                const answer = await fetch('/v1/agents', {{ method: 'POST', headers, body }});
                if (answer.status !== 201) throw new Error(await answer.text());
            }}
            await fetch('/_local/idle');
        }})()"
    );
    browser.run(&script).await;
}

/// The tags of the fleet's agents.
async fn tags(browser: &mut Browser) -> Value {
    let script = format!(
        "(async () => {{
            const headers = await {HEADERS};
            const {{ items }} = await (await fetch('/v1/agents?limit=100', {{ headers }})).json();
            return items.filter(({{ name }}) => name.startsWith('Fleet')).map(({{ tags }}) => tags ?? []);
        }})()"
    );
    browser.run(&script).await
}

/// Headers of a request in the name of the tenant that the page begins with.
const HEADERS: &str = "fetch('/_local/token', { method: 'POST', headers: { 'Content-Type': 'application/json' }, \
    body: JSON.stringify({ tenant: 'demo-pro' }) }).then((answer) => answer.json()).then(({ token }) => ({ \
    'Content-Type': 'application/json', Authorization: 'Bearer ' + token }))";

/// Presses a button of the opened job, and says yes to what is asked then.
async fn confirm(browser: &mut Browser, button: &str) {
    browser.click(button).await;
    browser.click("#job-yes").await;
}

/// Cancels the next job in the moment in which that is offered.
async fn cancel_at_once(browser: &mut Browser) {
    // Before it is planned there would be nothing to skip.
    let script = "new MutationObserver((_, observer) => {
        const button = document.querySelector('#job-cancel');
        if (!button || document.querySelector('#job').dataset.state !== 'running') return;
        observer.disconnect();
        button.click();
        document.querySelector('#job-yes')?.click();
    }).observe(document.querySelector('#job'), { attributes: true, childList: true, subtree: true })";
    browser.run(script).await;
}

/// The id of the job that is opened.
async fn opened(browser: &mut Browser) -> String {
    let id = browser.run("document.querySelector('#job').dataset.opened").await;
    id.as_str().expect("an id").to_owned()
}

/// The id of the job that is opened after another one.
async fn opened_after(browser: &mut Browser, before: &str) -> String {
    browser
        .wait_for(&format!(
            "![undefined, '{before}'].includes(document.querySelector('#job:not([hidden])')?.dataset.opened)"
        ))
        .await;
    opened(browser).await
}

async fn wait_for_event(browser: &mut Browser, kind: &str, job: &str) {
    browser
        .wait_for(&format!(
            "document.querySelector('#timeline [data-type=\"{kind}\"][data-agent-id={job}]') !== null"
        ))
        .await;
}
