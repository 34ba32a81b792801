use std::ops::Deref;

use super::Operation;
use crate::access::{Index, Target};

/// The operations, first match first.
#[derive(Debug)]
pub struct Operations {
    list: Vec<Operation>,
    index: Index,
}

impl Operations {
    /// These operations.
    pub(super) fn new(list: Vec<Operation>) -> Self {
        let mut index = Index::default();
        for (number, operation) in list.iter().enumerate() {
            index.push(number, &operation.matcher);
        }
        Self { list, index }
    }

    /// The first operation that a request is, and its number.
    pub fn find(&self, target: &Target<'_>) -> Option<(usize, &Operation)> {
        let matcher = |index: usize| self.list.get(index).map(|operation: &Operation| &operation.matcher);
        let index = self.index.find(target, matcher)?;
        Some((index, self.list.get(index)?))
    }
}

impl Deref for Operations {
    type Target = [Operation];

    fn deref(&self) -> &[Operation] {
        &self.list
    }
}
