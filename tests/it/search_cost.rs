//! What a search reads, in a tenant of 100,000 agents: never more than four items for each row that its page
//! may have, and what the index costs to keep.

use std::collections::{BTreeSet, HashMap};
use std::sync::OnceLock;

use harness::{App, an_agent};
use local::table::{AttributeValue, Item};
use serde_json::{Value, json};

use crate::cost::total;
use crate::routes::agents::publish::create;

const AGENTS: usize = 100_000;
/// Items that are imported at once.
const IMPORT_MAX: usize = 50_000;

/// An agent of the many, all of it decided by its number.
struct One {
    number: usize,
    id: String,
    created: String,
    updated: String,
    name: String,
}

impl One {
    fn new(number: usize) -> Self {
        let at = |second: usize| {
            let (day, rest) = (second / 86_400, second % 86_400);
            format!("2025-01-{:02}T{:02}:{:02}:{:02}.000Z", day + 1, rest / 3_600, rest / 60 % 60, rest % 60)
        };
        // Neither changes nor names follow the order of creation.
        let elsewhere = number * 7_919 % AGENTS;
        Self {
            number,
            id: format!("agt_{number:026}"),
            created: at(number),
            updated: at(elsewhere + AGENTS),
            name: format!("name{:06} word{}", number * 104_729 % AGENTS, number % 5_000),
        }
    }

    fn is_archived(&self) -> bool {
        self.number.is_multiple_of(10)
    }

    fn tags(&self) -> Vec<&'static str> {
        let every = [("half", 2), ("twentieth", 20), ("thousandth", 1_000), ("few", 10_000)];
        every.into_iter().filter(|(_, each)| self.number.is_multiple_of(*each)).map(|(tag, _)| tag).collect()
    }

    fn terms(&self) -> Vec<String> {
        let mut terms: Vec<String> = self.tags().into_iter().map(|tag| format!("tag#{tag}")).collect();
        terms.push(format!("status#{}", if self.is_archived() { "archived" } else { "active" }));
        terms.push(format!("owner#user{}", self.number % 1_000));
        if self.number.is_multiple_of(50) {
            terms.push("tool#web".to_owned());
        }
        terms.extend(self.name.split(' ').map(|word| format!("word#{word}")));
        terms
    }

    /// The head as far as its list needs it, the card and the rows; `card` is a real one.
    fn items(&self, card: &Item) -> Vec<Item> {
        let partition = format!("T#acme#A#{}", self.id);
        let place = format!("{}#{}", self.created, self.id);
        let list = json!(self.terms()).to_string();
        let status = if self.is_archived() { "archived" } else { "active" };
        let mut card = card.clone();
        for (name, value) in [
            ("PK", partition.as_str()),
            ("GSI1SK", &format!("{}#{}", self.updated, self.id)),
            ("GSI2SK", &format!("{}\u{1}{}", self.name, self.id)),
            ("name", &self.name),
            ("status", status),
            ("terms", &list),
            ("created_at", &self.created),
            ("updated_at", &self.updated),
        ] {
            assert!(card.insert(name.to_owned(), text(value)).is_some(), "a card has {name}");
        }
        let head = item(&[("PK", &partition), ("SK", "#H"), ("GSI1PK", "T#acme#L"), ("GSI1SK", &place)]);
        let rows = self.terms().into_iter().map(|term| match term.strip_prefix("word#") {
            Some(word) => {
                let partition = format!("T#acme#X#word#{}", &word[..2]);
                item(&[("PK", &partition), ("SK", &format!("{word}#{place}")), ("entity", "row")])
            }
            None => item(&[("PK", &format!("T#acme#X#{term}")), ("SK", &place), ("entity", "row")]),
        });
        [head, card].into_iter().chain(rows).collect()
    }
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn item(members: &[(&str, &str)]) -> Item {
    members.iter().map(|(name, value)| ((*name).to_owned(), text(value))).collect::<HashMap<_, _>>()
}

