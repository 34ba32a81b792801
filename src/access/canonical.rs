use std::borrow::Cow;

use super::segments::segments;

/// A request's path in the one spelling that it is compared in: without the query, with every octet decoded that
/// may stand raw in a segment. A backend decodes those before it routes, so `/%61dmin` and `/odata/%24batch` must
/// not pass by a guard for `/admin` and `/odata/$batch`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanonicalPath<'p> {
    text: Cow<'p, str>,
    /// Which ambiguities it has.
    ambiguities: Ambiguities,
}

/// Ambiguities that a path may have, or that an operation takes back: each is refused elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ambiguities {
    /// `%2F`: part of a segment to some programs, the end of it to others.
    pub encoded_slash: bool,
    /// `%25`: what stands behind it is decoded once more by some programs.
    pub encoded_percent: bool,
    /// `;`: the beginning of parameters to some programs, which do not compare them.
    pub semicolon: bool,
}

impl Ambiguities {
    /// None of them.
    pub const NONE: Self = Self { encoded_slash: false, encoded_percent: false, semicolon: false };

    /// All of them.
    pub const ALL: Self = Self { encoded_slash: true, encoded_percent: true, semicolon: true };

    /// Whether all of these are among `others`.
    pub const fn are_among(self, others: Self) -> bool {
        (others.encoded_slash || !self.encoded_slash)
            && (others.encoded_percent || !self.encoded_percent)
            && (others.semicolon || !self.semicolon)
    }

    const fn reason(self) -> Option<AmbiguousPath> {
        match self {
            Self { encoded_slash: true, .. } | Self { encoded_percent: true, .. } => {
                Some(AmbiguousPath::EncodedDelimiter)
            }
            Self { semicolon: true, .. } => Some(AmbiguousPath::ForbiddenByte),
            _ => None,
        }
    }
}

/// A path that two programs may read differently (RFC 3986, section 6; each is refused with 400).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmbiguousPath {
    /// Not a path that begins with `/`.
    #[error("the path does not begin with `/`")]
    NotAbsolute,
    /// A segment that is, or decodes to, `.` or `..`.
    #[error("a segment is `.` or `..`")]
    DotSegment,
    /// An encoded `/`, `\`, `%`, `;`, NUL or control byte.
    #[error("an encoded delimiter or control byte")]
    EncodedDelimiter,
    /// A raw byte that RFC 3986 does not allow in a path, or `;`.
    #[error("a byte that does not belong into a path")]
    ForbiddenByte,
    /// An empty segment that is not the last.
    #[error("an empty segment")]
    EmptySegment,
    /// A `%` without two hexadecimal digits, or encoded bytes that are not UTF-8.
    #[error("a bad percent-encoding")]
    BadEncoding,
}

impl<'p> CanonicalPath<'p> {
    /// Reads `:path`.
    ///
    /// # Errors
    /// Why the path is ambiguous.
    pub fn read(path: &'p [u8]) -> Result<Self, AmbiguousPath> {
        Self::read_allowing(Ambiguities::NONE, path)
    }

    /// Reads `:path` and lets `allowed` ambiguities stand.
    ///
    /// # Errors
    /// Why the path is ambiguous beyond that. Behind an ambiguity no `.` or `..` may hide, allowed or not.
    pub fn read_allowing(allowed: Ambiguities, path: &'p [u8]) -> Result<Self, AmbiguousPath> {
        let path = path.split(|byte| *byte == b'?').next().unwrap_or_default();
        let path = std::str::from_utf8(path).map_err(|_| AmbiguousPath::ForbiddenByte)?;
        let mut ambiguities = Ambiguities { semicolon: path.contains(';'), ..Ambiguities::NONE };
        if path.bytes().any(|byte| !matches!(byte, b'/' | b'%' | b';') && !may_stand_raw(byte)) {
            return Err(AmbiguousPath::ForbiddenByte);
        }
        let text = decode(path, &mut ambiguities)?;
        if let Some(reason) = ambiguities.reason().filter(|_| !ambiguities.are_among(allowed)) {
            return Err(reason);
        }
        check_segments(&text)?;
        if ambiguities != Ambiguities::NONE {
            check_segments_as_others_read(&text)?;
        }
        Ok(Self { text, ambiguities })
    }

    /// A path as some program reads it, in which nothing is ambiguous any more.
    pub(super) const fn plain(text: String) -> Self {
        Self { text: Cow::Owned(text), ambiguities: Ambiguities::NONE }
    }

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its ambiguities.
    pub const fn ambiguities(&self) -> Ambiguities {
        self.ambiguities
    }

    /// Why it is refused where nobody allows its ambiguities, if it has any.
    pub const fn ambiguous(&self) -> Option<AmbiguousPath> {
        self.ambiguities.reason()
    }
}

