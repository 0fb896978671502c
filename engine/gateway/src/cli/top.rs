//! `wasmill top`: what a running gateway does, each second.
//!
//! It asks the admin socket for the gateway's status, twice, and shows the difference: nothing is counted for it, and a gateway that nobody
//! looks at does nothing for it.

mod rates;
mod screen;
mod terminal;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use clap::Args;
use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::operate::AdminArgs;
use super::paint::{Color, Paint};
use super::{EXIT_FAILED, EXIT_WRONG, Output, complain, failed, say};
use crate::admin::{Answer, Ask, AskError, ask};
use crate::engine::chain;
use rates::{Sample, View};
use screen::{Shown, Ui, frame};
use terminal::Terminal;

/// A key is noticed within this.
const KEY_INTERVAL: Duration = Duration::from_millis(100);

/// Where there is no terminal to say how wide it is.
const WIDTH: usize = 160;

#[derive(Args)]
pub struct TopArgs {
    /// Seconds between looks, 0.1 to 3600.
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = interval)]
    interval: Duration,
    /// Looks twice, writes what it saw, and ends.
    #[arg(long)]
    once: bool,
    /// `json`: a line for each look, for programs.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// Colours. `auto`: on a terminal, unless `NO_COLOR` is set.
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    color: Color,
    #[command(flatten)]
    gateway: AdminArgs,
}

fn interval(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| (0.1..=3600.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "0.1 to 3600 seconds".to_owned())
}

pub fn top(args: &TopArgs) -> Result<ExitCode, ExitCode> {
    let socket = args.gateway.socket()?;
    match (args.once, args.output) {
        (true, _) => once(&socket, args),
        (false, Output::Json) => Ok(lines(&socket, args)),
        (false, Output::Text) if std::io::stdout().is_terminal() => Ok(interactive(socket, args)),
        (false, Output::Text) => {
            let why = "standard output is no terminal: `--once` or `--output json` are for that";
            Err(failed(EXIT_WRONG, [why.to_owned()]))
        }
    }
}

fn look(socket: &Path) -> Result<Sample, AskError> {
    match ask(socket, &Ask::Status)? {
        Answer::Status(status) => Ok(Sample { at: Instant::now(), status: *status }),
        Answer::Refused(reasons) => Err(AskError::Refused(reasons)),
        _ => Err(AskError::Talk(std::io::ErrorKind::InvalidData.into())),
    }
}

