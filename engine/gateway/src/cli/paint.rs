//! Colours on a terminal.

use std::fmt::Display;
use std::io::IsTerminal;

use anstyle::{AnsiColor, Style};

/// When there are colours.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Color {
    Auto,
    Always,
    Never,
}

/// Whether what is written to standard output has colours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Paint(bool);

pub const BOLD: Style = Style::new().bold();
pub const DIM: Style = Style::new().dimmed();
pub const RED: Style = AnsiColor::Red.on_default();
pub const GREEN: Style = AnsiColor::Green.on_default();
pub const YELLOW: Style = AnsiColor::Yellow.on_default();
pub const CYAN: Style = AnsiColor::Cyan.on_default();
pub const MAGENTA: Style = AnsiColor::Magenta.on_default();

impl Paint {
    pub fn new(color: Color) -> Paint {
        let named = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        Paint(match color {
            Color::Always => true,
            Color::Never => false,
            // https://no-color.org
            Color::Auto => {
                std::io::stdout().is_terminal()
                    && named("NO_COLOR").is_none()
                    && named("TERM").is_some_and(|terminal| terminal != "dumb")
            }
        })
    }

    pub fn paint(self, style: Style, text: impl Display) -> String {
        if self.0 { format!("{style}{text}{style:#}") } else { text.to_string() }
    }
}

/// Text from outside, in one line: what would move a terminal's cursor or change its colours is spelled out.
pub fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() || is_directional(character) {
            clean.extend(character.escape_default());
        } else {
            clean.push(character);
        }
    }
    clean
}

/// Marks that turn the direction of the text behind them.
fn is_directional(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// As [`clean`], at most so many characters.
pub fn cut(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}...", clean(&text[..end])),
        None => clean(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record's text has what a terminal would obey: it is shown as text.
    #[test]
    fn a_terminal_is_not_spoken_to_by_records() {
        assert_eq!(clean("a\u{1b}[2Jb\r\n\u{9b}31m\u{202e}c\té"), "a\\u{1b}[2Jb\\r\\n\\u{9b}31m\\u{202e}c\\té");
        assert_eq!(cut("héllo", 2), "hé...");
        assert_eq!(cut("hé", 2), "hé");
    }

    #[test]
    fn colours_are_there_when_wanted() {
        assert_eq!(Paint::new(Color::Always).paint(RED, "x"), "\u{1b}[31mx\u{1b}[0m");
        assert_eq!(Paint::new(Color::Never).paint(RED, "x"), "x");
    }
}
