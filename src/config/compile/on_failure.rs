//! How refusals look.

use http::StatusCode;

use super::Compiler;
use crate::config::fault::{FaultKind, Path};
use crate::config::raw;
use crate::config::{BodyForm, OnFailure};

impl Compiler {
    /// How an operation's refusals look that has `own` rules; those of `defaults` have been looked at.
    pub(super) fn on_failure(
        &mut self,
        path: &Path,
        own: &raw::OnFailure,
        defaults: &raw::OnFailure,
    ) -> Option<OnFailure> {
        self.status(&path.member("status"), own.status)?;
        self.status(&path.member("forbidden_status"), own.forbidden_status)?;
        let status = own.status.or(defaults.status);
        let forbidden_status = own.forbidden_status.or(defaults.forbidden_status).or(status);
        let mut silent = Self::default();
        Some(OnFailure {
            status: silent.status(path, status)?.unwrap_or(StatusCode::UNAUTHORIZED),
            forbidden_status: silent.status(path, forbidden_status)?.unwrap_or(StatusCode::UNAUTHORIZED),
            message: own.message.as_ref().or(defaults.message.as_ref()).cloned(),
            body: match own.body.or(defaults.body).unwrap_or_default() {
                raw::Body::Apim => BodyForm::Apim,
                raw::Body::Problem => BodyForm::Problem,
            },
            expose_reason: own.expose_reason.or(defaults.expose_reason).unwrap_or(false),
        })
    }

    /// The status of a refusal, where one is written.
    pub(super) fn status(&mut self, path: &Path, raw: Option<u16>) -> Option<Option<StatusCode>> {
        let Some(status) = raw else { return Some(None) };
        match StatusCode::from_u16(status) {
            Ok(status) if status.is_client_error() || status.is_server_error() => Some(Some(status)),
            _ => self.fault(path, FaultKind::Invalid("a refusal has a status from 400 to 599")),
        }
    }
}
