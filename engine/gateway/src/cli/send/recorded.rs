//! Requests out of files: OTLP/JSON, a line each, as they are needed.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::sync::Arc;

use wasmill_authoring::case::signal_of_json;
use wasmill_batch::RequestContext;
use wasmill_wire::{JsonDocument, Projection, WireBatch, from_json};

use crate::exporter::Request;

/// A line: what a receiver takes of a request by default.
const LINE_BYTES_MAX: usize = 64 << 20;

/// Files that are read one behind the other, some times.
pub struct Recorded {
    files: Vec<PathBuf>,
    /// Rounds that are still to come, this one included; `None`: without end.
    rounds: Option<u64>,
    /// The file that is being read, by its number, and the line.
    file: usize,
    line: usize,
    reader: Option<BufReader<File>>,
    /// Of this round: a round without any would never end.
    found: bool,
    context: Arc<RequestContext>,
}

impl Recorded {
    /// Looks whether the files can be read. 0 rounds: without end.
    pub fn open(files: &[PathBuf], rounds: u64) -> Result<Recorded, String> {
        for file in files {
            let opened = File::open(file).and_then(|file| file.metadata());
            match opened {
                Ok(metadata) if metadata.is_dir() => return Err(format!("`{}` is a folder", file.display())),
                Ok(_) => {}
                Err(error) => return Err(format!("cannot read `{}`: {error}", file.display())),
            }
        }
        Ok(Recorded {
            files: files.to_vec(),
            rounds: (rounds > 0).then_some(rounds),
            file: 0,
            line: 0,
            reader: None,
            found: false,
            context: Arc::new(RequestContext::default()),
        })
    }

    /// The next request; `None` behind the last. Empty lines are passed over. `Err` names file and line.
    pub fn next(&mut self) -> Result<Option<Request>, String> {
        loop {
            let Some(file) = self.files.get(self.file) else {
                self.rounds = self.rounds.map(|rounds| rounds.saturating_sub(1));
                if self.rounds == Some(0) || !std::mem::take(&mut self.found) {
                    return Ok(None);
                }
                self.file = 0;
                continue;
            };
            let wrong = |line: usize, why: &str| format!("`{}`, line {line}: {why}", file.display());
            let reader = match &mut self.reader {
                Some(reader) => reader,
                None => {
                    let opened = File::open(file).map_err(|error| wrong(0, &error.to_string()))?;
                    self.reader.insert(BufReader::new(opened))
                }
            };
            self.line += 1;
            let mut line = Vec::new();
            let read = reader.take(LINE_BYTES_MAX as u64 + 1).read_until(b'\n', &mut line);
            read.map_err(|error| wrong(self.line, &error.to_string()))?;
            if line.is_empty() {
                (self.file, self.line, self.reader) = (self.file + 1, 0, None);
                continue;
            }
            if line.len() > LINE_BYTES_MAX {
                return Err(wrong(self.line, "longer than 64 MiB"));
            }
            if line.trim_ascii().is_empty() {
                continue;
            }
            let signal = signal_of_json(&line).map_err(|why| wrong(self.line, why))?;
            let body = from_json(JsonDocument::Request(signal), &line, LINE_BYTES_MAX);
            let body = body.map_err(|error| wrong(self.line, &error.to_string()))?;
            let batch = WireBatch::parse(signal, body.into(), &Projection::new(signal, Vec::new()));
            let batch = batch.map_err(|error| wrong(self.line, &error.to_string()))?;
            self.found = true;
            let body = batch.request().cloned().unwrap_or_default();
            return Ok(Some(Request::new(signal, batch.rows() as u64, body, Arc::clone(&self.context))));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{},{}]}]}]}"#;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("a file");
        file
    }

    fn rows(recorded: &mut Recorded) -> Vec<u64> {
        std::iter::from_fn(|| recorded.next().expect("a request")).map(|request| request.rows).collect()
    }

    /// Two files, with empty lines and without the last line's end, twice.
    #[test]
    fn files_are_read_one_behind_the_other() {
        let files = [file(&format!("{LINE}\n\n{LINE}\n")), file(LINE)];
        let paths = files.each_ref().map(|file| file.path().to_owned());
        let mut recorded = Recorded::open(&paths, 2).expect("files");
        assert_eq!(rows(&mut recorded), [2; 6]);
        assert!(recorded.next().expect("the end").is_none());
    }

    /// Without end, nothing is still an end.
    #[test]
    fn nothing_ends() {
        let empty = file("\n \n");
        let mut recorded = Recorded::open(&[empty.path().to_owned()], 0).expect("a file");
        assert!(rows(&mut recorded).is_empty());
    }

    /// A line that is no request is named.
    #[test]
    fn what_is_no_request_has_its_line() {
        for (text, why) in
            [("{}", "no OTLP/JSON request"), (r#"{"resourceLogs":[{"scopeLogs":7}]}"#, "not valid OTLP/JSON")]
        {
            let file = file(&format!("{LINE}\n{text}\n"));
            let mut recorded = Recorded::open(&[file.path().to_owned()], 1).expect("a file");
            assert!(recorded.next().expect("a request").is_some());
            let Err(error) = recorded.next() else { panic!("`{text}` was taken") };
            assert!(error.contains(", line 2: ") && error.contains(why), "{error}");
        }
    }
}
