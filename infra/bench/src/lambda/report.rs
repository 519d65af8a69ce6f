//! The figures, what they may be, and the table that shows both. MB is 10^6 bytes.

use std::time::Duration;

use crate::environment::Memory;
use crate::measure::Amounts;

/// The greatest package: Lambda fetches and unpacks it when an environment starts.
const ZIP_MAX_BYTES: u64 = 3_500_000;
/// The same of `templates` and `job-worker`, which have JSON Schema with its patterns in them.
const ZIP_MAX_BYTES_OF_TEMPLATES: u64 = 5_000_000;
/// The longest start at the median, without the warm-up.
const COLD_START_P50_MAX: Duration = Duration::from_millis(10);
/// The most memory after the requests. A function has 128 MB at least; the rest is for large requests.
const RESIDENT_MAX_BYTES: u64 = 20_000_000;

const HEADINGS: [&str; 9] = [
    "function",
    "zip MB",
    "binary MB",
    "cold start p50 ms",
    "p99 ms",
    "warm-up p50 ms",
    "RSS MB",
    "peak RSS MB",
    "budgets",
];

/// What was measured of one function.
#[derive(Debug)]
pub struct Figures {
    pub function: String,
    pub zip_bytes: u64,
    pub binary_bytes: u64,
    pub cold_start_p50: Duration,
    pub cold_start_p99: Duration,
    /// Zero if it has none.
    pub warm_up_p50: Duration,
    pub memory: Memory,
}

fn zip_max_bytes(function: &str) -> u64 {
    if matches!(function, "templates" | "job-worker") { ZIP_MAX_BYTES_OF_TEMPLATES } else { ZIP_MAX_BYTES }
}

impl Figures {
    /// The budgets that it is over.
    pub fn over(&self) -> Vec<&'static str> {
        let budgets = [
            ("zip", self.zip_bytes > zip_max_bytes(&self.function)),
            ("cold start", self.cold_start_p50 > COLD_START_P50_MAX),
            ("RSS", self.memory.resident_bytes > RESIDENT_MAX_BYTES),
        ];
        budgets.into_iter().filter(|(_, is_over)| *is_over).map(|(name, _)| name).collect()
    }

    fn verdict(&self) -> String {
        let over = self.over();
        if over.is_empty() { "ok".to_owned() } else { format!("over: {}", over.join(", ")) }
    }
}

/// One function's figures on a line.
pub fn line(figures: &Figures) -> String {
    let [function, zip, binary, p50, p99, warm_up, resident, peak, verdict] = cells(figures);
    let warm_up = if has_warm_up(figures) { format!("{warm_up} ms") } else { warm_up };
    format!(
        "{function}: zip {zip} MB, binary {binary} MB, cold start {p50} ms (p99 {p99} ms), warm-up {warm_up}, \
         RSS {resident} MB (peak {peak} MB): {verdict}"
    )
}

/// All figures as a table in Markdown, and the budgets below it.
pub fn table(figures: &[Figures], amounts: Amounts) -> String {
    let mut rows = vec![HEADINGS.map(str::to_owned)];
    rows.extend(figures.iter().map(cells));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; HEADINGS.len()] = std::array::from_fn(width);
    let is_text = |column: usize| column == 0 || column == HEADINGS.len() - 1;
    let rule = std::array::from_fn(|column| {
        let dashes = "-".repeat(widths[column] - 1);
        if is_text(column) { format!("-{dashes}") } else { format!("{dashes}:") }
    });
    rows.insert(1, rule);
    let mut table = String::new();
    for row in &rows {
        for (column, cell) in row.iter().enumerate() {
            let width = widths[column];
            table +=
                &if is_text(column) { format!("| {cell:<width$} ") } else { format!("| {cell:>width$} ") };
        }
        table += "|\n";
    }
    let Amounts { starts, requests } = amounts;
    table
        + &format!(
            "\nOf {starts} starts, and after {requests} requests. Budgets: zip {} MB (templates {}), cold start p50 {} ms, RSS {} MB.",
            megabytes(ZIP_MAX_BYTES),
            megabytes(ZIP_MAX_BYTES_OF_TEMPLATES),
            milliseconds(COLD_START_P50_MAX),
            megabytes(RESIDENT_MAX_BYTES)
        )
}

fn cells(figures: &Figures) -> [String; HEADINGS.len()] {
    [
        figures.function.clone(),
        megabytes(figures.zip_bytes),
        megabytes(figures.binary_bytes),
        milliseconds(figures.cold_start_p50),
        milliseconds(figures.cold_start_p99),
        if has_warm_up(figures) { milliseconds(figures.warm_up_p50) } else { "none".to_owned() },
        megabytes(figures.memory.resident_bytes),
        megabytes(figures.memory.peak_bytes),
        figures.verdict(),
    ]
}

fn has_warm_up(figures: &Figures) -> bool {
    figures.warm_up_p50 > Duration::ZERO
}

fn milliseconds(duration: Duration) -> String {
    format!("{:.1}", duration.as_secs_f64() * 1_000.0)
}

fn megabytes(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "files and memory are far below 2^52 bytes")]
    let megabytes = bytes as f64 / 1e6;
    format!("{megabytes:.2}")
}
