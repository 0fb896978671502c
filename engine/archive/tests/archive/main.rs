//! What is on disk when something goes wrong: processes that end, folders that go, files that somebody else has put there.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use prost::Message;
use wasmill_archive::{
    Archive, Archives, Compression, FileSettings, Files, Folders, Format, RequestFormat, RequestSettings, Retention,
    Settings, WriteError, chain,
};
use wasmill_wire::{JsonDocument, Signal, from_json};

fn settings(root: &Path) -> Settings {
    let below = ["{signal}", "date={day}", "hour={hour}"].map(str::to_owned).to_vec();
    Settings {
        folders: Folders { root: root.to_owned(), below },
        files: Files::Columns(FileSettings {
            format: Format::Parquet,
            compression: Compression::Snappy,
            row_group_rows_max: 1_000,
        }),
        bytes_max: 100 << 20,
        rows_max: 1_000_000,
        interval: Duration::from_secs(3_600),
        flush_interval: Duration::from_millis(1),
        backlog_bytes_max: 1 << 30,
        create: Some(0o755),
        retention: None,
        bucket: None,
    }
}

/// A request with a log record for each body.
fn request(bodies: impl IntoIterator<Item = String>) -> Bytes {
    let record = |body| LogRecord {
        body: Some(AnyValue { value: Some(any_value::Value::StringValue(body)) }),
        ..LogRecord::default()
    };
    let scope = ScopeLogs { log_records: bodies.into_iter().map(record).collect(), ..ScopeLogs::default() };
    let resource = ResourceLogs { scope_logs: vec![scope], ..ResourceLogs::default() };
    ExportLogsServiceRequest { resource_logs: vec![resource] }.encode_to_vec().into()
}

async fn write(archive: &Archive, bodies: &[&str]) -> Result<(), WriteError> {
    let bodies = bodies.iter().map(|body| (*body).to_owned());
    archive.write(Signal::Logs, request(bodies), 1).await
}

/// Files below a folder that have this extension, its hidden folder included.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => found.extend(files(&path, extension)),
            _ if path.extension().is_some_and(|one| one == extension) => found.push(path),
            _ => {}
        }
    }
    found.sort();
    found
}

/// The bodies in all files below a folder, sorted.
fn bodies(folder: &Path) -> Vec<String> {
    use arrow_array::cast::AsArray;
    let mut found = Vec::new();
    for path in files(folder, "parquet") {
        let reader = ParquetRecordBatchReaderBuilder::try_new(fs::File::open(path).unwrap()).unwrap().build().unwrap();
        for batch in reader {
            let batch = batch.unwrap();
            let column = batch.column_by_name("body").unwrap().as_string::<i32>();
            found.extend(column.iter().map(|body| body.unwrap().to_owned()));
        }
    }
    found.sort();
    found
}

/// What a process leaves that ends at this moment.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to.join(entry.file_name())),
            false => drop(fs::copy(entry.path(), to.join(entry.file_name())).unwrap()),
        }
    }
}

/// Scenario: requests are written; the process ends at three moments: before there is a file, between the file's place and the journal's
/// end, and with another file half made. Each time another process follows.
/// Guarantee: every row is in exactly one file, in its folder by signal and hour, and nothing else is left.
#[tokio::test]
async fn every_row_is_in_one_file_whenever_the_process_ends() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("first");
    let archive = Archive::new(settings(&root), &Archives::default());
    write(&archive, &["one", "two"]).await.unwrap();
    write(&archive, &["three"]).await.unwrap();
    assert!(files(&root, "parquet").is_empty(), "no file is there before it is whole");
    let before = folder.path().join("before");
    copy(&root, &before);
    archive.end(Signal::Logs).await;
    let expected = ["one", "three", "two"];
    assert_eq!(bodies(&root), expected);
    assert!(files(&root, "journal").is_empty() && files(&root, "part").is_empty());
    let path = files(&root, "parquet").remove(0);
    let relative = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
    assert!(relative.starts_with("logs/date=2") && relative.contains("/hour="), "{relative}");

    let between = folder.path().join("between");
    copy(&root, &between);
    let journal = files(&before, "journal").remove(0);
    fs::copy(&journal, between.join(".wasmill").join(journal.file_name().unwrap())).unwrap();
    for root in [before, between] {
        fs::write(root.join(".wasmill/logs-of-whatever.parquet.part"), "half").unwrap();
        let next = Archive::new(settings(&root), &Archives::default());
        next.begin(Signal::Traces).unwrap();
        write(&next, &["four"]).await.unwrap();
        next.end(Signal::Logs).await;
        assert_eq!(bodies(&root), ["four", "one", "three", "two"]);
        assert!(files(&root, "journal").is_empty() && files(&root, "part").is_empty());
    }
}