/// Two looks, so that there are rates.
fn once(socket: &Path, args: &TopArgs) -> Result<ExitCode, ExitCode> {
    let looked = look(socket).and_then(|before| {
        std::thread::sleep(args.interval);
        Ok(View::between(Some(&before), &look(socket)?))
    });
    let view = looked.map_err(|error| failed(EXIT_FAILED, [chain(&error)]))?;
    match args.output {
        Output::Json => say(&line(&view)),
        Output::Text => {
            let paint = Paint::new(args.color);
            let lines = frame(&Shown { view: Some(&view), lost: None }, &Ui::default(), WIDTH, usize::MAX);
            lines.iter().for_each(|line| say(&format!("{}\n", line.painted(paint).trim_end())));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A line for each look. Ends when nobody reads them.
fn lines(socket: &Path, args: &TopArgs) -> ExitCode {
    use std::io::Write;
    let mut before = None;
    loop {
        match look(socket) {
            Ok(sample) => {
                // The first look has no rates.
                if let Some(before) = before.replace(sample.clone()) {
                    let line = line(&View::between(Some(&before), &sample));
                    let mut out = std::io::stdout().lock();
                    if out.write_all(line.as_bytes()).and_then(|()| out.flush()).is_err() {
                        return ExitCode::SUCCESS;
                    }
                }
            }
            Err(error) => complain(&format!("wasmill: {}; tried again\n", chain(&error))),
        }
        std::thread::sleep(args.interval);
    }
}

fn line(view: &View) -> String {
    // Plain data with names for keys: it can be written.
    serde_json::to_string(view).unwrap_or_default() + "\n"
}

fn interactive(socket: PathBuf, args: &TopArgs) -> ExitCode {
    let mut terminal = match Terminal::open(Paint::new(args.color)) {
        Ok(terminal) => terminal,
        Err(error) => return failed(EXIT_FAILED, [format!("the terminal cannot be used: {error}")]),
    };
    // On a thread of its own: keys are obeyed while a gateway does not answer.
    let (sender, looks) = mpsc::sync_channel(1);
    let interval = args.interval;
    std::thread::spawn(move || {
        while sender.send(look(&socket)).is_ok() {
            std::thread::sleep(interval);
        }
    });
    let shown = show(&mut terminal, &looks);
    drop(terminal);
    match shown {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(EXIT_FAILED, [format!("the terminal cannot be used: {error}")]),
    }
}

fn show(terminal: &mut Terminal, looks: &mpsc::Receiver<Result<Sample, AskError>>) -> std::io::Result<()> {
    let (mut before, mut view): (Option<Sample>, Option<View>) = (None, None);
    let mut lost: Option<(Instant, String)> = None;
    let mut ui = Ui::default();
    loop {
        while let Ok(look) = looks.try_recv() {
            match look {
                Ok(sample) => {
                    if !ui.paused {
                        view = Some(View::between(before.as_ref(), &sample));
                    }
                    before = Some(sample);
                    lost = None;
                }
                Err(error) => {
                    let since = lost.map_or_else(Instant::now, |(since, _)| since);
                    lost = Some((since, chain(&error)));
                }
            }
        }
        let (width, height) = terminal.size()?;
        let lost = lost.as_ref().map(|(since, why)| (since.elapsed(), why.as_str()));
        terminal.draw((width, height), frame(&Shown { view: view.as_ref(), lost }, &ui, width, height))?;
        if event::poll(KEY_INTERVAL)?
            && let Event::Key(key) = event::read()?
            && key.kind == KeyEventKind::Press
            && !obey(&mut ui, key)
        {
            return Ok(());
        }
    }
}

/// Whether it goes on.
fn obey(ui: &mut Ui, key: KeyEvent) -> bool {
    match key.code {
        KeyCode::Char('q') | KeyCode::Esc => return false,
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return false,
        KeyCode::Char('p') | KeyCode::Char(' ') => ui.paused = !ui.paused,
        KeyCode::Char('r') => ui.reverse(),
        KeyCode::Tab | KeyCode::Down => ui.next_table(),
        KeyCode::BackTab | KeyCode::Up => ui.previous_table(),
        KeyCode::Right => ui.next_column(),
        KeyCode::Left => ui.previous_column(),
        _ => {}
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(code: KeyCode) -> KeyEvent {
        KeyEvent::new(code, KeyModifiers::NONE)
    }

    /// Each key does what the footer says.
    #[test]
    fn keys_are_obeyed() {
        let mut ui = Ui::default();
        for end in
            [key(KeyCode::Char('q')), key(KeyCode::Esc), KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)]
        {
            assert!(!obey(&mut ui, end));
        }
        assert!(obey(&mut ui, key(KeyCode::Char('c'))));
        assert!(obey(&mut ui, key(KeyCode::Char('p'))) && ui.paused);
        let sorted = (ui.table, ui.sorted[ui.table].0);
        for (there, back) in [(KeyCode::Tab, KeyCode::BackTab), (KeyCode::Right, KeyCode::Left)] {
            obey(&mut ui, key(there));
            assert_ne!((ui.table, ui.sorted[ui.table].0), sorted);
            obey(&mut ui, key(back));
            assert_eq!((ui.table, ui.sorted[ui.table].0), sorted);
        }
    }

    #[test]
    fn intervals_are_seconds() {
        assert_eq!(interval("0.5"), Ok(Duration::from_millis(500)));
        for wrong in ["0", "-1", "3601", "NaN", "inf", "1s", ""] {
            assert!(interval(wrong).is_err(), "{wrong}");
        }
    }
}
