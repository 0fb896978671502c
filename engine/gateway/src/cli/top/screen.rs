//! What `wasmill top` shows, as lines: a head, three tables, a foot.
//!
//! Apart from the terminal, so that it can be looked at without one. Nothing is wider or higher than it is told to be.

use std::cmp::Ordering;
use std::time::Duration;

use anstyle::Style;

use super::rates::{ExporterRates, PluginRates, ReceiverRates, View};
use crate::cli::operate::short;
use crate::cli::paint::{BOLD, CYAN, DIM, Paint, RED, YELLOW, clean};
use crate::engine::LastSwap;

const PLAIN: Style = Style::new();
/// Between columns.
const GAP: usize = 2;
/// Of a text: a path of that length is known by its end.
const TEXT_CHARS_MAX: usize = 40;
const MIB: f64 = 1024.0 * 1024.0;

/// What there is to show.
pub struct Shown<'v> {
    pub view: Option<&'v View>,
    /// For how long the gateway does not answer, and why.
    pub lost: Option<(Duration, &'v str)>,
}

/// What the keys have chosen.
#[derive(Clone, Debug)]
pub struct Ui {
    pub paused: bool,
    pub table: usize,
    /// For each table, the number of a column, and whether its order is turned.
    pub sorted: [(usize, bool); TABLES.len()],
}

/// One line, in parts of one style each.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Line(Vec<(Style, String)>);

struct Table<'v> {
    rows: Vec<Vec<Cell<'v>>>,
}

/// A text, sorted from A to Z, or a number, sorted from the highest.
struct Cell<'v> {
    text: String,
    style: Style,
    order: Order<'v>,
}

enum Order<'v> {
    Text(&'v str),
    Number(f64),
}

struct Columns(&'static [&'static str]);

/// What matters most is at the left: a narrow terminal cuts off the rest.
const TABLES: [Columns; 3] = [
    Columns(&["RECEIVER", "TRANSPORT", "SIGNAL", "ACCEPTED/s", "REFUSED/s", "REQUESTS REFUSED/s"]),
    Columns(&[
        "STAGE",
        "IN/s",
        "KEPT/s",
        "DROPPED/s",
        "DIVERTED/s",
        "ns/ROW",
        "us/CALL",
        "FAULTS/s",
        "FAULTS",
        "BREAKER",
        "GEN",
        "INST",
        "MEMORY",
        "PIPELINES",
        "PLUGIN",
        "HASH",
    ]),
    Columns(&["EXPORTER", "SIGNAL", "SENT/s", "FAILED/s", "QUEUE FULL/s", "QUEUE", "CAPACITY", "UNIT"]),
];

/// As they stand where nobody has sorted: by name, plugins by what comes to them.
const SORTED: [(usize, bool); TABLES.len()] = [(0, false), (1, false), (0, false)];

impl Default for Ui {
    fn default() -> Ui {
        Ui { paused: false, table: 1, sorted: SORTED }
    }
}

impl Ui {
    pub fn next_table(&mut self) {
        self.table = (self.table + 1) % TABLES.len();
    }

    pub fn previous_table(&mut self) {
        self.table = (self.table + TABLES.len() - 1) % TABLES.len();
    }

    pub fn next_column(&mut self) {
        self.turn(1);
    }

    pub fn previous_column(&mut self) {
        self.turn(-1);
    }

    fn turn(&mut self, by: isize) {
        if let (Some((column, _)), Some(Columns(names))) = (self.sorted.get_mut(self.table), TABLES.get(self.table)) {
            *column = column.saturating_add(names.len()).saturating_add_signed(by) % names.len();
        }
    }

    pub fn reverse(&mut self) {
        if let Some((_, reversed)) = self.sorted.get_mut(self.table) {
            *reversed = !*reversed;
        }
    }
}

impl Line {
    fn of(style: Style, text: impl Into<String>) -> Line {
        Line(vec![(style, text.into())])
    }

    fn push(&mut self, style: Style, text: impl Into<String>) {
        self.0.push((style, text.into()));
    }

    pub fn painted(&self, paint: Paint) -> String {
        self.0
            .iter()
            .map(|(style, text)| if *style == PLAIN { text.clone() } else { paint.paint(*style, text) })
            .collect()
    }

    fn cut(mut self, chars_max: usize) -> Line {
        let mut left = chars_max;
        for (_, text) in &mut self.0 {
            match text.char_indices().nth(left) {
                Some((end, _)) => {
                    text.truncate(end);
                    left = 0;
                }
                None => left -= text.chars().count(),
            }
        }
        self
    }
}

