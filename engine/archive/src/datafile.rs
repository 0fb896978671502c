//! A file of columns while it is written, in either format.
//!
//! Parquet goes from the shared columns as they are: its writer takes a dictionary for what it is, and readers see plain text, because the
//! Arrow schema, which would tell them of dictionaries, is left out. Arrow files are for programs that map them into memory; there columns
//! are laid out as readers see them.

use std::fs::File;
use std::io;

use arrow_array::RecordBatch;
use arrow_cast::cast;
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions};
use arrow_schema::{ArrowError, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression as ParquetCompression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use wasmill_wire::Signal;

use crate::counted::Counted;
use crate::schema::{Layout, SIGNAL_KEY, VERSION, VERSION_KEY, schema};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    Parquet,
    /// The file format of Arrow IPC, also known as Feather V2.
    ArrowIpc,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Compression {
    None,
    /// Of Parquet alone.
    Snappy,
    /// Level 1, as pyarrow's default.
    Zstd,
}

/// How files are laid out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileSettings {
    pub format: Format,
    pub compression: Compression,
    /// Rows of a row group, which is what readers share out among their threads, and skip by its statistics. Of Parquet alone.
    pub row_group_rows_max: usize,
}

/// Encoded bytes of a row group that is held in memory until it is whole.
const ROW_GROUP_BYTES_MAX: usize = 64 << 20;

/// Columns whose values hardly repeat: a dictionary would be made in vain.
const UNIQUE: [&str; 6] = ["trace_id", "span_id", "parent_span_id", "duration_nano", "sum", "value_int"];

/// Columns whose values follow each other: differences are a third of the size.
const TIMES: [&str; 4] = ["start_time", "end_time", "time", "observed_time"];

#[derive(Debug, thiserror::Error)]
pub enum DataFileError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Parquet(#[from] ParquetError),
    #[error(transparent)]
    Arrow(#[from] ArrowError),
}

/// A file that is being written. Readable when it is [finished](DataFile::finish), and not before.
pub struct DataFile {
    writer: Writer,
    rows: u64,
}

enum Writer {
    Parquet(Box<ArrowWriter<Counted>>),
    ArrowIpc(Box<FileWriter<Counted>>, SchemaRef),
}

impl DataFile {
    pub fn begin(file: File, signal: Signal, settings: &FileSettings) -> Result<DataFile, DataFileError> {
        let counted = Counted::new(file);
        let writer = match settings.format {
            Format::Parquet => {
                let properties = properties(signal, settings);
                let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
                let schema = schema(signal, Layout::Shared);
                Writer::Parquet(Box::new(ArrowWriter::try_new_with_options(counted, schema, options)?))
            }
            Format::ArrowIpc => {
                let compression = match settings.compression {
                    Compression::None => None,
                    Compression::Snappy | Compression::Zstd => Some(CompressionType::ZSTD),
                };
                let options = IpcWriteOptions::default().try_with_compression(compression)?;
                let schema = schema(signal, Layout::Plain);
                let mut writer = FileWriter::try_new_with_options(counted, &schema, options)?;
                writer.write_metadata(VERSION_KEY, VERSION);
                writer.write_metadata(SIGNAL_KEY, signal.to_string());
                Writer::ArrowIpc(Box::new(writer), schema)
            }
        };
        Ok(DataFile { writer, rows: 0 })
    }

    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), DataFileError> {
        match &mut self.writer {
            Writer::Parquet(writer) => writer.write(batch)?,
            Writer::ArrowIpc(writer, schema) => {
                let columns = batch.columns().iter().zip(schema.fields());
                let columns =
                    columns.map(|(column, field)| cast(column, field.data_type())).collect::<Result<_, _>>()?;
                writer.write(&RecordBatch::try_new(SchemaRef::clone(schema), columns)?)?;
            }
        }
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// What the file has, and what is on its way.
    pub fn bytes(&self) -> u64 {
        match &self.writer {
            Writer::Parquet(writer) => (writer.bytes_written() + writer.in_progress_size()) as u64,
            Writer::ArrowIpc(writer, _) => writer.get_ref().bytes(),
        }
    }

    /// Writes the footer, and sees to it that the file stays. Gives its size.
    pub fn finish(self) -> Result<u64, DataFileError> {
        let counted = match self.writer {
            Writer::Parquet(writer) => writer.into_inner()?,
            Writer::ArrowIpc(mut writer, _) => {
                writer.finish()?;
                writer.into_inner()?
            }
        };
        Ok(counted.finish()?)
    }
}

fn properties(signal: Signal, settings: &FileSettings) -> WriterProperties {
    let compression = match settings.compression {
        Compression::None => ParquetCompression::UNCOMPRESSED,
        Compression::Snappy => ParquetCompression::SNAPPY,
        Compression::Zstd => ParquetCompression::ZSTD(ZstdLevel::default()),
    };
    let pair = |key: &str, value: &str| KeyValue::new(key.to_owned(), value.to_owned());
    let mut properties = WriterProperties::builder()
        .set_created_by(concat!("wasmill ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_key_value_metadata(Some(vec![pair(VERSION_KEY, VERSION), pair(SIGNAL_KEY, &signal.to_string())]))
        .set_compression(compression)
        .set_max_row_group_row_count(Some(settings.row_group_rows_max))
        .set_max_row_group_bytes(Some(ROW_GROUP_BYTES_MAX))
        // Of each row group, for columns that are asked about: nobody asks for the smallest key of a map.
        .set_statistics_enabled(EnabledStatistics::None);
    for field in schema(signal, Layout::Plain).fields().iter().filter(|field| !field.data_type().is_nested()) {
        let name = field.name();
        let path = ColumnPath::from(name.as_str());
        properties = properties.set_column_statistics_enabled(path.clone(), EnabledStatistics::Chunk);
        let is_time = TIMES.contains(&name.as_str());
        if is_time {
            properties = properties.set_column_encoding(path.clone(), Encoding::DELTA_BINARY_PACKED);
        }
        if is_time || UNIQUE.contains(&name.as_str()) {
            properties = properties.set_column_dictionary_enabled(path, false);
        }
    }
    properties.build()
}
