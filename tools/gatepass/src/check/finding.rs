//! What a check has to say, and how it is shown: to a person with a pointer into the text, or as JSON.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use serde::Serialize;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    /// Gatepass or Envoy refuses this, or it is unsafe.
    Error,
    /// It works, and is unwise.
    Warning,
}

/// One thing that a check found.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) severity: Severity,
    /// A stable word for it.
    pub(crate) code: &'static str,
    /// The place in the configuration, as a JSON path; empty where it is in what surrounds it.
    pub(crate) path: String,
    pub(crate) message: String,
    /// What to do.
    pub(crate) help: Option<&'static str>,
    /// Where to point, in bytes.
    pub(crate) span: Range<usize>,
}

/// A text that was checked.
pub(crate) struct Source<'t> {
    pub(crate) name: &'t str,
    pub(crate) text: &'t str,
}

#[derive(Serialize)]
struct Json<'f> {
    file: &'f str,
    line: usize,
    column: usize,
    severity: Severity,
    code: &'f str,
    path: &'f str,
    message: &'f str,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'f str>,
}

impl Source<'_> {
    /// Line and column, both from 1, the column in characters.
    fn position(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = before.get(line_start..).unwrap_or_default().chars().count();
        (before.matches('\n').count() + 1, column + 1)
    }

    /// For a person. The line that is pointed at is shown; it is the operator's own file.
    pub(crate) fn render(&self, finding: &Finding) -> String {
        let level = match finding.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let label = if finding.path.is_empty() { String::new() } else { finding.path.clone() };
        let annotation = AnnotationKind::Primary.span(finding.span.clone()).label(label);
        let mut group = level
            .primary_title(&finding.message)
            .id(finding.code)
            .element(Snippet::source(self.text).path(self.name).annotation(annotation));
        if let Some(help) = finding.help {
            group = group.element(Level::HELP.message(help));
        }
        Renderer::styled().render(&[group]) + "\n"
    }

    /// For editors and CI: one object on a line.
    pub(crate) fn json(&self, finding: &Finding) -> String {
        let (line, column) = self.position(finding.span.start);
        let Finding { severity, code, path, message, help, .. } = finding;
        let json =
            Json { file: self.name, line, column, severity: *severity, code, path, message, help: *help };
        serde_json::to_string(&json).unwrap_or_default()
    }
}
