use super::canonical::{Ambiguities, CanonicalPath, may_stand_raw, percents_decoded};

impl CanonicalPath<'_> {
    /// What programs may take an ambiguous path for: as it stands, with what is encoded decoded, without what stands
    /// behind `;`. None where nothing is ambiguous.
    pub fn readings(&self) -> Vec<CanonicalPath<'static>> {
        if self.ambiguities() == Ambiguities::NONE {
            return Vec::new();
        }
        let decoders: [fn(&str) -> String; 3] = [str::to_owned, slashes_decoded, all_decoded];
        let text = self.as_str();
        let readings = decoders.into_iter().flat_map(|decode| {
            [decode(text), decode(&without_parameters(text)), without_parameters(&decode(text))]
        });
        readings.map(|reading| CanonicalPath::plain(merged(&reading))).collect()
    }
}

fn slashes_decoded(path: &str) -> String {
    path.replace("%2F", "/")
}

/// Decoded until nothing changes, as by programs in a row that decode once each.
fn all_decoded(path: &str) -> String {
    let path = percents_decoded(path);
    let mut pieces = path.split('%');
    let mut decoded = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let byte = piece.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte.filter(|byte| may_stand_raw(*byte) || matches!(byte, b'/' | b';')) {
            Some(byte) => {
                decoded.push(char::from(byte));
                decoded.push_str(piece.get(2..).unwrap_or_default());
            }
            None => {
                decoded.push('%');
                decoded.push_str(piece);
            }
        }
    }
    decoded
}

/// Without path parameters (RFC 3986, section 3.3).
fn without_parameters(path: &str) -> String {
    let segments = path.split('/').map(|segment| segment.split(';').next().unwrap_or_default());
    segments.collect::<Vec<_>>().join("/")
}

/// Without empty segments but for a last one.
fn merged(path: &str) -> String {
    let mut merged = path.to_owned();
    while merged.contains("//") {
        merged = merged.replace("//", "/");
    }
    merged
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn what_is_encoded_many_times_is_decoded_in_one_pass() {
        let path = format!("/%{}61", "25".repeat(30_000));
        let path = CanonicalPath::read_allowing(Ambiguities::ALL, path.as_bytes()).unwrap();
        assert!(path.readings().iter().any(|path| path.as_str() == "/a"));
    }

    #[test]
    fn an_ambiguous_path_has_the_readings_that_programs_give_it() {
        for (sent, readings) in [
            ("/a/b", &[][..]),
            ("/a%2Fb", &["/a%2Fb", "/a/b"]),
            ("/%2Fa/", &["/%2Fa/", "/a/"]),
            ("/a;x=1/b", &["/a;x=1/b", "/a/b"]),
            ("/a;x%2Fb", &["/a;x%2Fb", "/a", "/a;x/b", "/a/b"]),
            ("/%2561%252fb", &["/%2561%252fb", "/a/b"]),
            ("/%25252561", &["/%25252561", "/a"]),
            ("/a%253Bx", &["/a%253Bx", "/a;x", "/a"]),
            ("/100%25/a%25", &["/100%25/a%25", "/100%/a%"]),
            ("/%25c3%25a4", &["/%25c3%25a4", "/%c3%a4"]),
        ] {
            let path = CanonicalPath::read_allowing(Ambiguities::ALL, sent.as_bytes()).unwrap();
            let mut found: Vec<_> = path.readings().iter().map(|path| path.as_str().to_owned()).collect();
            assert!(path.readings().iter().all(|path| path.ambiguous().is_none()), "{sent}");
            found.sort();
            found.dedup();
            let mut expected = readings.to_vec();
            expected.sort_unstable();
            assert_eq!(found, expected, "{sent}");
        }
    }
}