/// Scenario: more rows than a file may have; the process ends after its files are in place and before the journal goes, and the next one's
/// files may have more.
/// Guarantee: files are divided as configured; afterwards there are those of the new settings alone.
#[tokio::test]
async fn a_journal_becomes_as_many_files_as_it_needs() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    let archive = Archive::new(Settings { rows_max: 1_000, ..settings(&root) }, &Archives::default());
    let all: Vec<String> = (0..2_500).map(|number| format!("{number:05}")).collect();
    let halves = [&all[..300], &all[300..]];
    // Rows are counted as they are told; the journal is sealed behind the request that exceeds them.
    archive.write(Signal::Logs, request(halves[0].iter().cloned()), 300).await.unwrap();
    let journal = files(&root, "journal").remove(0);
    archive.write(Signal::Logs, request(halves[1].iter().cloned()), 1).await.unwrap();
    let kept = fs::read(&journal).unwrap();
    archive.end(Signal::Logs).await;
    assert_eq!((files(&root, "parquet").len(), bodies(&root)), (3, all.clone()));
    drop(archive);

    let next = folder.path().join("next");
    copy(&root, &next);
    fs::write(next.join(".wasmill").join(journal.file_name().unwrap()), kept).unwrap();
    let archive = Archive::new(settings(&next), &Archives::default());
    archive.begin(Signal::Logs).unwrap();
    archive.end(Signal::Logs).await;
    assert_eq!((files(&next, "parquet").len(), bodies(&next)), (1, all));
}