/// At most `height` lines of at most `width` characters.
pub fn frame(shown: &Shown<'_>, ui: &Ui, width: usize, height: usize) -> Vec<Line> {
    let mut lines = head(shown, ui);
    if let Some(view) = shown.view {
        let tables = [receivers(&view.receivers), plugins(&view.plugins), exporters(&view.exporters)];
        // Each has a heading and an empty line above it; the foot has one line.
        let fixed = lines.len() + 2 * tables.len() + 1;
        let rooms = share(height.saturating_sub(fixed), tables.each_ref().map(|table| table.rows.len()));
        for (number, (table, room)) in tables.into_iter().zip(rooms).enumerate() {
            lines.push(Line::default());
            lines.extend(table.lines(number, ui, room));
        }
    }
    lines.truncate(height.saturating_sub(1));
    lines.push(foot(ui, height));
    lines.into_iter().take(height).map(|line| line.cut(width)).collect()
}

fn head(shown: &Shown<'_>, ui: &Ui) -> Vec<Line> {
    let mut lines = Vec::new();
    if let Some(view) = shown.view {
        let mut first = Line::of(BOLD, format!("wasmill {}", clean(&view.version)));
        first.push(PLAIN, format!("  process {}  up {}", view.pid, duration(view.uptime_seconds)));
        first.push(PLAIN, format!("  generation {}", view.generation));
        let cpu = view.cpu_percent.map_or_else(|| "-".to_owned(), |percent| format!("{percent:.1}"));
        first.push(PLAIN, format!("  cpu {cpu} %  memory {} MiB", mib(view.memory_bytes)));
        first.push(PLAIN, format!("  waiting {} MiB", mib(view.retained_bytes)));
        if ui.paused {
            first.push(YELLOW, "  paused");
        }
        lines.push(first);
        let last = view.last_swap().map(|(stage, swap)| Line::of(DIM, last_swap(stage, swap)));
        let pending = view.pending.as_ref();
        let second = pending.map(|change| Line::of(YELLOW, format!("being changed: {}", clean(change)))).or(last);
        lines.extend(second);
    }
    match shown.lost {
        Some((since, why)) => {
            let why = format!("no answer for {}, tried again: {}", duration(since.as_secs_f64()), clean(why));
            lines.push(Line::of(RED, why));
        }
        None if shown.view.is_none() => lines.push(Line::of(DIM, "asking the gateway")),
        None => {}
    }
    lines
}

fn last_swap(stage: &str, swap: &LastSwap) -> String {
    let word = |value: serde_json::Result<serde_json::Value>| {
        value.ok().and_then(|value| value.as_str().map(|word| word.replace('_', " "))).unwrap_or_default()
    };
    let (result, by) = (word(serde_json::to_value(swap.result)), word(serde_json::to_value(swap.by)));
    format!("last swap: {} {result}, by {by}, {}", clean(stage), clean(&swap.at))
}

fn foot(ui: &Ui, height: usize) -> Line {
    // What is written once has no keys.
    if height == usize::MAX {
        return Line::default();
    }
    let pause = if ui.paused { "p go on" } else { "p pause" };
    Line::of(DIM, format!("q quit  {pause}  tab table  left, right sort by  r turn"))
}

/// How many rows of each table there is room for: none gets more than it has, and what one does not need the others get.
fn share<const N: usize>(room: usize, wanted: [usize; N]) -> [usize; N] {
    let mut given = [0; N];
    let mut left = room;
    while left > 0 && given != wanted {
        for (given, wanted) in given.iter_mut().zip(wanted) {
            if *given < wanted && left > 0 {
                *given += 1;
                left -= 1;
            }
        }
    }
    given
}

