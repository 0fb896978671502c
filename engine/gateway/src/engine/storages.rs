//! The folders of `file_storage` extensions, and the queues in them.
//!
//! A folder is one process's, and a queue's log must not be open twice. What is in service therefore has them through this
//! register: an exporter that a reload replaces finds the queue that its predecessor still has. Folders are taken when everything
//! else of a configuration is built, and given up when the last queue in them is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::task::spawn_blocking;
use wasmill_config::{ComponentId, Extension, FileStorage};
use wasmill_storage::{Folder, FolderOptions, OpenError};
use wasmill_wire::Signal;

use super::chain;
use crate::build::Built;
use crate::outlet::Outlet;
use crate::queue::{DurableQueue, Queue, WeakDurableQueue};

/// A folder, or a queue in it, that cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("`{key}`: the queue's folder cannot be used")]
pub struct StorageError {
    /// The configuration's.
    pub key: String,
    #[source]
    source: OpenError,
}

#[derive(Default)]
pub struct Storages {
    folders: Mutex<BTreeMap<PathBuf, Weak<Folder>>>,
    /// By folder and name.
    queues: Mutex<BTreeMap<(PathBuf, String), WeakDurableQueue>>,
    /// Of the configuration in service.
    serving: Mutex<Opened>,
}

/// The folders of a configuration, until it is put into service, or is not.
#[derive(Default)]
pub struct Opened(Vec<(ComponentId, Arc<Folder>, FileStorage)>);

impl Storages {
    /// Takes the folders of a configuration, and gives its outlets their queues. Nothing is delivered yet, and what is in service
    /// does not notice.
    pub async fn open(&self, built: &Built) -> Result<Opened, Vec<StorageError>> {
        let mut errors = Vec::new();
        let mut opened = Opened::default();
        for (id, extension) in &built.config.extensions {
            let Extension::FileStorage(settings) = extension else { continue };
            match self.folder(settings).await {
                Ok(folder) => {
                    self.open_queues(built, id, &folder, &mut errors).await;
                    opened.0.push((id.clone(), folder, settings.clone()));
                }
                Err(source) => errors.push(StorageError { key: format!("extensions::{id}::directory"), source }),
            }
        }
        if errors.is_empty() { Ok(opened) } else { Err(errors) }
    }

    /// They are in service; those of the configuration before are given up, as far as no queue has them.
    pub fn serve(&self, opened: Opened) {
        for (_, folder, settings) in &opened.0 {
            folder.set(settings.fsync, settings.bytes_max);
        }
        *self.serving.lock() = opened;
    }

    /// The folder of an extension that is in service.
    pub fn folder_of(&self, extension: &ComponentId) -> Option<Arc<Folder>> {
        let serving = self.serving.lock();
        serving.0.iter().find(|(id, ..)| id == extension).map(|(_, folder, _)| Arc::clone(folder))
    }

    /// When everything is delivered that will be: what is acknowledged is noted on disk, and logs are closed.
    pub async fn close(&self) {
        let queues: Vec<DurableQueue> = self.queues.lock().values().filter_map(WeakDurableQueue::upgrade).collect();
        for queue in queues {
            let held = queue.held();
            if held.requests > 0 {
                tracing::info!(exporter = queue.exporter(), signal = %queue.signal(), requests = held.requests,
                    rows = held.rows, "left on disk, for the next start");
            }
            // That it panicked was reported where it did.
            let _ = spawn_blocking(move || queue.close()).await;
        }
    }

    async fn folder(&self, settings: &FileStorage) -> Result<Arc<Folder>, OpenError> {
        let path = settings.directory.clone();
        if let Some(folder) = self.folders.lock().get(&path).and_then(Weak::upgrade) {
            return Ok(folder);
        }
        let options = FolderOptions {
            create: settings.create,
            permissions: settings.permissions,
            lock_timeout: settings.lock_timeout,
            fsync: settings.fsync,
            bytes_max: settings.bytes_max,
        };
        let open = {
            let path = path.clone();
            move || Folder::open(&path, &options)
        };
        let folder = Arc::new(blocking(open).await?);
        self.folders.lock().insert(path, Arc::downgrade(&folder));
        Ok(folder)
    }

