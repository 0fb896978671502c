//! The terminal, as it is while `wasmill top` has it.

use std::io::{self, Write};

use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::style::Print;
use crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode, size,
};
use crossterm::{execute, queue};

use super::screen::Line;
use crate::cli::paint::Paint;

/// Dropped, the terminal is as it was.
pub struct Terminal {
    paint: Paint,
    /// What is there, and on how large a terminal.
    drawn: Option<((usize, usize), Vec<Line>)>,
}

impl Terminal {
    pub fn open(paint: Paint) -> io::Result<Terminal> {
        enable_raw_mode()?;
        // From here on it is to be given back.
        let terminal = Terminal { paint, drawn: None };
        execute!(io::stdout(), EnterAlternateScreen, Hide)?;
        Ok(terminal)
    }

    /// Columns and lines.
    pub fn size(&self) -> io::Result<(usize, usize)> {
        let (columns, lines) = size()?;
        Ok((usize::from(columns), usize::from(lines)))
    }

    /// Puts lines over those that are there, if they are others. They are no wider than the terminal, which has that size, and no more.
    pub fn draw(&mut self, size: (usize, usize), lines: Vec<Line>) -> io::Result<()> {
        if self.drawn.as_ref().is_some_and(|drawn| drawn.0 == size && drawn.1 == lines) {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        for (number, line) in (0..).zip(&lines) {
            let text = line.painted(self.paint);
            queue!(out, MoveTo(0, number), Clear(ClearType::CurrentLine), Print(text))?;
        }
        // Below a frame that is as high as the terminal is nothing.
        if let Ok(below) = u16::try_from(lines.len())
            && lines.len() < size.1
        {
            queue!(out, MoveTo(0, below), Clear(ClearType::FromCursorDown))?;
        }
        out.flush()?;
        self.drawn = Some((size, lines));
        Ok(())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may be gone.
        let _ = execute!(io::stdout(), Show, LeaveAlternateScreen);
        let _ = disable_raw_mode();
    }
}