impl Table<'_> {
    /// The heading, and at most `room` rows.
    fn lines(mut self, number: usize, ui: &Ui, room: usize) -> Vec<Line> {
        let Some(Columns(names)) = TABLES.get(number) else { return Vec::new() };
        let (sorted, reversed) = ui.sorted.get(number).copied().unwrap_or_default();
        self.rows.sort_by(|one, other| {
            let order =
                one.get(sorted).zip(other.get(sorted)).map_or(Ordering::Equal, |(one, other)| one.compare(other));
            if reversed { order.reverse() } else { order }
        });
        let widths: Vec<usize> = names.iter().enumerate().map(|(at, name)| self.width(at, name)).collect();
        let mut heading = Line::default();
        for (at, (name, width)) in names.iter().zip(&widths).enumerate() {
            let style = match (number == ui.table, at == sorted) {
                (true, true) => BOLD.underline(),
                (true, false) => BOLD,
                (false, _) => DIM,
            };
            let right = self.rows.first().and_then(|row| row.get(at)).is_some_and(Cell::is_number);
            heading.push(style, padded(name, *width, right));
            heading.push(PLAIN, " ".repeat(GAP));
        }
        let mut lines = vec![heading];
        let hidden = self.rows.len().saturating_sub(room);
        let shown = if hidden > 0 { room.saturating_sub(1) } else { room };
        for row in self.rows.iter().take(shown) {
            let mut line = Line::default();
            for (cell, width) in row.iter().zip(&widths) {
                line.push(cell.style, padded(&cell.text, *width, cell.is_number()));
                line.push(PLAIN, " ".repeat(GAP));
            }
            lines.push(line);
        }
        if hidden > 0 && room > 0 {
            lines.push(Line::of(DIM, format!("... {} more", self.rows.len() - shown)));
        }
        lines
    }

    fn width(&self, at: usize, name: &str) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.text.chars().count());
        cells.max().unwrap_or(0).max(name.len())
    }
}

impl<'v> Cell<'v> {
    fn text(text: &'v str) -> Cell<'v> {
        let shown = clean(text);
        let over = shown.chars().count().saturating_sub(TEXT_CHARS_MAX);
        let shown = if over > 0 { format!("..{}", shown.chars().skip(over + 2).collect::<String>()) } else { shown };
        Cell { text: shown, style: PLAIN, order: Order::Text(text) }
    }

    fn number(number: f64, text: String) -> Cell<'v> {
        Cell { text, style: PLAIN, order: Order::Number(number) }
    }

    fn rate(rate: Option<f64>) -> Cell<'v> {
        // What is not known comes last.
        Cell::number(rate.unwrap_or(-1.0), rate.map_or_else(|| "-".to_owned(), amount))
    }

    /// Something is wrong where there is one.
    fn alarm(rate: Option<f64>) -> Cell<'v> {
        let style = if rate.is_some_and(|rate| rate > 0.0) { RED } else { PLAIN };
        Cell { style, ..Cell::rate(rate) }
    }

    fn is_number(&self) -> bool {
        matches!(self.order, Order::Number(_))
    }

    fn compare(&self, other: &Cell<'_>) -> Ordering {
        match (&self.order, &other.order) {
            (Order::Text(one), Order::Text(other)) => one.cmp(other),
            (Order::Number(one), Order::Number(other)) => other.total_cmp(one),
            (Order::Text(_), Order::Number(_)) => Ordering::Less,
            (Order::Number(_), Order::Text(_)) => Ordering::Greater,
        }
    }
}

fn receivers(rates: &[ReceiverRates]) -> Table<'_> {
    Table { rows: rates.iter().map(receiver).collect() }
}

fn receiver(of: &ReceiverRates) -> Vec<Cell<'_>> {
    vec![
        Cell { style: CYAN, ..Cell::text(&of.receiver) },
        Cell::text(&of.transport),
        Cell::text(&of.signal),
        Cell::rate(of.accepted_per_second),
        Cell::alarm(of.refused_per_second),
        Cell::alarm(of.requests_refused_per_second),
    ]
}

fn plugins(rates: &[PluginRates]) -> Table<'_> {
    Table { rows: rates.iter().map(plugin).collect() }
}

fn plugin(of: &PluginRates) -> Vec<Cell<'_>> {
    let breaker = if of.breaker == "closed" { PLAIN } else { RED };
    let pinned = if of.pinned { YELLOW } else { PLAIN };
    let first = of.pipelines.first().map_or("", String::as_str);
    vec![
        Cell { style: CYAN, ..Cell::text(&of.stage) },
        Cell::rate(of.rows_in_per_second),
        Cell::rate(of.rows_kept_per_second),
        Cell::rate(of.rows_dropped_per_second),
        Cell::rate(of.rows_diverted_per_second),
        Cell::rate(of.ns_per_row),
        Cell::rate(of.us_per_call),
        Cell::alarm(of.faults_per_second),
        Cell::number(of.faults as f64, of.faults.to_string()),
        Cell { style: breaker, ..Cell::text(&of.breaker) },
        Cell::number(of.generation as f64, of.generation.to_string()),
        Cell::number(of.instances as f64, of.instances.to_string()),
        Cell::number(of.memory_bytes as f64, format!("{} MiB", mib(of.memory_bytes))),
        Cell { text: clean(&of.pipelines.join(",")), ..Cell::text(first) },
        Cell { style: pinned, ..Cell::text(&of.plugin) },
        Cell::text(short(&of.hash)),
    ]
}

