//! Rows in, rows out: what columns and files hold is what prost decodes of the same requests.

mod expected;
mod found;

#[path = "../../../wire/tests/requests/mod.rs"]
mod requests;

use std::fs::File;

use arrow_array::RecordBatch;
use arrow_ipc::reader::FileReader;
use arrow_schema::ArrowError;
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Map, Value};
use wasmill_archive::columns::{BATCH_ROWS_MAX, Columns};
use wasmill_archive::schema::{Layout, schema};
use wasmill_archive::{Compression, DataFile, FileSettings, Format};
use wasmill_wire::{Projection, Selection, Signal, WireBatch};

use requests::model::decode;
use requests::{Choices, corpus, odd, plain};

fn parse(signal: Signal, request: &[u8]) -> WireBatch {
    let nothing = Projection::new(signal, Vec::new());
    WireBatch::parse(signal, Bytes::copy_from_slice(request), &nothing).expect("prost takes it too")
}

/// Rows of which columns without a value are left out.
fn with_values(rows: impl IntoIterator<Item = Value>) -> Vec<Map<String, Value>> {
    let row = |row| match row {
        Value::Object(columns) => columns.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        other => panic!("{other}"),
    };
    rows.into_iter().map(row).collect()
}

fn batches(signal: Signal, requests: &[Vec<u8>]) -> Vec<RecordBatch> {
    let mut columns = Columns::new(signal);
    let mut batches = Vec::new();
    for request in requests {
        let batch = parse(signal, request);
        let all = Selection::all(batch.rows());
        let taken = columns.append(batch.index(), &all, |batch| {
            batches.push(batch);
            Ok::<(), ArrowError>(())
        });
        taken.expect("columns of one length");
    }
    batches.push(columns.finish().expect("columns of one length"));
    batches
}

/// Requests of a signal, as prost writes them and as nobody would.
fn generated(signal: Signal, seeds: std::ops::Range<u64>) -> Vec<Vec<u8>> {
    let one = |seed| [plain(signal, &mut Choices::new(&corpus(seed))), odd(signal, &mut Choices::new(&corpus(seed)))];
    seeds.flat_map(one).collect()
}

fn expected(signal: Signal, requests: &[Vec<u8>]) -> Vec<Map<String, Value>> {
    let rows = requests.iter().flat_map(|request| expected::rows(&decode(signal, request).expect("a request")));
    with_values(rows.map(Value::Object))
}

fn compare(signal: Signal, found: &[Map<String, Value>], expected: &[Map<String, Value>]) {
    for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
        for key in found.keys().chain(expected.keys()) {
            assert_eq!(found.get(key), expected.get(key), "{signal}, row {place}, `{key}`");
        }
    }
    assert_eq!(found.len(), expected.len(), "{signal}");
}

/// Scenario: generated requests of every signal and every shape of protobuf, with ids of wrong lengths, keys twice, times of any size.
/// Guarantee: the columns hold each row once, in order, with the values that prost finds.
#[test]
fn columns_hold_what_prost_decodes() {
    for signal in Signal::ALL {
        for seed in 0..400 {
            let requests = generated(signal, seed..seed + 1);
            let rows = batches(signal, &requests).iter().flat_map(found::rows).collect::<Vec<_>>();
            compare(signal, &with_values(rows), &expected(signal, &requests));
        }
    }
}

/// Scenario: the same in files of both formats, with each compression, and row groups of a few rows.
/// Guarantee: readers that know nothing of us find the schema that is documented, and the same rows.
#[test]
fn files_hold_what_prost_decodes() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        (Format::Parquet, Compression::None),
        (Format::Parquet, Compression::Snappy),
        (Format::Parquet, Compression::Zstd),
        (Format::ArrowIpc, Compression::None),
        (Format::ArrowIpc, Compression::Zstd),
    ];
    for signal in Signal::ALL {
        let requests = generated(signal, 0..200);
        let (batches, expected) = (batches(signal, &requests), expected(signal, &requests));
        for (format, compression) in cases {
            let path = folder.path().join(format!("{signal}-{compression:?}-{format:?}"));
            let settings = FileSettings { format, compression, row_group_rows_max: 100 };
            let mut file = DataFile::begin(File::create(&path).unwrap(), signal, &settings).unwrap();
            batches.iter().for_each(|batch| file.write(batch).unwrap());
            assert_eq!(file.rows(), expected.len() as u64);
            let bytes = file.finish().unwrap();
            assert_eq!(bytes, std::fs::metadata(&path).unwrap().len(), "{signal} {format:?}");

            let file = File::open(&path).unwrap();
            let read: Vec<RecordBatch> = match format {
                Format::Parquet => {
                    let builder = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
                    assert!(builder.metadata().num_row_groups() >= expected.len() / 100);
                    builder.build().unwrap().collect::<Result<_, _>>().unwrap()
                }
                Format::ArrowIpc => FileReader::try_new(file, None).unwrap().collect::<Result<_, _>>().unwrap(),
            };
            let documented = schema(signal, Layout::Plain);
            let found = read.first().unwrap().schema();
            let types = |schema: &arrow_schema::Schema| {
                schema
                    .fields()
                    .iter()
                    .map(|field| (field.name().clone(), field.data_type().clone()))
                    .collect::<Vec<_>>()
            };
            assert_eq!(types(&found), types(&documented), "{signal} {format:?}");
            let rows = read.iter().flat_map(found::rows).collect::<Vec<_>>();
            compare(signal, &with_values(rows), &expected);
        }
    }
}

/// Scenario: a request that is many batches long, of which every third row is selected; a request without rows, and none at all.
/// Guarantee: batches are bounded, every selected row is in one, and parents are those of the row.
#[test]
fn batches_are_bounded() {
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
    use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
    use prost::Message as _;

    let scope = |first: u64| ScopeLogs {
        log_records: (first..first + 5_000)
            .map(|n| LogRecord { time_unix_nano: n + 1, ..Default::default() })
            .collect(),
        schema_url: first.to_string(),
        ..Default::default()
    };
    let resource = ResourceLogs { scope_logs: (0..10).map(|n| scope(n * 5_000)).collect(), ..Default::default() };
    let request = ExportLogsServiceRequest { resource_logs: vec![resource, ResourceLogs::default()] };
    let batch = parse(Signal::Logs, &request.encode_to_vec());
    let rows: Vec<u32> = (0..50_000).step_by(3).collect();
    let selection = Selection::from_rows(batch.rows(), &rows);
    let mut columns = Columns::new(Signal::Logs);
    let mut batches = Vec::new();
    let taken = columns.append(batch.index(), &selection, |batch| {
        batches.push(batch);
        Ok::<(), ArrowError>(())
    });
    taken.unwrap();
    batches.push(columns.finish().unwrap());
    assert!(batches.len() > 2 && batches.iter().all(|batch| batch.num_rows() <= BATCH_ROWS_MAX));
    let found = batches.iter().flat_map(found::rows);
    let pairs = found.map(|row| (row["time"].as_u64().unwrap() - 1, row["scope_schema_url"].clone()));
    assert!(pairs.eq(rows.iter().map(|row| (u64::from(*row), Value::from((row / 5_000 * 5_000).to_string())))));
    assert_eq!(columns.finish().unwrap().num_rows(), 0, "nothing is left");
}
