//! What `wasmill plugin test` says: to people, and to a CI system.

use std::fmt::Write as _;
use std::io;

use quick_xml::events::{BytesDecl, BytesText, Event};
use quick_xml::writer::Writer;

use crate::case::Outcome;

/// A line for each case, and what is wrong with those that failed.
pub fn text(outcomes: &[Outcome], colours: bool) -> String {
    let paint = |code: &str, text: &str| if colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() };
    let mut out = String::new();
    for outcome in outcomes {
        let name = &outcome.name;
        let _ = match (outcome.failures.is_empty(), outcome.updated) {
            (true, false) => writeln!(out, "{} {name}", paint("32", "pass")),
            (true, true) => writeln!(out, "{} {name}: `expected.json` was written", paint("33", "new ")),
            (false, _) => writeln!(out, "{} {name}", paint("31", "FAIL")),
        };
        for failure in &outcome.failures {
            let _ = writeln!(out, "     {}", failure.summary);
            for line in failure.detail.lines() {
                let line = match line.as_bytes().first() {
                    Some(b'-') => paint("31", line),
                    Some(b'+') => paint("32", line),
                    _ => line.to_owned(),
                };
                let _ = writeln!(out, "     {line}");
            }
        }
    }
    let failed = outcomes.iter().filter(|outcome| !outcome.failures.is_empty()).count();
    let passed = outcomes.len() - failed;
    let _ = writeln!(out, "{passed} passed, {failed} failed");
    out
}

/// The same as JUnit's XML, which CI systems read (a `testsuite` as Jenkins' schema has it).
pub fn junit(suite: &str, outcomes: &[Outcome]) -> io::Result<Vec<u8>> {
    let failed = outcomes.iter().filter(|outcome| !outcome.failures.is_empty()).count();
    let seconds: f64 = outcomes.iter().map(|outcome| outcome.took.as_secs_f64()).sum();
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    writer
        .create_element("testsuite")
        .with_attribute(("name", suite))
        .with_attribute(("tests", outcomes.len().to_string().as_str()))
        .with_attribute(("failures", failed.to_string().as_str()))
        .with_attribute(("time", format!("{seconds:.3}").as_str()))
        .write_inner_content(|writer| outcomes.iter().try_for_each(|outcome| case(writer, suite, outcome)))?;
    let mut xml = writer.into_inner();
    xml.push(b'\n');
    Ok(xml)
}

fn case(writer: &mut Writer<Vec<u8>>, suite: &str, outcome: &Outcome) -> io::Result<()> {
    let time = format!("{:.3}", outcome.took.as_secs_f64());
    let element = writer
        .create_element("testcase")
        .with_attribute(("classname", suite))
        .with_attribute(("name", outcome.name.as_str()))
        .with_attribute(("time", time.as_str()));
    if outcome.failures.is_empty() {
        element.write_empty()?;
        return Ok(());
    }
    element.write_inner_content(|writer| {
        outcome.failures.iter().try_for_each(|failure| {
            writer
                .create_element("failure")
                .with_attribute(("message", printable(&failure.summary).as_str()))
                .write_text_content(BytesText::new(&printable(&failure.detail)))
                .map(drop)
        })
    })?;
    Ok(())
}

/// XML has no control characters, not even escaped; guests' messages may.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c }).collect()
}
