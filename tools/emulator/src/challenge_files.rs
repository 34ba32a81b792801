//! Files that only those can read who may have a token: the challenge of Azure Arc's agent.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use crate::random::{random_guid, random_text};

/// The files that have been written for challenges, each good for one answer.
#[derive(Debug)]
pub(crate) struct ChallengeFiles {
    directory: PathBuf,
    /// What a challenge calls it.
    named: PathBuf,
    open: Mutex<HashMap<String, PathBuf>>,
}

impl ChallengeFiles {
    /// Files in that directory, which is made when the first one comes; `named` is what challenges call it, where it
    /// is served under another path.
    pub(crate) fn new(directory: PathBuf, named: Option<PathBuf>) -> Self {
        let named = named.unwrap_or_else(|| directory.clone());
        Self { directory, named, open: Mutex::default() }
    }

    /// Where the files are.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Writes a file with a new secret; its path as a challenge has it.
    pub(crate) fn open(&self) -> io::Result<PathBuf> {
        let name = format!("{}.key", random_guid());
        let path = self.directory.join(&name);
        let secret = random_text(48);
        fs::create_dir_all(&self.directory)?;
        fs::write(&path, &secret)?;
        self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(secret, path);
        Ok(self.named.join(name))
    }

    /// Whether that is the secret of a file; the file goes.
    pub(crate) fn close(&self, secret: &str) -> bool {
        let file = self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(secret);
        file.is_some_and(|path| fs::remove_file(path).is_ok())
    }
}