/// A tenant of many agents, of which a last one was made and indexed by the service itself.
async fn many() -> App {
    let app = App::start().await;
    app.set_tier("acme", "enterprise", [].into()).await;
    let document = an_agent().named("real word0").with("tags", json!(["half", "few"])).with_tools(1);
    create(&app.client(), &document.build()).await;
    app.settle().await;
    let page = app.client().post("/v1/agents/search", &json!({})).send().await.expect(200);
    let real = app.item(&format!("T#acme#A#{}", page.text("/items/0/id")), "#X").expect("a card");
    let card: Item = serde_json::from_value(real).expect("an item");
    let mut items = Vec::new();
    for number in 0..AGENTS {
        items.extend(One::new(number).items(&card));
        if items.len() >= IMPORT_MAX {
            app.host.engine.import(std::mem::take(&mut items)).expect("imported");
        }
    }
    app.host.engine.import(items).expect("imported");
    app
}

/// One page: its rows' names, the next cursor, and how many items were read for it.
async fn page(app: &App, search: &Value) -> (Vec<String>, Value, usize) {
    app.recorder.take();
    let page = app.client().post("/v1/agents/search", search).send().await.expect(200).json();
    let reads = app.recorder.take_of("agents").iter().map(|call| call.items_read).sum();
    let names = page["items"].as_array().expect("rows").iter();
    (
        names.map(|row| row["name"].as_str().expect("a name").to_owned()).collect(),
        page["next_cursor"].clone(),
        reads,
    )
}

#[tokio::test]
async fn in_100_000_agents_a_search_reads_at_most_four_items_for_each_row_of_its_page() {
    static SORTS: OnceLock<[&str; 6]> = OnceLock::new();
    let sorts =
        SORTS.get_or_init(|| ["-created_at", "created_at", "-updated_at", "updated_at", "name", "-name"]);
    let app = many().await;
    // How many of a page of so many rows there are at least, by creation and in the other orders.
    let cases = [
        (json!({}), 1.0, 1.0),
        (json!({"status": "active"}), 0.9, 0.9),
        (json!({"status": "archived"}), 1.0, 0.0),
        (json!({"tag": "half"}), 1.0, 0.45),
        (json!({"tag": "twentieth"}), 1.0, 0.0),
        (json!({"tag": "thousandth"}), 1.0, 0.0),
        (json!({"tag": "half", "tool": "web"}), 1.0, 0.0),
        (json!({"owner": "user7"}), 1.0, 0.0),
        (json!({"or": [{"tag": "twentieth"}, {"tool": "web"}]}), 0.9, 0.0),
        (json!({"text": "name0*"}), 0.0, 0.0),
    ];
    for (filter, by_creation, otherwise) in &cases {
        for (sort, limit) in sorts.iter().flat_map(|sort| [1, 20, 100].map(|limit| (sort, limit))) {
            let search = json!({"filter": filter, "sort": sort, "limit": limit});
            let (names, cursor, reads) = page(&app, &search).await;
            assert!(reads <= 4 * limit, "{search} read {reads}");
            let is_by_creation = sort.ends_with("created_at");
            let share = if is_by_creation { *by_creation } else { *otherwise };
            #[expect(clippy::cast_precision_loss, reason = "at most 100")]
            let is_full = limit == 1 || names.len() as f64 >= share * limit as f64;
            assert!(is_full, "{search} found {} of {limit}", names.len());
            assert!(limit == 100 || !cursor.is_null(), "{search} has more");
        }
    }
    // What no more than a page's rows have comes at once, in whatever order.
    for (filter, count) in [
        (json!({"tag": "thousandth"}), 100),
        (json!({"owner": "user7"}), 100),
        (json!({"tag": "few"}), 11),
        (json!({"text": "word3"}), 20),
        (json!({"text": "word3 name00*"}), 2),
        (json!({"owner": "user7", "tag": "few"}), 0),
        (json!({"status": "active", "tag": "few"}), 1),
        (json!({"or": [{"tag": "few"}, {"text": "real"}]}), 11),
        (json!({"text": "real"}), 1),
    ] {
        for sort in sorts {
            let search = json!({"filter": filter, "sort": sort, "limit": 100});
            let (names, cursor, reads) = page(&app, &search).await;
            assert_eq!(names.len(), count, "{search}");
            assert!(reads <= 4 * 100, "{search} read {reads}");
            // A page that is just full may have an empty one after it.
            assert!(cursor.is_null() || count == 100, "{search} has more");
        }
    }
    all_pages_meet_each_agent_once(&app).await;
}

