//! What OpenDAL's `fs` does not promise: an object is seen whole or not at all, also when it must be
//! new, and folders that a drop empties are in nobody's way.

use crate::failure::{Failure, Kind};
use std::fs::{self, File};
use std::io::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// `~` is in no key.
const TEMP: &str = "~tmp";
/// Against drops that remove the folder on the way.
const TRIES: u32 = 1000;
/// Others may be writing what is younger.
const TORN_AFTER: Duration = Duration::from_secs(3600);

pub struct Folder {
    root: PathBuf,
    written: AtomicU64,
}

fn folder_in_the_way(target: &Path, error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::IsADirectory) && fs::remove_dir(target).is_ok()
}

impl Folder {
    pub fn at(root: &str) -> Self {
        let folder = Folder { root: PathBuf::from(root), written: AtomicU64::new(0) };
        folder.remove_torn();
        folder
    }

    fn remove_torn(&self) {
        let old = |entry: &fs::DirEntry| {
            let changed = entry.metadata().and_then(|m| m.modified()).ok()?;
            Some(SystemTime::now().duration_since(changed).ok()? > TORN_AFTER)
        };
        for entry in fs::read_dir(self.root.join(TEMP)).into_iter().flatten().flatten() {
            if old(&entry) == Some(true) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// A key for OpenDAL to write to, which no other writer has.
    pub fn temporary(&self) -> String {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        format!("{TEMP}/{}-{}-{number}", std::process::id(), now.as_nanos())
    }

    pub fn remove(&self, temporary: &str) {
        let _ = fs::remove_file(self.root.join(temporary));
    }

    /// Gives what was written its name.
    pub fn place(&self, temporary: &str, key: &str, replace: bool) -> std::result::Result<(), Failure> {
        let from = self.root.join(temporary);
        let target = self.root.join(key);
        let parent = target.parent().unwrap_or(&self.root);
        for _ in 0..TRIES {
            match self.place_once(&from, &target, parent, replace) {
                Ok(()) => return Ok(()),
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                Err(e) if folder_in_the_way(&target, &e) => {}
                Err(e) if in_the_way(&e) => return Err(Failure::exists()),
                Err(e) => return Err(Failure::of_io(&e)),
            }
        }
        Err(Failure::new(Kind::Unavailable, "its folder is removed again and again"))
    }

    fn place_once(&self, from: &Path, target: &Path, parent: &Path, replace: bool) -> Result<()> {
        let fresh = !parent.is_dir();
        fs::create_dir_all(parent)?;
        if replace {
            fs::rename(from, target)?;
        } else {
            fs::hard_link(from, target)?;
        }
        for folder in parent.ancestors().take_while(|f| f.starts_with(&self.root)).take(if fresh { usize::MAX } else { 1 }) {
            match File::open(folder).and_then(|f| f.sync_all()) {
                Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
        Ok(())
    }

    pub fn is_folder(&self, key: &str) -> bool {
        fs::symlink_metadata(self.root.join(key)).is_ok_and(|m| m.is_dir())
    }

    /// Removes the folders that the key's absence leaves empty; syncs the first that stays.
    pub fn tidy(&self, key: &str) -> Result<()> {
        let target = self.root.join(key);
        for folder in target.ancestors().skip(1) {
            if folder == self.root || fs::remove_dir(folder).is_err() {
                match File::open(folder).and_then(|f| f.sync_all()) {
                    Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
                    synced => return synced,
                }
            }
            if folder == self.root {
                break;
            }
        }
        Ok(())
    }
}

fn in_the_way(e: &Error) -> bool {
    matches!(e.kind(), ErrorKind::AlreadyExists | ErrorKind::NotADirectory | ErrorKind::IsADirectory | ErrorKind::DirectoryNotEmpty)
}
