//! Refusals: counted, logged, and worded as the operation wants it.

use crate::config::{Configuration, Operation};
use crate::jwt::{Claims, Verifier};
use crate::refusal::{Asked, Reason, Refusal};
use crate::refusal_log::{Outcome, Refused};
use crate::state::State;

/// Who refuses.
#[derive(Clone, Copy)]
pub(super) struct By<'c> {
    pub configuration: &'c Configuration,
    /// The operation and its number, if one was found.
    pub operation: Option<(usize, &'c Operation)>,
    pub asked: Asked,
}

impl<'c> By<'c> {
    /// The operation of this number, or the whole configuration where there is none.
    pub(super) fn number(configuration: &'c Configuration, number: usize, asked: Asked) -> Self {
        let operation = configuration.operations.get(number);
        Self { configuration, operation: operation.map(|operation| (number, operation)), asked }
    }

    /// The refusal; `caller` are the caller's verified claims.
    pub(super) fn refuse<V: Verifier>(
        self,
        reason: Reason,
        caller: Option<&Claims>,
        state: &mut State<V>,
    ) -> Refusal {
        let operation = self.operation.map(|(number, _)| number);
        state.note_refusal(&Refused { outcome: Outcome::Refused, code: reason.code(), operation, caller });
        match self.operation {
            Some((_, operation)) => Refusal::by(operation, reason, self.asked),
            None => Refusal::new(reason, &self.configuration.on_failure, self.asked),
        }
    }
}
