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
    open: Mutex<HashMap<String, PathBuf>>,
}

impl ChallengeFiles {
    /// ChallengeFiles with files in that directory, which is made when the first one comes.
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self { directory, open: Mutex::default() }
    }

    /// Where the files are.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Writes a file with a new secret.
    pub(crate) fn open(&self) -> io::Result<PathBuf> {
        let path = self.directory.join(format!("{}.key", random_guid()));
        let secret = random_text(48);
        fs::create_dir_all(&self.directory)?;
        fs::write(&path, &secret)?;
        self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(secret, path.clone());
        Ok(path)
    }

    /// Whether that is the secret of a file; the file goes.
    pub(crate) fn close(&self, secret: &str) -> bool {
        let file = self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(secret);
        file.is_some_and(|path| fs::remove_file(path).is_ok())
    }
}
