use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use wasmill_config::FileRotation;
use wasmill_wire::{Signal, from_json};

use super::*;

fn settings(path: PathBuf) -> config::FileExporter {
    config::FileExporter {
        path,
        append: false,
        format: FileFormat::Json,
        rotation: None,
        compress: false,
        flush_interval: Duration::from_millis(1),
        create_directory: None,
    }
}

/// A request with one log record.
fn wire(body: &str) -> Vec<u8> {
    let json = format!(
        "{{\"resourceLogs\":[{{\"scopeLogs\":[{{\"logRecords\":[{{\"body\":{{\"stringValue\":\"{body}\"}}}}]}}]}}]}}"
    );
    from_json(JsonDocument::Request(Signal::Logs), json.as_bytes(), 1 << 20).unwrap()
}

async fn send(exporter: &FileExporter, body: &str) -> Result<(), Refusal> {
    let request = Request::new(Signal::Logs, 1, Bytes::from(wire(body)), Arc::default());
    let request = exporter.prepare_encoded(request);
    exporter.send(&request).await.map(drop)
}

/// The bodies of the lines of a file.
fn lines(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "{text}");
    let body = |line: &str| line.split("\"stringValue\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    text.lines().map(body).collect()
}

/// Scenario: a file with a whole line and a half one, as a machine leaves it that failed; an exporter that appends, one that does not.
/// Guarantee: the half line goes, the whole ones stay, or everything goes, once.
#[tokio::test]
async fn a_file_is_made_whole_or_emptied() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jsonl");
    let files = OpenFiles::default();
    let first = FileExporter::new(&settings(path.clone()), &files).unwrap();
    std::fs::write(&path, "old\n").unwrap();
    send(&first, "one").await.unwrap();
    assert_eq!(lines(&path), ["one"], "emptied");
    // A reload makes another exporter of the same file.
    let second = FileExporter::new(&settings(path.clone()), &files).unwrap();
    send(&second, "two").await.unwrap();
    drop((first, second));
    let third = FileExporter::new(&settings(path.clone()), &files).unwrap();
    send(&third, "three").await.unwrap();
    assert_eq!(lines(&path), ["one", "two", "three"], "this process has emptied it once");

    let half = std::fs::read_to_string(&path).unwrap() + "{\"resourceLogs\":[{";
    std::fs::write(&path, half).unwrap();
    let appends = config::FileExporter { append: true, ..settings(path.clone()) };
    let next_process = FileExporter::new(&appends, &OpenFiles::default()).unwrap();
    send(&next_process, "four").await.unwrap();
    assert_eq!(lines(&path), ["one", "two", "three", "four"]);
}

/// Scenario: protobuf behind its length, plain and compressed, JSON compressed; then a torn tail.
/// Guarantee: frames are those of the Collector, and what is torn is cut off.
#[tokio::test]
async fn frames_stand_behind_their_length() {
    let folder = tempfile::tempdir().unwrap();
    for (format, compress) in [(FileFormat::Proto, false), (FileFormat::Proto, true), (FileFormat::Json, true)] {
        let path = folder.path().join(format!("{format:?}-{compress}"));
        let settings = config::FileExporter { format, compress, append: true, ..settings(path.clone()) };
        let exporter = FileExporter::new(&settings, &OpenFiles::default()).unwrap();
        send(&exporter, "one").await.unwrap();
        drop(exporter);
        let mut torn = std::fs::read(&path).unwrap();
        torn.extend_from_slice(&[0, 0, 1, 0, 7]);
        std::fs::write(&path, torn).unwrap();
        let exporter = FileExporter::new(&settings, &OpenFiles::default()).unwrap();
        send(&exporter, "two").await.unwrap();

        let bytes = std::fs::read(&path).unwrap();
        let mut rest = &bytes[..];
        let mut found = Vec::new();
        while let Some((length, after)) = rest.split_first_chunk::<4>() {
            let (frame, after) = after.split_at(u32::from_be_bytes(*length) as usize);
            let frame = if compress { zstd::bulk::decompress(frame, 1 << 20).unwrap() } else { frame.to_vec() };
            found.push(match format {
                FileFormat::Json => from_json(JsonDocument::Request(Signal::Logs), &frame, 1 << 20).unwrap(),
                FileFormat::Proto => frame,
            });
            rest = after;
        }
        assert!(found == [wire("one"), wire("two")], "{format:?}");
    }
}