fn check_segments(path: &str) -> Result<(), AmbiguousPath> {
    if !path.starts_with('/') {
        return Err(AmbiguousPath::NotAbsolute);
    }
    let mut rest = segments(path);
    while let Some(segment) = rest.next() {
        match segment {
            "." | ".." => return Err(AmbiguousPath::DotSegment),
            "" if !rest.is_at_end() => return Err(AmbiguousPath::EmptySegment),
            _ => {}
        }
    }
    Ok(())
}

/// Looks at a path as a program might that decodes it again and again and drops what stands behind `;`: to some,
/// `/a/..;x/b`, `/a%2F..%2Fb` and `/a/%252e%252e/b` are `/b`.
fn check_segments_as_others_read(path: &str) -> Result<(), AmbiguousPath> {
    let decoded = percents_decoded(path).to_ascii_lowercase().replace("%2e", ".").replace("%3b", ";");
    for part in decoded.split('/') {
        let whole = part.split_once(';').map_or(part, |(before, _)| before);
        if whole.is_empty() && !part.is_empty() {
            return Err(AmbiguousPath::EmptySegment);
        }
        let mut pieces = part.split("%2f").flat_map(|piece| piece.split("%5c"));
        if pieces.any(|piece| matches!(piece.split(';').next(), Some("." | ".."))) {
            return Err(AmbiguousPath::DotSegment);
        }
    }
    Ok(())
}

/// With one `%` for each that is encoded, however often: in one pass, for the caller chooses how often.
pub(super) fn percents_decoded(path: &str) -> String {
    let pieces: Vec<_> = path.split('%').collect();
    let (first, behind) = pieces.split_first().unwrap_or((&"", &[]));
    let behind = behind.iter().flat_map(|piece| ["%", piece.trim_start_matches("25")]);
    std::iter::once(*first).chain(behind).collect()
}

/// `pchar` of RFC 3986, section 3.3, but for `;`, behind which some programs see parameters.
pub(super) const fn may_stand_raw(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') || is_sub_delimiter(byte)
}

const fn is_sub_delimiter(byte: u8) -> bool {
    matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=' | b':' | b'@')
}

