//! The console in a headless browser. Without one the test says that it was skipped; with
//! `BROWSER_REQUIRED` set, as in CI, it fails instead.

use std::io::Write;

use harness::{Browser, options};
use local::server::start;

/// Where pictures go, for a person to look at.
const PICTURES: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/console");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_visitor_creates_an_agent_sees_it_arrive_and_mends_what_is_refused() {
    let Some(mut browser) = Browser::start().await else {
        assert!(std::env::var_os("BROWSER_REQUIRED").is_none(), "there is no browser, and one is required");
        // Past the harness, which keeps what a test prints to itself.
        let _ =
            writeln!(std::io::stderr(), "SKIPPED: no Chromium on this machine, the console was not tried");
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let host = start(&options(folder.path(), 0)).await.expect("it starts");
    let port = host.base_url.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    browser.resize(1_280, 900).await;
    browser.open(&host.base_url).await;

    // The first visit: a token, a sample agent, and a live connection, without doing anything.
    browser.wait_for("document.querySelector('#connection').dataset.state === 'live'").await;
    browser.wait_for("document.querySelector('#agents').innerText.includes('Order support')").await;
    browser.wait_for("document.querySelector('#timeline [data-type=\"agent.created\"]')").await;
    keep(&mut browser, "first-visit-1280").await;

    // A refusal stands beside its field, and its fix mends it.
    browser.click("#new-agent").await;
    browser.wait_for("document.querySelector('#f-name').value === ''").await;
    browser.fill("#f-name", "Made in the browser").await;
    browser.fill("#f-temperature", "9").await;
    browser.click("#save").await;
    let error = "document.querySelector('.error[data-pointer=\"/config/model/parameters/temperature\"]')";
    browser.wait_for(error).await;
    let beside = format!("{error}.closest('.field').querySelector('#f-temperature') !== null");
    assert_eq!(browser.run(&beside).await, true, "the error is in its field's place");
    keep(&mut browser, "refused-1280").await;
    browser
        .run(&format!(
            "({error}.querySelector('.fix') ?? {error}.parentElement.querySelector('.fix')).click()"
        ))
        .await;
    browser.wait_for(&format!("{error} === null")).await;
    assert_ne!(browser.run("document.querySelector('#f-temperature').value").await, "9");
    browser.click("#save").await;

    // The agent's row, and its event on the timeline, through the socket.
    let row = "[...document.querySelectorAll('#agents [data-agent]')].find((row) => row.innerText.includes('Made in the browser'))";
    browser.wait_for(row).await;
    let id = browser.run(&format!("{row}.dataset.agent")).await;
    let id = id.as_str().expect("an id").to_owned();
    let event = format!("document.querySelector('#timeline [data-event=\"evt_{id}_1\"]')");
    browser.wait_for(&event).await;
    assert_eq!(browser.run(&format!("{event}.dataset.type")).await, "agent.created");

    // A restart: the page says so, comes back by itself, and hears of what happens then.
    host.stop().await.expect("it stops");
    browser.wait_for("document.querySelector('#connection').dataset.state === 'reconnecting'").await;
    keep(&mut browser, "disconnected-1280").await;
    let host = start(&options(folder.path(), port)).await.expect("it starts again");
    browser.wait_for("document.querySelector('#connection').dataset.state === 'live'").await;
    browser.fill("#f-name", "Renamed after the restart").await;
    browser.click("#save").await;
    browser.wait_for(&format!("document.querySelector('#timeline [data-event=\"evt_{id}_2\"]')")).await;
    keep(&mut browser, "after-restart-1280").await;

    // A narrow window shows the same.
    browser.resize(390, 844).await;
    keep(&mut browser, "edit-390").await;
    browser.click("[data-show=events]").await;
    keep(&mut browser, "events-390").await;
    let overflow = "document.documentElement.scrollWidth <= 390";
    assert_eq!(browser.run(overflow).await, true, "nothing is wider than the window");
    host.stop().await.expect("it stops");
}

async fn keep(browser: &mut Browser, name: &str) {
    let picture = browser.picture().await;
    std::fs::create_dir_all(PICTURES).expect("a folder for pictures");
    std::fs::write(format!("{PICTURES}/{name}.png"), picture).expect("a picture");
}
