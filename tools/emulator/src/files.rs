//! Files as an operator or Kubernetes would put them beside Envoy: credentials of the caller application.
//!
//! | file | what is in it |
//! |---|---|
//! | `client-secret` | the caller's secret |
//! | `rotating-secret` | a wrong one, until somebody puts the right one there |
//! | `client-certificate.pem`, `client-key.pem` | the certificate that is registered for the caller, and its key |
//! | `service-account-token` | a token of the cluster for the caller's and the reader's service account |

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// A folder of files, each replaced as a whole.
#[derive(Debug)]
pub(crate) struct Files(PathBuf);

impl Files {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// Puts a file in the place of another, as Kubernetes does: a reader sees the one or the other.
    pub(crate) fn put(&self, name: &str, content: &str) -> io::Result<()> {
        let file = self.file(name)?;
        fs::create_dir_all(&self.0)?;
        let new = file.with_extension("new");
        fs::write(&new, content)?;
        fs::rename(new, file)
    }

    /// What a file holds.
    pub(crate) fn get(&self, name: &str) -> io::Result<String> {
        fs::read_to_string(self.file(name)?)
    }

    fn file(&self, name: &str) -> io::Result<PathBuf> {
        let is_plain = Path::new(name).file_name().is_some_and(|file| file == name);
        if is_plain { Ok(self.0.join(name)) } else { Err(io::ErrorKind::InvalidInput.into()) }
    }
}