    async fn open_queues(&self, built: &Built, id: &ComponentId, folder: &Arc<Folder>, errors: &mut Vec<StorageError>) {
        let mut claimed = BTreeSet::new();
        for ((exporter, signal), outlet) in &built.outlets {
            if outlet.storage() != Some(id) {
                continue;
            }
            let name = log_name(exporter, *signal);
            if outlet.durable().is_none() {
                match self.queue(folder, &name, outlet).await {
                    Ok(queue) => outlet.open(queue),
                    Err(source) => {
                        let key = format!("exporters::{exporter}::sending_queue::storage");
                        errors.push(StorageError { key, source });
                    }
                }
            }
            claimed.insert(name);
        }
        self.report_unclaimed(folder, &claimed).await;
    }

    async fn queue(&self, folder: &Arc<Folder>, name: &str, outlet: &Outlet) -> Result<DurableQueue, OpenError> {
        let key = (folder.path().to_owned(), name.to_owned());
        if let Some(queue) = self.queues.lock().get(&key).and_then(WeakDurableQueue::upgrade) {
            return Ok(queue);
        }
        let log = {
            let (folder, name) = (Arc::clone(folder), name.to_owned());
            blocking(move || folder.log(&name)).await?
        };
        let (name, signal, metrics) = (Arc::clone(outlet.name()), outlet.signal(), outlet.metrics().clone());
        let queue = DurableQueue::new(name, signal, outlet.capacity(), Arc::clone(folder), log, metrics);
        let mut queues = self.queues.lock();
        queues.retain(|_, queue| queue.upgrade().is_some());
        queues.insert(key, queue.downgrade());
        Ok(queue)
    }

    /// Says what lies in a folder that no exporter will deliver.
    async fn report_unclaimed(&self, folder: &Arc<Folder>, claimed: &BTreeSet<String>) {
        let open = |name: &String| {
            let key = (folder.path().to_owned(), name.clone());
            self.queues.lock().get(&key).is_some_and(|queue| queue.upgrade().is_some())
        };
        let names = match folder.names() {
            Ok(names) => names,
            Err(error) => return tracing::warn!(error = chain(&error), "the folder cannot be looked through"),
        };
        for name in names.into_iter().filter(|name| !claimed.contains(name) && !open(name)) {
            let (folder, path) = (Arc::clone(folder), folder.path().display().to_string());
            let census = {
                let name = name.clone();
                blocking(move || folder.census(&name)).await
            };
            match census {
                Ok(census) if census.records == 0 => {}
                Ok(census) => tracing::warn!(
                    folder = path,
                    queue = name,
                    requests = census.records,
                    rows = census.items,
                    bytes = census.bytes,
                    "{}",
                    unclaimed(&name)
                ),
                Err(error) => {
                    tracing::warn!(folder = path, queue = name, error = chain(&error), "{}", unclaimed(&name))
                }
            }
        }
    }
}

fn unclaimed(name: &str) -> String {
    let (exporter, signal) = name.rsplit_once('.').unwrap_or((name, ""));
    format!(
        "no exporter delivers what lies in this queue: configure the exporter `{exporter}` with this storage for {signal}, \
         or delete the queue's folder"
    )
}

/// Exporters and signals do not mix.
fn log_name(exporter: &ComponentId, signal: Signal) -> String {
    format!("{exporter}.{signal}")
}

async fn blocking<T: Send + 'static>(
    open: impl FnOnce() -> Result<T, OpenError> + Send + 'static,
) -> Result<T, OpenError> {
    match spawn_blocking(open).await {
        Ok(result) => result,
        Err(error) => Err(OpenError::Thread(std::io::Error::other(error))),
    }
}
