/// The segments of a path, of which `/` has an empty one.
pub(super) fn segments(path: &str) -> Segments<'_> {
    let (_, rest) = divided(path);
    Segments { rest }
}

/// Byte by byte: `str::split` prepares for long texts, and every request comes by here several times.
#[derive(Clone)]
pub(super) struct Segments<'p> {
    rest: Option<&'p str>,
}

impl Segments<'_> {
    pub(super) const fn is_at_end(&self) -> bool {
        self.rest.is_none()
    }
}

impl<'p> Iterator for Segments<'p> {
    type Item = &'p str;

    fn next(&mut self) -> Option<&'p str> {
        let (segment, rest) = divided(self.rest?);
        self.rest = rest;
        Some(segment)
    }
}

/// What stands before the first `/`, and behind it.
fn divided(path: &str) -> (&str, Option<&str>) {
    let end = path.bytes().position(|byte| byte == b'/');
    match end.and_then(|end| path.split_at_checked(end)) {
        Some((before, behind)) => (before, behind.get(1..)),
        None => (path, None),
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn segments_are_what_stands_between_slashes() {
        for path in ["", "a", "/", "/a", "/a/", "/a/b", "//", "/a//b", "/\u{e4}/b", "a/b"] {
            let split: Vec<_> = path.split('/').skip(1).collect();
            assert_eq!(segments(path).collect::<Vec<_>>(), split, "{path}");
        }
    }

    #[test]
    fn the_end_is_known_before_it_is_asked_for() {
        let mut both = segments("/a/");
        assert_eq!((both.next(), both.is_at_end()), (Some("a"), false));
        assert_eq!((both.next(), both.is_at_end()), (Some(""), true));
        assert_eq!(both.next(), None);
    }
}