fn exporters(rates: &[ExporterRates]) -> Table<'_> {
    Table { rows: rates.iter().map(exporter).collect() }
}

fn exporter(of: &ExporterRates) -> Vec<Cell<'_>> {
    let queue = of.queue.as_ref();
    let number = |number: Option<u64>| {
        let text = number.map_or_else(|| "-".to_owned(), |number| number.to_string());
        Cell::number(number.map_or(-1.0, |number| number as f64), text)
    };
    // From here on it is about to be full.
    let nearly = queue.is_some_and(|queue| queue.size > queue.capacity / 4 * 3);
    vec![
        Cell { style: CYAN, ..Cell::text(&of.exporter) },
        Cell::text(&of.signal),
        Cell::rate(of.sent_per_second),
        Cell::alarm(of.failed_per_second),
        Cell::alarm(of.not_queued_per_second),
        Cell { style: if nearly { RED } else { PLAIN }, ..number(queue.map(|queue| queue.size)) },
        number(queue.map(|queue| queue.capacity)),
        Cell::text(queue.map_or("", |queue| &queue.unit)),
    ]
}

fn padded(text: &str, width: usize, right: bool) -> String {
    if right { format!("{text:>width$}") } else { format!("{text:<width$}") }
}

/// Three or four digits: `0.3`, `42`, `9876`, `12.3k`, `4.5M`.
fn amount(number: f64) -> String {
    match number {
        0.0 => "0".to_owned(),
        n if n < 9.95 => format!("{n:.1}"),
        n if n < 9_999.5 => format!("{n:.0}"),
        n if n < 999_950.0 => format!("{:.1}k", n / 1e3),
        n if n < 999_950_000.0 => format!("{:.1}M", n / 1e6),
        n => format!("{:.1}G", n / 1e9),
    }
}

fn mib(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / MIB)
}