/// Scenario: old files of ours, and beside them what `find` would take for one: a file with such a name, a copy of ours, one of ours that
/// somebody wrote over, one that is a link now, one in a folder that is a link to somebody's folder now.
/// Guarantee: ours go, with the folders that nothing is left in; nothing else is touched, nor what links lead to.
#[tokio::test]
async fn retention_deletes_what_was_written_here_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    let foreign = folder.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    let archive = |signals: &str, retention| {
        let mut settings = Settings { retention, ..settings(&root) };
        settings.folders.below = vec![signals.to_owned(), "hour={hour}".to_owned()];
        Archive::new(settings, &Archives::default())
    };
    let mut ours = Vec::new();
    for name in ["a-{signal}", "b-{signal}", "c-{signal}", "d-{signal}", "e-{signal}"] {
        let archive = archive(name, None);
        write(&archive, &[name]).await.unwrap();
        archive.end(Signal::Logs).await;
        ours.push(files(&root, "parquet").into_iter().find(|path| !ours.contains(path)).unwrap());
        drop(archive);
        // Its threads end, and the next process can have the folder.
        while std::fs::File::open(root.join(".wasmill/lock")).unwrap().try_lock().is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    let [gone, copied, overwritten, linked, led_out] = <[PathBuf; 5]>::try_from(ours).unwrap();
    let tempting = |path: &Path, from: &str, to: &str| {
        let name = path.file_name().unwrap().to_str().unwrap();
        path.with_file_name(name.replacen(from, to, 1))
    };
    let copy_of_ours = tempting(&copied, "-0.parquet", "-1.parquet");
    fs::copy(&copied, &copy_of_ours).unwrap();
    let other = root.join("logs-2020-01-01T00-00-00.000Z-0123456789abcdef-0.parquet");
    fs::write(&other, "somebody's").unwrap();
    fs::write(&overwritten, "somebody's now").unwrap();
    let target = foreign.join("target.parquet");
    fs::rename(&linked, &target).unwrap();
    symlink(&target, &linked).unwrap();
    let hour = led_out.parent().unwrap().to_owned();
    let elsewhere = foreign.join("hour");
    fs::rename(&hour, &elsewhere).unwrap();
    symlink(&elsewhere, &hour).unwrap();

    let keeps = archive("f-{signal}", Some(Retention { age_max: Some(Duration::ZERO), bytes_max: None }));
    write(&keeps, &["new"]).await.unwrap();
    keeps.end(Signal::Logs).await;
    assert!(!gone.exists() && !copied.exists(), "ours are deleted");
    assert!(
        !gone.parent().unwrap().exists() && !gone.parent().unwrap().parent().unwrap().exists(),
        "and their folders"
    );
    for left in [&copy_of_ours, &other, &overwritten, &linked, &target, &led_out] {
        assert!(left.exists(), "{}", left.display());
    }
    assert_eq!(fs::read_to_string(&overwritten).unwrap(), "somebody's now");
    assert!(fs::symlink_metadata(&linked).unwrap().is_symlink() && fs::symlink_metadata(&hour).unwrap().is_symlink());
}

/// Scenario: three files of ours and a limit of all of them together that two exceed.
/// Guarantee: the oldest go, as many as have to.
#[tokio::test]
async fn retention_keeps_the_newest() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    let archives = Archives::default();
    let retention = |bytes_max| Some(Retention { age_max: None, bytes_max: Some(bytes_max) });
    let keeps_all = Archive::new(Settings { retention: retention(u64::MAX), ..settings(&root) }, &archives);
    let mut sizes = Vec::new();
    for body in ["one", "two", "three"] {
        write(&keeps_all, &[body]).await.unwrap();
        keeps_all.end(Signal::Logs).await;
        let bytes: u64 = files(&root, "parquet").iter().map(|path| fs::metadata(path).unwrap().len()).sum();
        sizes.push(bytes - sizes.iter().sum::<u64>());
    }
    // With the file that comes, the last two fit.
    let most = sizes[2] + sizes[0] + 10;
    let keeps_two = Archive::new(Settings { retention: retention(most), ..settings(&root) }, &archives);
    write(&keeps_two, &["six"]).await.unwrap();
    keeps_two.end(Signal::Logs).await;
    assert_eq!(bodies(&root), ["six", "three"]);
}

/// Scenario: a folder that another process has; files that cannot get their place, and more than may wait for that; then they can.
/// Guarantee: whoever sends is told why and that it may be tried again; what was answered is in files in the end, once.
#[tokio::test]
async fn what_cannot_be_written_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    let archive = Archive::new(settings(&root), &Archives::default());
    write(&archive, &["one"]).await.unwrap();
    let other = Archive::new(settings(&root), &Archives::default());
    let refused = write(&other, &["two"]).await.unwrap_err();
    assert!(chain(&refused).contains("in use by another process"), "{refused}");

    // A file is where the folder should be.
    fs::write(root.join("logs"), "in the way").unwrap();
    archive.end(Signal::Logs).await;
    assert_eq!(files(&root, "journal").len(), 1, "it waits");
    let few = Settings { backlog_bytes_max: 1_000, ..settings(&root) };
    let archives = Archives::default();
    drop(archive);
    while std::fs::File::open(root.join(".wasmill/lock")).unwrap().try_lock().is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let archive = Archive::new(few, &archives);
    let long = "x".repeat(400);
    let mut written = vec!["one".to_owned()];
    let refused = loop {
        match write(&archive, &[&long]).await {
            Ok(()) => written.push(long.clone()),
            Err(error) => break chain(&error),
        }
        assert!(written.len() < 10, "there is no limit");
        archive.end(Signal::Logs).await;
    };
    assert!(refused.contains("cannot be put in place") && refused.contains("1000 may"), "{refused}");
    assert!(files(&root, "parquet").is_empty());
    fs::remove_file(root.join("logs")).unwrap();
    archive.end(Signal::Logs).await;
    assert_eq!(bodies(&root), written);
    write(&archive, &["two"]).await.unwrap();
    archive.end(Signal::Logs).await;
    assert_eq!(bodies(&root).len(), written.len() + 1);
}

