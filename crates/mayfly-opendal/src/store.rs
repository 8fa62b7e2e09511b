//! One store: OpenDAL's operator on a small runtime of its own.

use crate::failure::{may_pass, Failure, Kind, Secrets};
use crate::fs::Folder;
use futures_util::StreamExt;
use opendal::layers::{RetryLayer, TimeoutLayer};
use opendal::options::{ListOptions, WriteOptions};
use opendal::{Buffer, EntryMode, Error, ErrorKind, Metadata, Operator};
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

const THREADS: usize = 2;
const BLOCKING_THREADS: usize = 8;
/// Of a stat or a delete, and of one read, write or page of a listing.
const TIMEOUT: Duration = Duration::from_secs(10);
const IO_TIMEOUT: Duration = Duration::from_secs(30);
/// The first try is one of them.
const ATTEMPTS: usize = 4;
const FIRST_DELAY: Duration = Duration::from_millis(100);
const MAX_DELAY: Duration = Duration::from_secs(2);
/// They list in the order of bytes; others are read to their end.
const ORDERED: [&str; 3] = ["azblob", "gcs", "s3"];

pub enum Mode {
    New,
    Replace,
}

pub struct Object {
    pub key: String,
    pub size: i64,
    pub changed_ms: i64,
}

/// An entry of a listing, by its key.
struct Found {
    key: String,
    metadata: Metadata,
}

impl PartialEq for Found {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Found {}

impl PartialOrd for Found {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Found {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key)
    }
}

pub struct Store {
    runtime: Runtime,
    patient: Operator, // tries again by itself
    once: Operator,    // where trying again blindly could mistake its own success for another's
    folder: Option<Folder>,
    ordered: bool,
    secrets: Secrets,
}

impl Store {
    pub fn open(scheme: &str, pairs: Vec<(String, String)>) -> Result<Self, Failure> {
        opendal::init_default_registry();
        opendal_http_transport_reqwest::install_default();
        let secrets = Secrets::among(&pairs);
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .max_blocking_threads(BLOCKING_THREADS)
            .thread_name("opendal")
            .enable_all()
            .build()
            .map_err(|e| Failure::of_io(&e))?;
        let entered = runtime.enter();
        let plain = Operator::via_iter(scheme, pairs).map_err(|e| Failure::of(&e, &secrets))?;
        drop(entered);
        let once = plain.layer(TimeoutLayer::new().with_timeout(TIMEOUT).with_io_timeout(IO_TIMEOUT));
        let retry = RetryLayer::new()
            .with_max_times(ATTEMPTS - 1)
            .with_min_delay(FIRST_DELAY)
            .with_max_delay(MAX_DELAY)
            .with_jitter();
        let patient = once.clone().layer(retry);
        let folder = (scheme == "fs").then(|| Folder::at(&once.info().root()));
        Ok(Store { runtime, patient, once, folder, ordered: ORDERED.contains(&scheme), secrets })
    }

    fn failure(&self, e: Error) -> Failure {
        Failure::of(&e, &self.secrets)
    }

    pub fn put(&self, key: &str, bytes: &[u8], mode: Mode) -> Result<(), Failure> {
        let bytes = Buffer::from(bytes.to_vec());
        match (&self.folder, mode) {
            (Some(folder), mode) => self.put_file(folder, key, bytes, matches!(mode, Mode::Replace)),
            (None, Mode::New) => self.runtime.block_on(self.put_new(key, bytes)),
            (None, Mode::Replace) => {
                let put = self.runtime.block_on(self.patient.write(key, bytes));
                put.map(drop).map_err(|e| self.failure(e))
            }
        }
    }

    fn put_file(&self, folder: &Folder, key: &str, bytes: Buffer, replace: bool) -> Result<(), Failure> {
        let temporary = folder.temporary();
        let put = match self.runtime.block_on(self.once.write(&temporary, bytes)) {
            Ok(_) => folder.place(&temporary, key, replace),
            Err(e) => Err(self.failure(e)),
        };
        folder.remove(&temporary);
        put
    }

    /// After an attempt whose end is unknown, an object that is there may be our own: its bytes tell.
    async fn put_new(&self, key: &str, bytes: Buffer) -> Result<(), Failure> {
        let mut delay = FIRST_DELAY;
        let mut unknown = None;
        for _ in 0..ATTEMPTS {
            let options = WriteOptions { if_not_exists: true, ..Default::default() };
            match self.once.write_options(key, bytes.clone(), options).await {
                Ok(_) => return Ok(()),
                Err(e) if matches!(e.kind(), ErrorKind::ConditionNotMatch | ErrorKind::AlreadyExists) => {
                    return self.mine(key, &bytes, unknown.is_some()).await;
                }
                Err(e) if may_pass(&e) => unknown = Some(e),
                Err(e) => return Err(self.failure(e)),
            }
            tokio::time::sleep(delay).await;
            delay = (delay * 2).min(MAX_DELAY);
        }
        let why = unknown.map_or_else(String::new, |e| self.failure(e).text);
        Err(Failure::new(Kind::Unavailable, &format!("whether the object was made is not known: {why}")))
    }

