//! The console in a headless browser. Without one the test says that it was skipped; with
//! `BROWSER_REQUIRED` set, as in CI, it fails instead.

use std::io::Write;

use agent_management::agent::risk::RiskClass;
use harness::{Browser, options};
use local::server::start;

/// Where pictures go, for a person to look at.
const PICTURES: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/console");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_visitor_creates_an_agent_sees_it_arrive_and_mends_what_is_refused() {
    let Some(mut browser) = a_browser().await else { return };
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

/// A browser, if there is one on this machine.
pub(crate) async fn a_browser() -> Option<Browser> {
    let browser = Browser::start().await;
    if browser.is_none() {
        assert!(std::env::var_os("BROWSER_REQUIRED").is_none(), "there is no browser, and one is required");
        // Past the harness, which keeps what a test prints to itself.
        let _ =
            writeln!(std::io::stderr(), "SKIPPED: no Chromium on this machine, the console was not tried");
    }
    browser
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_team_publishes_compares_asks_accepts_and_rolls_back() {
    let Some(mut browser) = a_browser().await else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let host = start(&options(folder.path(), 0)).await.expect("it starts");
    browser.resize(1_280, 900).await;
    browser.open(&host.base_url).await;
    browser.wait_for("document.querySelector('#connection').dataset.state === 'live'").await;
    browser.click("[name=tier][value=enterprise]").await;
    browser.wait_for("document.querySelector('#connection').dataset.state === 'live'").await;
    browser.wait_for("document.querySelector('#agents [data-agent]')").await;
    browser.click("#agents [data-agent]").await;

    // The first version.
    browser
        .wait_for("document.querySelector('#publish') && !document.querySelector('#publish').disabled")
        .await;
    browser.click("#publish").await;
    browser.wait_for("document.querySelector('#publish-name')").await;
    browser.fill("#publish-name", "First").await;
    browser.click("#publish-confirm").await;
    browser.wait_for("document.querySelector('#publish-result [data-outcome=minted]')").await;

    // A policy that asks about other instructions.
    browser.click("#tab-aliases").await;
    browser.wait_for("document.querySelector('.alias[data-alias=live] .save-alias')").await;
    browser.run("document.querySelectorAll('.alias[data-alias=live] details').forEach((one) => { one.open = true; })").await;
    choose(&mut browser, "#policy-live-instructions_changed", "approve").await;
    browser.click(".alias[data-alias=live] .save-alias").await;
    browser.wait_for("document.querySelector('#timeline [data-type=\"agent.alias_changed\"]')").await;

    // Other instructions are asked about.
    browser.click("#tab-form").await;
    browser.fill("#f-instructions", "Sell something.").await;
    browser.click("#save").await;
    browser.wait_for("document.querySelector('#timeline [data-type=\"agent.updated\"]')").await;
    browser.wait_for("!document.querySelector('#publish').disabled").await;
    browser.click("#publish").await;
    browser.wait_for("document.querySelector('#publish-confirm') && document.querySelector('#publish-changes')?.innerText.includes('instructions_changed')").await;
    keep(&mut browser, "publish-1280").await;
    browser.click("#publish-confirm").await;
    browser.wait_for("document.querySelector('#publish-result [data-outcome=asked]')").await;

    // Two versions side by side, with the risk.
    browser.click("#tab-versions").await;
    browser.wait_for("document.querySelectorAll('#versions > li').length === 2").await;
    let newest = browser.run("document.querySelector('#versions > li').dataset.version").await;
    let newest = newest.as_str().expect("a number").to_owned();
    choose(&mut browser, "#compare-from", "live").await;
    choose(&mut browser, "#compare-to", &newest).await;
    browser.click("#compare-open").await;
    browser.wait_for("document.querySelector('#compare-result .risk[data-class=instructions_changed][data-elevated=true]')").await;
    keep(&mut browser, "compare-1280").await;

    // Who asked does not decide; another user does.
    browser.click("#sides [data-show=approvals]").await;
    browser.wait_for("document.querySelector('.approval[data-state=pending]')").await;
    assert_eq!(
        browser.run("document.querySelector('.approval[data-state=pending] .accept') === null").await,
        true
    );
    choose(&mut browser, "#user", "reviewer").await;
    browser.wait_for("document.querySelector('.approval[data-state=pending] .accept')").await;
    keep(&mut browser, "approvals-1280").await;
    browser.click(".approval[data-state=pending] .accept").await;
    browser.wait_for("document.querySelector('.approval[data-state=accepted]')").await;

    // Back to the first version, which is asked about, too; so the alias stays where it is.
    browser.wait_for("document.querySelector('#agents [data-agent]')").await;
    browser.click("#agents [data-agent]").await;
    browser.click("#tab-versions").await;
    browser.wait_for("document.querySelectorAll('#versions > li button.roll-back').length > 0").await;
    browser.click("#versions > li:last-child button.roll-back").await;
    browser.wait_for("document.querySelector('#ask-yes')").await;
    browser.click("#ask-yes").await;
    browser.wait_for("document.querySelectorAll('.approval[data-state=pending]').length === 1").await;

    // What is searched for is found.
    browser.fill("#search", "supp").await;
    browser.wait_for("document.querySelector('#results [data-agent]')").await;
    browser.wait_for("document.querySelector('#search-count').innerText.includes('1')").await;
    keep(&mut browser, "search-1280").await;
    browser.fill("#search", "nothing like it").await;
    browser.wait_for("document.querySelector('#results [data-agent]') === null").await;
    browser.resize(390, 844).await;
    keep(&mut browser, "search-390").await;
    let overflow = "document.documentElement.scrollWidth <= 390";
    assert_eq!(browser.run(overflow).await, true, "nothing is wider than the window");
    host.stop().await.expect("it stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_visitor_makes_an_agent_of_a_template_upgrades_it_and_asks_about_a_smaller_tier() {
    let Some(mut browser) = a_browser().await else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let host = start(&options(folder.path(), 0)).await.expect("it starts");
    browser.resize(1_280, 900).await;
    browser.open(&host.base_url).await;
    browser.wait_for("document.querySelector('#connection').dataset.state === 'live'").await;
    browser.wait_for("document.querySelector('#usage [data-counted=agents] meter')").await;
    browser.wait_for("document.querySelector('#usage').innerText.includes('1 of 100')").await;

    // The gallery, and a template of it.
    browser.click("#show-templates").await;
    browser.wait_for("document.querySelector('#gallery [data-template]')").await;
    browser.fill("#gallery-text", "cites sources").await;
    let card = "[...document.querySelectorAll('#gallery [data-template]')].find((card) => card.innerText.includes('Research assistant'))";
    browser.wait_for(card).await;
    keep(&mut browser, "gallery-1280").await;
    browser.run(&format!("{card}.click()")).await;

    // Its first version: what is missing is said, the example is complete, a mistake stands at its field.
    browser.wait_for("document.querySelector('#template-version [value=\"1\"]')").await;
    browser.wait_for("document.querySelector('#var-citation_style')").await;
    choose(&mut browser, "#template-version", "1").await;
    browser.wait_for("document.querySelector('#var-citation_style') === null").await;
    browser.wait_for("document.querySelector('#make-status [data-missing=organisation]')").await;
    browser.click("#make-example").await;
    browser.wait_for("document.querySelector('#make-status').dataset.outcome === 'valid'").await;
    browser.wait_for("document.querySelector('#make-preview').innerText.includes('Example Freight')").await;
    keep(&mut browser, "template-1280").await;
    browser.fill("#var-min_sources", "9").await;
    browser.wait_for("document.querySelector('#var-min_sources[aria-invalid=true]')").await;
    keep(&mut browser, "template-refused-1280").await;
    browser.fill("#var-min_sources", "3").await;
    // A model that the free tier does not admit.
    choose(&mut browser, "#var-model", "1").await;
    browser.wait_for("document.querySelector('#make-preview').innerText.includes('gemini-2.5-pro')").await;
    browser.wait_for("document.querySelector('#make-status').dataset.outcome === 'valid'").await;
    browser.click("#make-create").await;
    browser.wait_for("document.querySelector('#agent-facts #made-from')").await;
    browser.wait_for("document.querySelector('#usage').innerText.includes('2 of 100')").await;
    assert_eq!(
        browser.run("document.querySelector('#f-name').value").await,
        "Example Freight research assistant"
    );

    // The agent goes its own way where the template does, too.
    browser.fill("#f-max-steps", "30").await;
    browser.click("#save").await;
    browser.wait_for("document.querySelector('#timeline [data-type=\"agent.updated\"]')").await;
    browser.click("#tab-template").await;
    let conflict = "document.querySelector('.conflict[data-pointer=\"/config/limits/max_steps\"]')";
    browser.wait_for(conflict).await;
    keep(&mut browser, "drift-1280").await;
    browser.click("#upgrade-preview").await;
    browser.wait_for("document.querySelector('#upgrade-result [data-preview=upgrade]')").await;
    browser.click("#upgrade-apply").await;
    browser.wait_for(&format!("{conflict}.querySelector('.error[data-code=merge_conflict]')")).await;
    browser.run(&format!("{conflict}.querySelector('.take[value=template]').click()")).await;
    browser
        .wait_for("document.querySelector('#upgrade-result .diff').innerText.includes('max_steps: 40')")
        .await;
    browser.run("document.querySelector('#upgrade').scrollIntoView()").await;
    keep(&mut browser, "upgrade-preview-1280").await;
    browser.click("#upgrade-apply").await;
    browser.wait_for("document.querySelector('#agent-facts').innerText.includes(', version 2')").await;
    browser.wait_for("document.querySelector('#drift-about').innerText.includes(', version 2')").await;
    browser.click("#tab-form").await;
    browser.wait_for("document.querySelector('#f-max-steps').value === '40'").await;

    // As many agents as the free tier has no room for.
    for count in 3..=6 {
        browser.click("#duplicate").await;
        browser
            .wait_for(&format!("document.querySelectorAll('#agents [data-agent]').length === {count}"))
            .await;
        browser.wait_for("document.querySelector('#editor').ariaBusy === 'false'").await;
    }
    browser.wait_for("document.querySelector('#usage').innerText.includes('6 of 100')").await;

    // What the free tier would do to them. One that is to be kept stays, and another goes.
    browser.click("#usage").await;
    browser.wait_for("document.querySelector('#plan-other [value=free]')").await;
    choose(&mut browser, "#plan-other", "free").await;
    browser.click("#plan-ask").await;
    browser.wait_for("document.querySelector('#plan-totals')?.dataset.suspended === '1'").await;
    browser.wait_for("document.querySelector('#plan-result [data-effects~=blocked]')").await;
    let row = "[...document.querySelectorAll('#plan-result [data-agent-row]')].find((row) => row.innerText.includes('Order support'))";
    browser.wait_for(&format!("{row}?.dataset.effects === 'suspended'")).await;
    keep(&mut browser, "downgrade-1280").await;
    browser.run(&format!("{row}.querySelector('[data-keep]').click()")).await;
    browser.wait_for(&format!("{row}?.dataset.effects === ''")).await;
    browser.wait_for("document.querySelector('#plan-totals').dataset.suspended === '1'").await;
    browser.resize(390, 844).await;
    keep(&mut browser, "downgrade-390").await;
    browser.click("[data-show=templates]").await;
    keep(&mut browser, "template-390").await;
    let overflow = "document.documentElement.scrollWidth <= 390";
    assert_eq!(browser.run(overflow).await, true, "nothing is wider than the window");
    host.stop().await.expect("it stops");
}

/// Chooses an option as a person does.
/// Chooses a value of a list.
async fn choose(browser: &mut Browser, selector: &str, value: &str) {
    browser.fill(selector, value).await;
}

/// An approval has no more than a class: the page says what that is, as the service does.
#[test]
fn the_console_knows_every_class_of_risks() {
    let source = include_str!("../../infra/console/risks.js");
    let rows = source.lines().filter_map(|line| line.trim().strip_prefix("['"));
    let known: Vec<(String, bool)> = rows
        .filter_map(|row| {
            let (class, rest) = row.split_once("', ")?;
            Some((class.to_owned(), rest.starts_with("true")))
        })
        .collect();
    let classes = RiskClass::ALL.map(|class| (class.as_str().to_owned(), class.is_elevated()));
    assert_eq!(known, classes);
}

pub(crate) async fn keep(browser: &mut Browser, name: &str) {
    let picture = browser.picture().await;
    std::fs::create_dir_all(PICTURES).expect("a folder for pictures");
    std::fs::write(format!("{PICTURES}/{name}.png"), picture).expect("a picture");
}
