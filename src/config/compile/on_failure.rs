//! How refusals look.

use http::StatusCode;

use super::Compiler;
use crate::config::OnFailure;
use crate::config::fault::{FaultKind, Path};
use crate::config::raw;

impl Compiler {
    pub(super) fn on_failure(&mut self, path: &Path, raw: Option<raw::OnFailure>) -> Option<OnFailure> {
        let raw = raw.unwrap_or_default();
        let status = self.status(&path.member("status"), raw.status, StatusCode::UNAUTHORIZED)?;
        let forbidden_status = self.status(&path.member("forbidden_status"), raw.forbidden_status, status)?;
        Some(OnFailure { status, forbidden_status, message: raw.message })
    }

    pub(super) fn status(
        &mut self,
        path: &Path,
        raw: Option<u16>,
        default: StatusCode,
    ) -> Option<StatusCode> {
        let Some(status) = raw else { return Some(default) };
        match StatusCode::from_u16(status) {
            Ok(status) if status.is_client_error() || status.is_server_error() => Some(status),
            _ => self.fault(path, FaultKind::Invalid("a refusal has a status from 400 to 599")),
        }
    }
}
