use std::borrow::Cow;

/// A request's path as Envoy's router will use it: without the query, unreserved octets decoded once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanonicalPath<'p>(Cow<'p, str>);

/// A path that two programs may read differently (RFC 3986, section 6; each is refused with 400).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmbiguousPath {
    /// Not a path that begins with `/`.
    #[error("the path does not begin with `/`")]
    NotAbsolute,
    /// A segment that is, or decodes to, `.` or `..`.
    #[error("a segment is `.` or `..`")]
    DotSegment,
    /// An encoded `/`, `\`, `%`, NUL or control byte.
    #[error("an encoded delimiter or control byte")]
    EncodedDelimiter,
    /// A raw `\`, `#`, `;`, space, control byte or byte outside ASCII.
    #[error("a byte that does not belong into a path")]
    ForbiddenByte,
    /// An empty segment that is not the last.
    #[error("an empty segment")]
    EmptySegment,
    /// A `%` without two hexadecimal digits.
    #[error("a bad percent-encoding")]
    BadEncoding,
}

impl<'p> CanonicalPath<'p> {
    /// Reads `:path`.
    ///
    /// # Errors
    /// Why the path is ambiguous.
    pub fn read(path: &'p [u8]) -> Result<Self, AmbiguousPath> {
        let path = path.split(|byte| *byte == b'?').next().unwrap_or_default();
        let path = std::str::from_utf8(path).map_err(|_| AmbiguousPath::ForbiddenByte)?;
        if path.bytes().any(|byte| !byte.is_ascii_graphic() || matches!(byte, b'\\' | b'#' | b';')) {
            return Err(AmbiguousPath::ForbiddenByte);
        }
        let canonical = decode_unreserved(path)?;
        let segments = canonical.strip_prefix('/').ok_or(AmbiguousPath::NotAbsolute)?;
        let mut rest = segments.split('/').peekable();
        while let Some(segment) = rest.next() {
            match segment {
                "." | ".." => return Err(AmbiguousPath::DotSegment),
                "" if rest.peek().is_some() => return Err(AmbiguousPath::EmptySegment),
                _ => {}
            }
        }
        Ok(Self(canonical))
    }

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Decodes the octets that RFC 3986, section 2.3 calls unreserved; other encodings stay, in upper case.
fn decode_unreserved(path: &str) -> Result<Cow<'_, str>, AmbiguousPath> {
    if !path.contains('%') {
        return Ok(Cow::Borrowed(path));
    }
    let mut pieces = path.split('%');
    let mut decoded = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2).ok_or(AmbiguousPath::BadEncoding)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(AmbiguousPath::BadEncoding);
        }
        let byte = u8::from_str_radix(digits, 16).map_err(|_| AmbiguousPath::BadEncoding)?;
        match byte {
            b'/' | b'\\' | b'%' | 0..=0x1f | 0x7f => return Err(AmbiguousPath::EncodedDelimiter),
            b'-' | b'.' | b'_' | b'~' => decoded.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => decoded.push(char::from(byte)),
            _ => {
                decoded.push('%');
                decoded.push_str(&digits.to_ascii_uppercase());
            }
        }
        decoded.push_str(rest);
    }
    Ok(Cow::Owned(decoded))
}

/// The paths of an operation. What it holds is itself a canonical path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathPattern {
    /// This path.
    Exact(String),
    /// This path and all below it, by segment: `/orders` takes `/orders/1` and not `/orders2`.
    Prefix(String),
}

impl PathPattern {
    /// The pattern for `path` alone.
    ///
    /// # Errors
    /// Why no request could have this path.
    pub fn exact(path: &str) -> Result<Self, AmbiguousPath> {
        Ok(Self::Exact(pattern(path)?))
    }

    /// The pattern for `path` and all below it.
    ///
    /// # Errors
    /// Why no request could have this path.
    pub fn prefix(path: &str) -> Result<Self, AmbiguousPath> {
        let path = pattern(path)?;
        Ok(Self::Prefix(path.strip_suffix('/').map(ToOwned::to_owned).unwrap_or(path)))
    }

    /// Whether `path` is one of these.
    pub fn matches(&self, path: &CanonicalPath<'_>) -> bool {
        match self {
            Self::Exact(exact) => path.as_str() == exact,
            Self::Prefix(prefix) => is_at_or_below(prefix, path.as_str()),
        }
    }

    /// Whether every path of `other` is one of these.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exact(one), Self::Exact(two)) => one == two,
            (Self::Exact(_), Self::Prefix(_)) => false,
            (Self::Prefix(prefix), Self::Exact(path) | Self::Prefix(path)) => is_at_or_below(prefix, path),
        }
    }
}

fn pattern(path: &str) -> Result<String, AmbiguousPath> {
    if path.contains('?') {
        return Err(AmbiguousPath::ForbiddenByte);
    }
    CanonicalPath::read(path.as_bytes()).map(|path| path.0.into_owned())
}

fn is_at_or_below(prefix: &str, path: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
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
    fn a_prefix_is_a_prefix_by_segment() {
        let prefix = PathPattern::prefix("/orders/").unwrap();
        let matches = |path: &str| prefix.matches(&CanonicalPath::read(path.as_bytes()).unwrap());
        assert!(matches("/orders") && matches("/orders/") && matches("/orders/1/lines"));
        assert!(!matches("/orders2") && !matches("/order") && !matches("/Orders"));
        let everything = PathPattern::prefix("/").unwrap();
        assert!(everything.matches(&CanonicalPath::read(b"/x/y").unwrap()));
    }

    #[test]
    fn an_exact_path_is_that_path_alone() {
        let exact = PathPattern::exact("/protected").unwrap();
        let matches = |path: &str| exact.matches(&CanonicalPath::read(path.as_bytes()).unwrap());
        assert!(matches("/protected") && matches("/protecte%64?x"));
        assert!(!matches("/protected/") && !matches("/protected/a") && !matches("/PROTECTED"));
    }
}