/// Scenario: a file that is to be renamed a second after its first request; nothing else comes. Then one that an earlier process left.
/// Guarantee: it is renamed whole, without another request; the other one behind the next request.
#[tokio::test]
async fn old_files_are_renamed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.jsonl");
    let rotation = FileRotation { interval: Some(Duration::from_secs(1)), ..FileRotation::default() };
    let settings = config::FileExporter { rotation: Some(rotation), append: true, ..settings(path.clone()) };
    let exporter = FileExporter::new(&settings, &OpenFiles::default()).unwrap();
    send(&exporter, "one").await.unwrap();
    assert_eq!(lines(&path), ["one"]);
    let renamed = |wanted: usize| {
        let folder = folder.path().to_owned();
        async move {
            let by = std::time::Instant::now() + Duration::from_secs(60);
            loop {
                let entries = std::fs::read_dir(&folder).unwrap().flatten().map(|entry| entry.path());
                let mut found: Vec<_> = entries.filter(|path| !path.ends_with("data.jsonl")).collect();
                if found.len() == wanted {
                    found.sort();
                    return found;
                }
                assert!(std::time::Instant::now() < by, "{found:?}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    };
    assert_eq!(lines(&renamed(1).await[0]), ["one"]);
    assert!(!path.exists());

    send(&exporter, "two").await.unwrap();
    drop(exporter);
    let next_process = FileExporter::new(&settings, &OpenFiles::default()).unwrap();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    send(&next_process, "three").await.unwrap();
    let found: Vec<_> = renamed(2).await.iter().flat_map(|path| lines(path)).collect();
    assert_eq!(found, ["one", "two", "three"]);
}

/// Scenario: more than a file may hold, of which two renamed ones are kept; a request that is larger than any file may be.
/// Guarantee: every file that is left has whole lines, as many files as were asked for, and the newest data.
#[tokio::test]
async fn full_files_are_renamed_and_old_ones_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.jsonl");
    let rotation = FileRotation { bytes_max: 250, backups_max: 2, ..FileRotation::default() };
    let settings = config::FileExporter { rotation: Some(rotation), append: true, ..settings(path.clone()) };
    let other = folder.path().join("data-of-somebody-else.jsonl");
    std::fs::write(&other, "").unwrap();
    let exporter = FileExporter::new(&settings, &OpenFiles::default()).unwrap();
    for number in 0..8 {
        send(&exporter, &number.to_string()).await.unwrap();
    }
    send(&exporter, &"x".repeat(300)).await.unwrap();
    send(&exporter, "last").await.unwrap();

    let names = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let mut backups: Vec<PathBuf> = names.filter(|name| *name != path && *name != other).collect();
    backups.sort();
    assert_eq!(lines(&path), ["last"]);
    assert_eq!(
        backups.iter().map(|path| lines(path)).collect::<Vec<_>>(),
        [vec!["6".to_owned(), "7".to_owned()], vec!["x".repeat(300)]]
    );
    assert!(other.exists(), "only its own files are deleted");
}

/// Scenario: the file is renamed by somebody, and emptied by somebody.
/// Guarantee: what comes then is in the file of that name, from its beginning.
#[tokio::test]
async fn a_file_that_others_move_or_empty_is_written_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jsonl");
    let moved = folder.path().join("a.1");
    let exporter = FileExporter::new(&settings(path.clone()), &OpenFiles::default()).unwrap();
    send(&exporter, "one").await.unwrap();
    std::fs::rename(&path, &moved).unwrap();
    send(&exporter, "two").await.unwrap();
    assert_eq!((lines(&moved), lines(&path)), (vec!["one".to_owned()], vec!["two".to_owned()]));
    std::fs::File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
    send(&exporter, "three").await.unwrap();
    assert_eq!(lines(&path), ["three"]);
    assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o600, 0o600);
}

/// Scenario: the folder goes while the gateway runs, and comes back.
/// Guarantee: whoever sends is told to retry, and why; nothing is given up.
#[tokio::test]
async fn what_cannot_be_written_is_to_be_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let below = folder.path().join("below");
    std::fs::create_dir(&below).unwrap();
    let path = below.join("a.jsonl");
    let exporter = FileExporter::new(&settings(path.clone()), &OpenFiles::default()).unwrap();
    std::fs::remove_dir(&below).unwrap();
    let refusal = send(&exporter, "one").await.unwrap_err();
    assert!(refusal.is_retryable() && refusal.reason.contains("cannot be written: No such file"), "{refusal}");
    std::fs::create_dir(&below).unwrap();
    send(&exporter, "one").await.unwrap();
    assert_eq!(lines(&path), ["one"]);
}

/// Scenario: a folder that is not there, or is none; a path that is no file.
/// Guarantee: refused when the exporter is built, unless the folder is to be made.
#[tokio::test]
async fn what_can_never_be_written_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let missing = settings(folder.path().join("a/b/c.jsonl"));
    let files = OpenFiles::default();
    assert!(matches!(FileExporter::new(&missing, &files), Err(FileError::Folder { .. })));
    assert!(matches!(FileExporter::new(&settings(folder.path().to_owned()), &files), Err(FileError::NotAFile { .. })));
    let made = config::FileExporter { create_directory: Some(0o700), ..missing };
    let exporter = FileExporter::new(&made, &files).unwrap();
    send(&exporter, "one").await.unwrap();
    assert_eq!(lines(&made.path), ["one"]);
}
