//! Files in a bucket instead of a folder: S3 and what speaks it, Google Cloud Storage, Azure.
//!
//! A file is made on the local disk as any other, and is then an object, in parts where it is large; the object is there when its last part
//! is. Its journal goes when the bucket has said so. A bucket that cannot be reached is a disk that is full: files wait, up to the backlog.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::client::HttpConnector;
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::path::Path as Key;
use object_store::{MultipartUpload as _, ObjectStore, ObjectStoreExt as _, PutPayload, RetryConfig};
use tokio::runtime::Handle;

/// Larger files go in parts of this size, one after the other: what is held of a file in memory. S3 takes 10,000 parts, 160 GB.
const PART_BYTES: usize = 16 << 20;

/// For one attempt with its repetitions; then the file waits, and is tried again.
const RETRY_TIMEOUT: Duration = Duration::from_secs(30);
const RETRIES_MAX: usize = 3;

/// Which bucket, and how it is reached.
#[derive(Clone)]
pub struct BucketSettings {
    /// `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX`, `az://CONTAINER/PREFIX`.
    pub url: String,
    /// By the names that `object_store` has for them; over those of the environment.
    pub options: Vec<(String, String)>,
}

#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    #[error(
        "`{url}` is no bucket: expected `s3://BUCKET`, `gs://BUCKET` or `az://CONTAINER`, each with or without a path"
    )]
    Url { url: String },
    #[error("`{key}` is no option of this kind of bucket")]
    Option { key: String },
    #[error("the bucket `{url}` cannot be used")]
    Settings {
        url: String,
        #[source]
        source: object_store::Error,
    },
    #[error(transparent)]
    Put(object_store::Error),
    #[error("the file cannot be read")]
    File(#[from] io::Error),
    #[error("the process ends")]
    Ends,
}

pub struct Bucket {
    store: Arc<dyn ObjectStore>,
    /// With `/` at its end, or empty.
    prefix: String,
    runtime: Handle,
}

/// A scheme, what stands before the prefix, and the prefix.
fn divide(url: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    (!bucket.is_empty()).then_some((scheme, bucket, prefix.trim_matches('/')))
}

impl Bucket {
    /// Connects to nothing. `runtime` is where uploads run.
    pub fn new(
        settings: &BucketSettings,
        connector: impl HttpConnector,
        runtime: Handle,
    ) -> Result<Bucket, BucketError> {
        let url = || settings.url.clone();
        let (scheme, bucket, prefix) = divide(&settings.url).ok_or_else(|| BucketError::Url { url: url() })?;
        let wrong = |source| BucketError::Settings { url: url(), source };
        let retry = RetryConfig { max_retries: RETRIES_MAX, retry_timeout: RETRY_TIMEOUT, ..RetryConfig::default() };
        let store: Arc<dyn ObjectStore> = match scheme {
            "s3" => {
                let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket).with_retry(retry);
                for (key, value) in read::<AmazonS3ConfigKey>(settings)? {
                    builder = builder.with_config(key, value);
                }
                Arc::new(builder.with_http_connector(connector).build().map_err(wrong)?)
            }
            "gs" => {
                let mut builder = GoogleCloudStorageBuilder::from_env().with_bucket_name(bucket).with_retry(retry);
                for (key, value) in read::<GoogleConfigKey>(settings)? {
                    builder = builder.with_config(key, value);
                }
                Arc::new(builder.with_http_connector(connector).build().map_err(wrong)?)
            }
            "az" => {
                let mut builder = MicrosoftAzureBuilder::from_env().with_container_name(bucket).with_retry(retry);
                for (key, value) in read::<AzureConfigKey>(settings)? {
                    builder = builder.with_config(key, value);
                }
                Arc::new(builder.with_http_connector(connector).build().map_err(wrong)?)
            }
            _ => return Err(BucketError::Url { url: url() }),
        };
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Ok(Bucket { store, prefix, runtime })
    }

    /// Puts a file there, whole or not at all. Waits for it; not to be called on the runtime's own threads.
    pub fn put(&self, file: &Path, key: &str) -> Result<(), BucketError> {
        let (done, put) = mpsc::channel();
        let store = Arc::clone(&self.store);
        let (file, key) = (File::open(file)?, format!("{}{key}", self.prefix));
        self.runtime.spawn(async move {
            // Whoever waits for it may have gone.
            let _ = done.send(upload(&*store, file, key).await);
        });
        // A runtime that ends drops the upload, which is not finished then.
        put.recv().unwrap_or(Err(BucketError::Ends))
    }
}

fn read<K: FromStr>(settings: &BucketSettings) -> Result<Vec<(K, &str)>, BucketError> {
    let mut read = Vec::new();
    for (key, value) in &settings.options {
        let known = key.to_ascii_lowercase().parse().map_err(|_| BucketError::Option { key: key.clone() })?;
        read.push((known, value.as_str()));
    }
    Ok(read)
}

async fn upload(store: &dyn ObjectStore, mut file: File, key: String) -> Result<(), BucketError> {
    let bytes = file.metadata()?.len();
    let failed = BucketError::Put;
    let path = Key::parse(&key).map_err(|error| failed(error.into()))?;
    if bytes <= PART_BYTES as u64 {
        store.put(&path, PutPayload::from(next_part(&mut file)?)).await.map_err(failed)?;
        return Ok(());
    }
    let mut parts = store.put_multipart(&path).await.map_err(failed)?;
    let result = async {
        loop {
            let part = next_part(&mut file)?;
            if part.is_empty() {
                return Ok(());
            }
            parts.put_part(PutPayload::from(part)).await.map_err(failed)?;
        }
    };
    let result: Result<(), BucketError> = result.await;
    match result {
        Ok(()) => parts.complete().await.map(drop).map_err(failed),
        Err(error) => {
            // Parts that nobody completes cost until somebody deletes them. The bucket's own rules do that where this fails.
            let _ = parts.abort().await;
            Err(error)
        }
    }
}

/// Of local files, which are in the cache of the system: they were written just now.
fn next_part(file: &mut File) -> io::Result<Bytes> {
    let mut part = Vec::new();
    file.take(PART_BYTES as u64).read_to_end(&mut part)?;
    Ok(part.into())
}
