//! What an upstream filter knows of a request's earlier attempt. Envoy tries the request again with the headers that the
//! last attempt left, so that what is there may be the caller's or our own.

use http::HeaderValue;

/// What an attempt did about one attachment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Done {
    /// The caller's own header stayed.
    Kept,
    /// The caller's own header is where it belongs, and the credential is in its place: the record's token of this
    /// generation; 0 for a secret, or where there was none to be had.
    Written(u64),
}

/// Writes what was done about each attachment, for the next attempt.
pub(super) fn note(done: impl Iterator<Item = Done>) -> HeaderValue {
    let words = done.map(|done| match done {
        Done::Kept => KEPT.to_owned(),
        Done::Written(generation) => generation.to_string(),
    });
    let text = words.collect::<Vec<_>>().join(",");
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Reads what the last attempt did about each of `count` attachments.
pub(super) fn read(note: &[u8], count: usize) -> Option<Vec<Done>> {
    let done = std::str::from_utf8(note).ok()?.split(',').map(|word| match word {
        KEPT => Some(Done::Kept),
        word => word.parse().ok().map(Done::Written),
    });
    // Another number is another configuration's.
    done.collect::<Option<Vec<_>>>().filter(|done| done.len() == count)
}

const KEPT: &str = "kept";

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn a_note_is_read_as_it_was_written() {
        let done = [Done::Kept, Done::Written(0), Done::Written(u64::MAX)];
        let written = note(done.into_iter());
        assert_eq!(read(written.as_bytes(), 3).as_deref(), Some(&done[..]));
        for (text, count) in [(written.as_bytes(), 2), (b"", 1), (b"kept,", 2), (b"-1", 1), (b"\xff", 1)] {
            assert_eq!(read(text, count), None);
        }
    }
}