/// Decodes what may stand raw; other encodings stay, in upper case. It notes the ambiguities that it meets.
fn decode<'p>(path: &'p str, ambiguities: &mut Ambiguities) -> Result<Cow<'p, str>, AmbiguousPath> {
    if !path.contains('%') {
        return Ok(Cow::Borrowed(path));
    }
    let mut pieces = path.split('%');
    let first = pieces.next().unwrap_or_default();
    let mut canonical = first.to_owned();
    let mut octets = first.as_bytes().to_vec();
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2).ok_or(AmbiguousPath::BadEncoding)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(AmbiguousPath::BadEncoding);
        }
        let byte = u8::from_str_radix(digits, 16).map_err(|_| AmbiguousPath::BadEncoding)?;
        match byte {
            b'\\' | 0..=0x1f | 0x7f => return Err(AmbiguousPath::EncodedDelimiter),
            b';' => {
                ambiguities.semicolon = true;
                canonical.push(';');
            }
            _ if may_stand_raw(byte) => canonical.push(char::from(byte)),
            _ => {
                ambiguities.encoded_slash |= byte == b'/';
                ambiguities.encoded_percent |= byte == b'%';
                canonical.push('%');
                canonical.push_str(&digits.to_ascii_uppercase());
            }
        }
        canonical.push_str(rest);
        octets.push(byte);
        octets.extend_from_slice(rest.as_bytes());
    }
    // An overlong form such as %c0%ae is a dot to some programs.
    std::str::from_utf8(&octets).map_err(|_| AmbiguousPath::BadEncoding)?;
    Ok(Cow::Owned(canonical))
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn read(path: &str) -> Result<String, AmbiguousPath> {
        CanonicalPath::read(path.as_bytes()).map(|path| path.as_str().to_owned())
    }

    #[test]
    fn a_path_is_read_as_the_router_reads_it() {
        for (sent, read_as) in [
            ("/", "/"),
            ("/protected", "/protected"),
            ("/protected?role=Admin", "/protected"),
            ("/%70rotected", "/protected"),
            ("/a%7Eb%2db", "/a~b-b"),
            ("/a%c3%a4", "/a%C3%A4"),
            ("/a%20b", "/a%20b"),
            ("/odata/%24batch(%271%27)", "/odata/$batch('1')"),
            ("/orders/1%3Acancel", "/orders/1:cancel"),
            ("/a/", "/a/"),
            ("/a?x=%2f..//", "/a"),
        ] {
            assert_eq!(read(sent).as_deref(), Ok(read_as), "{sent}");
        }
    }

    #[test]
    fn an_ambiguous_path_is_refused() {
        use AmbiguousPath as A;
        for (sent, reason) in [
            ("", A::NotAbsolute),
            ("*", A::NotAbsolute),
            ("protected", A::NotAbsolute),
            ("/a/../b", A::DotSegment),
            ("/a/.", A::DotSegment),
            ("/%2e%2e/a", A::DotSegment),
            ("/.%2E/a", A::DotSegment),
            ("/a%2fb", A::EncodedDelimiter),
            ("/a%5Cb", A::EncodedDelimiter),
            ("/a%2500", A::EncodedDelimiter),
            ("/a%00", A::EncodedDelimiter),
            ("/a%0d%0a", A::EncodedDelimiter),
            ("/a%7f", A::EncodedDelimiter),
            ("/a\\b", A::ForbiddenByte),
            ("/a#b", A::ForbiddenByte),
            ("/a;v=1", A::ForbiddenByte),
            ("/a%3bv=1", A::ForbiddenByte),
            ("/a{b", A::ForbiddenByte),
            ("/a\"b", A::ForbiddenByte),
            ("/a|b", A::ForbiddenByte),
            ("/%c0%ae%c0%ae/a", A::BadEncoding),
            ("/a%ff", A::BadEncoding),
            ("/a b", A::ForbiddenByte),
            ("/\u{e4}", A::ForbiddenByte),
            ("//a", A::EmptySegment),
            ("/a//b", A::EmptySegment),
            ("/a%", A::BadEncoding),
            ("/a%2", A::BadEncoding),
            ("/a%zz", A::BadEncoding),
            ("/a%+1", A::BadEncoding),
        ] {
            assert_eq!(read(sent), Err(reason), "{sent}");
        }
        assert_eq!(CanonicalPath::read(b"/a\xff"), Err(A::ForbiddenByte));
    }

    #[test]
    fn an_ambiguity_stands_where_it_is_allowed_and_nothing_hides_behind_it() {
        let slash = Ambiguities { encoded_slash: true, ..Ambiguities::NONE };
        let percent = Ambiguities { encoded_percent: true, ..Ambiguities::NONE };
        let semicolon = Ambiguities { semicolon: true, ..Ambiguities::NONE };
        for (allowed, sent, read_as) in [
            (slash, "/a%2fb", Ok("/a%2Fb")),
            (slash, "/https:%2F%2Fa.example%2F", Ok("/https:%2F%2Fa.example%2F")),
            (slash, "/a%5cb", Err(AmbiguousPath::EncodedDelimiter)),
            (slash, "/a%25", Err(AmbiguousPath::EncodedDelimiter)),
            (slash, "/a%2f..%2fb", Err(AmbiguousPath::DotSegment)),
            (slash, "/%2e%2e%2fb", Err(AmbiguousPath::DotSegment)),
            (slash, "/a%2f.", Err(AmbiguousPath::DotSegment)),
            (percent, "/100%25", Ok("/100%25")),
            (percent, "/a%252Fb", Ok("/a%252Fb")),
            (percent, "/a%2fb", Err(AmbiguousPath::EncodedDelimiter)),
            (percent, "/a/%252e%252E/b", Err(AmbiguousPath::DotSegment)),
            (percent, "/a/%25252525%32e./b", Err(AmbiguousPath::DotSegment)),
            (percent, "/a%252f..%252fb", Err(AmbiguousPath::DotSegment)),
            (percent, "/a%255c..%255cb", Err(AmbiguousPath::DotSegment)),
            (semicolon, "/a;v=1/b", Ok("/a;v=1/b")),
            (semicolon, "/a%3bv=1", Ok("/a;v=1")),
            (semicolon, "/a/..;/b", Err(AmbiguousPath::DotSegment)),
            (semicolon, "/a/..;x=1/b", Err(AmbiguousPath::DotSegment)),
            (semicolon, "/a/;x/b", Err(AmbiguousPath::EmptySegment)),
            (Ambiguities::ALL, "/a%2f..%3Bx%2Fb", Err(AmbiguousPath::DotSegment)),
            (Ambiguities::ALL, "/a%2f..%253Bx%2Fb", Err(AmbiguousPath::DotSegment)),
        ] {
            let read = CanonicalPath::read_allowing(allowed, sent.as_bytes());
            assert_eq!(read.as_ref().map(CanonicalPath::as_str), read_as.as_ref().copied(), "{sent}");
            assert!(CanonicalPath::read(sent.as_bytes()).is_err(), "{sent}");
            if let Ok(path) = read {
                let again = CanonicalPath::read_allowing(allowed, path.as_str().as_bytes()).unwrap();
                assert_eq!(again, path, "one reading, however often");
                assert_eq!(path.ambiguities(), allowed);
            }
        }
        let plain = CanonicalPath::read_allowing(Ambiguities::ALL, b"/a%20b").unwrap();
        assert_eq!((plain.ambiguities(), plain.ambiguous()), (Ambiguities::NONE, None));
    }
}
