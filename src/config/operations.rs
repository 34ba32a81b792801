use std::ops::Deref;

use super::Operation;
use crate::access::{CanonicalPath, Index, Target};

/// The operations, first match first.
#[derive(Debug)]
pub struct Operations {
    list: Vec<Operation>,
    index: Index,
    has_hosts: bool,
}

impl Operations {
    /// These operations.
    pub(super) fn new(list: Vec<Operation>) -> Self {
        let mut index = Index::default();
        for (number, operation) in list.iter().enumerate() {
            index.push(number, &operation.matcher);
        }
        let has_hosts = list.iter().any(|operation| !operation.matcher.hosts.is_empty());
        Self { list, index, has_hosts }
    }

    /// Whether hosts tell some of them apart.
    pub const fn have_hosts(&self) -> bool {
        self.has_hosts
    }

    /// The first operation that a request is, and its number. An ambiguous path that could also be read as one of an
    /// operation before has none: it must not pass by that one's guard.
    pub fn find(&self, target: &Target<'_>) -> Option<(usize, &Operation)> {
        let matcher = |index: usize| self.list.get(index).map(|operation: &Operation| &operation.matcher);
        let index = self.index.find(target, matcher)?;
        let is_before = |path: CanonicalPath<'static>| {
            let read = Target { path, ..target.clone() };
            self.index.find(&read, matcher).is_some_and(|other| other < index)
        };
        if target.path.readings().into_iter().any(is_before) {
            return None;
        }
        Some((index, self.list.get(index)?))
    }
}

impl Deref for Operations {
    type Target = [Operation];

    fn deref(&self) -> &[Operation] {
        &self.list
    }
}