/// Scenario: requests as they came, as JSON and as protobuf, compressed and not, more than one file may have.
/// Guarantee: what is read back is what was written, whole requests in each file, in names of their format; half a file is seen nowhere.
#[tokio::test]
async fn requests_are_written_as_they_came() {
    let folder = tempfile::tempdir().unwrap();
    let all: Vec<Bytes> = (0..5).map(|number| request((0..600).map(move |row| format!("{number} {row}")))).collect();
    for (format, is_compressed, extension) in [
        (RequestFormat::Json, false, "jsonl"),
        (RequestFormat::Json, true, "jsonl.zst"),
        (RequestFormat::Proto, false, "pb"),
        (RequestFormat::Proto, true, "pb.zst"),
    ] {
        let root = folder.path().join(extension);
        let layout = Files::Requests(RequestSettings { format, is_compressed });
        let archive =
            Archive::new(Settings { files: layout, rows_max: 1_000, ..settings(&root) }, &Archives::default());
        for request in &all {
            archive.write(Signal::Logs, request.clone(), 100).await.unwrap();
        }
        archive.end(Signal::Logs).await;
        let mut paths = files(&root, extension.rsplit('.').next().unwrap());
        paths.sort();
        // Two requests are more rows than a file is to have, and go whole.
        assert_eq!(paths.len(), 3, "{paths:?}");
        let mut found = Vec::new();
        for path in paths {
            assert!(path.to_str().unwrap().ends_with(&format!(".{extension}")), "{path:?}");
            let bytes = fs::read(path).unwrap();
            let bytes = if is_compressed { zstd::decode_all(&*bytes).unwrap() } else { bytes };
            match format {
                RequestFormat::Json => found.extend(
                    std::str::from_utf8(&bytes)
                        .unwrap()
                        .lines()
                        .map(|line| from_json(JsonDocument::Request(Signal::Logs), line.as_bytes(), 1 << 20).unwrap()),
                ),
                RequestFormat::Proto => {
                    let mut rest = &bytes[..];
                    while let Some((length, after)) = rest.split_first_chunk::<4>() {
                        let (frame, after) = after.split_at(u32::from_be_bytes(*length) as usize);
                        found.push(frame.to_vec());
                        rest = after;
                    }
                }
            }
        }
        assert_eq!(found, all, "{extension}");
    }
}

/// Scenario: a journal whose second request was damaged on disk.
/// Guarantee: what is before it becomes a file, and the journal is kept for who wants to look into it.
#[tokio::test]
async fn a_damaged_journal_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    let archive = Archive::new(settings(&root), &Archives::default());
    write(&archive, &["one"]).await.unwrap();
    let journal = files(&root, "journal").remove(0);
    let first = fs::metadata(&journal).unwrap().len() as usize;
    write(&archive, &["two"]).await.unwrap();
    let mut bytes = fs::read(&journal).unwrap();
    bytes[first + 12] ^= 1;
    fs::write(&journal, bytes).unwrap();
    archive.end(Signal::Logs).await;
    assert_eq!(bodies(&root), ["one"]);
    assert_eq!(files(&root, "damaged").len(), 1);
}