/// `7s`, `3m07s`, `1h02m`, `4d01h`.
fn duration(seconds: f64) -> String {
    let seconds = seconds as u64;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{minutes}m{:02}s", seconds % 60),
        3600..86_400 => format!("{hours}h{:02}m", minutes % 60),
        _ => format!("{days}d{:02}h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::super::rates::tests::{status, view};
    use super::*;
    use crate::cli::paint::Color;

    const SECOND: Duration = Duration::from_secs(1);

    fn text(lines: &[Line]) -> Vec<String> {
        lines.iter().map(|line| line.painted(Paint::new(Color::Never)).trim_end().to_owned()).collect()
    }

    fn seen() -> View {
        view(Some(status(7, 1000, 3)), status(7, 3000, 3), SECOND)
    }

    /// A gateway under load: every number is in its place.
    #[test]
    fn a_gateway_is_shown() {
        let view = seen();
        let lines = text(&frame(&Shown { view: Some(&view), lost: None }, &Ui::default(), 250, 40));
        let expected = [
            "wasmill 0.1.0  process 7  up 1h02m  generation 3  cpu 200.0 %  memory 64.0 MiB  waiting 1.0 MiB",
            "last swap: wasm/triage published, by swap, 2026-11-28T20:37:31Z",
            "",
            "RECEIVER  TRANSPORT  SIGNAL  ACCEPTED/s  REFUSED/s  REQUESTS REFUSED/s",
            "otlp      grpc       traces        2000       1000                   0",
            "",
            "STAGE        IN/s  KEPT/s  DROPPED/s  DIVERTED/s  ns/ROW  us/CALL  FAULTS/s  FAULTS  BREAKER  GEN  INST   MEMORY  PIPELINES  PLUGIN            HASH",
            "wasm/triage  2000     500       1500           0    1000       10        20      31  closed     3     2  3.0 MiB  traces     /srv/triage.wasm  3b1f6c0e9a52",
            "",
            "EXPORTER      SIGNAL  SENT/s  FAILED/s  QUEUE FULL/s  QUEUE  CAPACITY  UNIT",
            "otlp/backend  traces     500         0             0      3      1000  requests",
            "q quit  p pause  tab table  left, right sort by  r turn",
        ];
        assert_eq!(lines, expected);
    }

    /// A gateway goes away: what was seen last stays, with the reason. One that never answered has the reason alone.
    #[test]
    fn a_gateway_that_is_gone_is_said_to_be() {
        let view = seen();
        let lost = Some((Duration::from_secs(65), "no gateway answers"));
        let lines = text(&frame(&Shown { view: Some(&view), lost }, &Ui::default(), 100, 40));
        assert_eq!(lines[2], "no answer for 1m05s, tried again: no gateway answers");
        let lines = text(&frame(&Shown { view: None, lost }, &Ui::default(), 100, 40));
        assert_eq!(lines[0], "no answer for 1m05s, tried again: no gateway answers");
        let lines = text(&frame(&Shown { view: None, lost: None }, &Ui::default(), 100, 40));
        assert_eq!(lines[0], "asking the gateway");
    }

    /// Terminals of every size, with many rows of each kind: nothing is wider or higher, and what does not fit is counted.
    #[test]
    fn it_fits_into_any_terminal() {
        let mut view = seen();
        view.plugins =
            (0..30).map(|n| PluginRates { stage: format!("wasm/{n:02}"), ..view.plugins[0].clone() }).collect();
        view.exporters = (0..5).map(|_| view.exporters[0].clone()).collect();
        for height in 0..60 {
            for width in [0, 1, 20, 80, 300] {
                let lines = frame(&Shown { view: Some(&view), lost: None }, &Ui::default(), width, height);
                assert!(lines.len() <= height, "{} of {height}", lines.len());
                assert!(text(&lines).iter().all(|line| line.chars().count() <= width));
            }
        }
        let lines = text(&frame(&Shown { view: Some(&view), lost: None }, &Ui::default(), 80, 25));
        let more = lines.iter().find(|line| line.starts_with("... "));
        assert_eq!((lines.len(), more.map(String::as_str)), (25, Some("... 21 more")), "{lines:#?}");
        let all = frame(&Shown { view: Some(&view), lost: None }, &Ui::default(), 80, usize::MAX);
        assert_eq!(text(&all).iter().filter(|line| line.starts_with("wasm/")).count(), 30);
    }

    /// Tables are sorted by any column, both ways: texts from A, numbers from the highest.
    #[test]
    fn tables_are_sorted_as_asked() {
        let mut view = seen();
        let plugin = |stage: &str, rows| PluginRates {
            stage: stage.to_owned(),
            rows_in_per_second: rows,
            ..view.plugins[0].clone()
        };
        view.plugins = vec![plugin("b", Some(1.0)), plugin("c", None), plugin("a", Some(9.0))];
        let mut ui = Ui::default();
        let order = |ui: &Ui| -> String {
            let lines = text(&frame(&Shown { view: Some(&view), lost: None }, ui, 200, 40));
            lines[7..10].iter().filter_map(|line| line.chars().next()).collect()
        };
        assert_eq!(order(&ui), "abc", "by rows");
        ui.reverse();
        assert_eq!(order(&ui), "cba");
        ui.reverse();
        ui.previous_column();
        assert_eq!((ui.sorted[ui.table].0, order(&ui).as_str()), (0, "abc"), "by name");
        ui.previous_column();
        assert_eq!(ui.sorted[ui.table].0, 15, "and around");
        ui.next_column();
        ui.next_table();
        assert_eq!((ui.table, ui.sorted[ui.table].0), (2, 0));
    }

    #[test]
    fn numbers_are_short() {
        let amounts = [0.0, 0.25, 9.94, 9.96, 42.4, 9_999.0, 12_345.0, 4_500_000.0, 2e9].map(amount);
        assert_eq!(amounts, ["0", "0.2", "9.9", "10", "42", "9999", "12.3k", "4.5M", "2.0G"]);
        assert_eq!([7.9, 187.0, 3720.0, 349_200.0].map(duration), ["7s", "3m07s", "1h02m", "4d01h"]);
        let long = "/very/long/path/of/a/folder/that/goes/on/triage.wasm";
        assert_eq!(Cell::text(long).text.chars().count(), TEXT_CHARS_MAX);
        assert!(Cell::text(long).text.starts_with("..") && Cell::text(long).text.ends_with("/triage.wasm"));
    }
}