    async fn mine(&self, key: &str, bytes: &Buffer, maybe: bool) -> Result<(), Failure> {
        if !maybe {
            return Err(Failure::exists());
        }
        let there = self.patient.read(key).await.map_err(|e| self.failure(e))?;
        if there.to_bytes() == bytes.to_bytes() {
            Ok(())
        } else {
            Err(Failure::exists())
        }
    }

    /// A stream to the object's end that is left when `max` bytes came: no request for its size before.
    pub fn get(&self, key: &str, offset: u64, max: u64, mut add: impl FnMut(&[u8]) -> bool) -> Result<(), Failure> {
        self.runtime.block_on(async {
            let reader = self.patient.reader(key).await.map_err(|e| self.failure(e))?;
            let mut stream = reader.into_stream(offset..).await.map_err(|e| self.failure(e))?;
            let mut left = max;
            loop {
                let buffer = match stream.next().await {
                    None => return Ok(()),
                    Some(Err(e)) if e.kind() == ErrorKind::RangeNotSatisfied => return Ok(()),
                    Some(piece) => piece.map_err(|e| self.failure(e))?,
                };
                for piece in buffer {
                    let n = left.min(piece.len() as u64) as usize;
                    left -= n as u64;
                    if !add(&piece[..n]) || left == 0 {
                        return Ok(());
                    }
                }
            }
        })
    }

    pub fn list(&self, prefix: &str, after: &str, limit: usize) -> Result<Vec<Object>, Failure> {
        self.runtime.block_on(async {
            let entries = self.entries(prefix, after, limit).await?;
            let mut objects = Vec::with_capacity(entries.len());
            for found in entries {
                objects.extend(self.object(found).await?);
            }
            Ok(objects)
        })
    }

    async fn entries(&self, prefix: &str, after: &str, limit: usize) -> Result<Vec<Found>, Failure> {
        let native = self.patient.info().capability().list_with_start_after && !after.is_empty();
        let options = ListOptions {
            recursive: true,
            limit: self.ordered.then_some(limit),
            start_after: native.then(|| after.to_string()),
            ..Default::default()
        };
        let mut lister = self.patient.lister_options(prefix, options).await.map_err(|e| self.failure(e))?;
        let mut least = BinaryHeap::new();
        let mut last = String::new();
        while let Some(entry) = lister.next().await {
            let (key, metadata) = match entry {
                Ok(entry) => entry.into_parts(),
                Err(e) if e.kind() == ErrorKind::NotFound => continue, // dropped meanwhile
                Err(e) => return Err(self.failure(e)),
            };
            if metadata.mode() != EntryMode::FILE || !key.starts_with(prefix) || key.as_str() <= after {
                continue;
            }
            if self.ordered && key <= last {
                return Err(Failure::new(Kind::Other, "the store lists its objects in no order"));
            }
            last.clone_from(&key);
            least.push(Found { key, metadata });
            if self.ordered && least.len() == limit {
                break;
            }
            if least.len() > limit {
                least.pop();
            }
        }
        Ok(least.into_sorted_vec())
    }
    /// Some listings tell the keys alone. None: it was dropped meanwhile.
    async fn object(&self, found: Found) -> Result<Option<Object>, Failure> {
        let metadata = match found.metadata.last_modified() {
            Some(_) => found.metadata,
            None => match self.patient.stat(&found.key).await {
                Ok(metadata) => metadata,
                Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
                Err(e) => return Err(self.failure(e)),
            },
        };
        let changed_ms = metadata.last_modified().map_or(0, |t| t.into_inner().as_millisecond());
        let size = i64::try_from(metadata.content_length()).unwrap_or(i64::MAX);
        Ok(Some(Object { key: found.key, size, changed_ms }))
    }

    /// That it is not there is fine.
    pub fn drop_key(&self, key: &str) -> Result<(), Failure> {
        if self.folder.as_ref().is_some_and(|f| f.is_folder(key)) {
            return Ok(());
        }
        match self.runtime.block_on(self.patient.delete(key)).map_err(|e| self.failure(e)) {
            Err(failure) if failure.kind != Kind::NotFound => return Err(failure),
            _ => {}
        }
        if let Some(folder) = &self.folder {
            folder.tidy(key).map_err(|e| Failure::of_io(&e))?;
        }
        Ok(())
    }
}
