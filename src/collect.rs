//! Sets and maps from what comes one by one.

/// Like `collect`, for `BTreeMap` and `BTreeSet`: theirs sorts everything first, which is eight kilobytes of the module
/// for each type of item.
pub(crate) fn one_by_one<C: Default + Extend<T>, T>(items: impl IntoIterator<Item = T>) -> C {
    let mut collection = C::default();
    collection.extend(items);
    collection
}