/// Whatever the way that each page was read by.
async fn all_pages_meet_each_agent_once(app: &App) {
    for (filter, sort, count) in [
        (json!({"tag": "thousandth"}), "name", 100),
        (json!({"tag": "thousandth", "status": "archived"}), "-created_at", 100),
        (json!({"owner": "user7"}), "-updated_at", 100),
        (json!({"owner": "user7", "status": "active"}), "created_at", 100),
        (json!({"text": "name0000*"}), "created_at", 100),
    ] {
        let mut search = json!({"filter": filter, "sort": sort, "limit": 100});
        let mut seen = BTreeSet::new();
        let mut pages = 0;
        loop {
            let (names, cursor, reads) = page(app, &search).await;
            assert!(reads <= 400, "{search} read {reads}");
            pages += 1;
            for name in names {
                assert!(seen.insert(name), "{search}: twice");
            }
            if cursor.is_null() {
                break;
            }
            search["cursor"] = cursor;
        }
        assert_eq!(seen.len(), count, "{filter} by {sort} in {pages} pages");
    }
}

#[tokio::test]
async fn the_index_costs_a_write_for_each_term_and_three_for_the_card() {
    let app = App::start().await;
    app.set_tier("acme", "pro", [].into()).await;
    let path = create(&app.client(), &an_agent().named("One two").with("tags", json!(["a"])).build()).await;
    let settled = async || {
        app.recorder.take();
        app.settle().await;
        total(&app.recorder.take_of("search-indexer"))
    };
    // Status, owner, model, a tag and two words; the card stands in two orders.
    assert_eq!(settled().await, (7, 0.0, 6.0 + 3.0));
    app.client().patch(&path, &json!({"config": {"instructions": "x"}})).send().await.expect(200);
    app.advance(std::time::Duration::from_secs(1));
    app.client().patch(&path, &json!({"config": {"instructions": "y"}})).send().await.expect(200);
    // Of two changes the last counts: the card, and its place among the last changed.
    assert_eq!(settled().await, (1, 0.0, 3.0));
    app.client().patch(&path, &json!({"tags": ["b"]})).send().await.expect(200);
    assert_eq!(settled().await.0, 3, "a row comes, the card, a row goes");
    app.client().delete(&path).send().await.expect(204);
    assert_eq!(settled().await.0, 7);
}

#[tokio::test]
async fn a_search_of_a_few_costs_their_rows_and_cards() {
    let app = App::start().await;
    app.set_tier("acme", "pro", [].into()).await;
    for index in 0..20 {
        let tags = json!([if index < 10 { "ten" } else { "other" }]);
        create(&app.client(), &an_agent().named(&format!("n{index}")).with("tags", tags).build()).await;
    }
    app.settle().await;
    app.recorder.take();
    app.client().post("/v1/agents/search", &json!({"filter": {"tag": "ten"}})).send().await.expect(200);
    // Ten rows in one read, and ten cards of half a unit each.
    assert_eq!(total(&app.recorder.take()), (2, 0.5 + 5.0, 0.0));
    app.client().post("/v1/agents/search", &json!({})).send().await.expect(200);
    assert_eq!(app.recorder.take().len(), 2);
}
