use std::borrow::Cow;

/// A request's path in the one spelling that it is compared in: without the query, with every octet decoded that
/// may stand raw in a segment. A backend decodes those before it routes, so `/%61dmin` and `/odata/%24batch` must
/// not pass by a guard for `/admin` and `/odata/$batch`.
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
        let path = path.split(|byte| *byte == b'?').next().unwrap_or_default();
        let path = std::str::from_utf8(path).map_err(|_| AmbiguousPath::ForbiddenByte)?;
        if path.bytes().any(|byte| !matches!(byte, b'/' | b'%') && !may_stand_raw(byte)) {
            return Err(AmbiguousPath::ForbiddenByte);
        }
        let canonical = decode(path)?;
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

/// `pchar` of RFC 3986, section 3.3, but for `;`, behind which some programs see parameters.
const fn may_stand_raw(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') || is_sub_delimiter(byte)
}

const fn is_sub_delimiter(byte: u8) -> bool {
    matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=' | b':' | b'@')
}

/// Decodes what may stand raw; other encodings stay, in upper case.
fn decode(path: &str) -> Result<Cow<'_, str>, AmbiguousPath> {
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
            b'/' | b'\\' | b'%' | b';' | 0..=0x1f | 0x7f => return Err(AmbiguousPath::EncodedDelimiter),
            _ if may_stand_raw(byte) => canonical.push(char::from(byte)),
            _ => {
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

/// The paths of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    scope: Scope,
    /// A canonical path.
    text: String,
    rules: PathRules,
}

/// How strictly paths are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PathRules {
    /// Whether `/Orders` is another path than `/orders`.
    pub case_sensitive: bool,
    /// Whether `/orders/` is another path than `/orders`.
    pub trailing_slash: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    Exact,
    Prefix,
}

impl PathPattern {
    /// The pattern for `path` alone.
    ///
    /// # Errors
    /// Why no request could have this path.
    pub fn exact(path: &str, rules: PathRules) -> Result<Self, AmbiguousPath> {
        Self::new(Scope::Exact, path, rules)
    }

    /// The pattern for `path` and all below it, by segment: `/orders` takes `/orders/1` and not `/orders2`;
    /// `/orders/` takes what is below it alone.
    ///
    /// # Errors
    /// Why no request could have this path.
    pub fn prefix(path: &str, rules: PathRules) -> Result<Self, AmbiguousPath> {
        Self::new(Scope::Prefix, path, rules)
    }

    fn new(scope: Scope, path: &str, rules: PathRules) -> Result<Self, AmbiguousPath> {
        // A `*` alone is meant as a wildcard, which this is not.
        if path.contains('?') || path.split('/').any(|segment| matches!(segment, "*" | "**")) {
            return Err(AmbiguousPath::ForbiddenByte);
        }
        let text = CanonicalPath::read(path.as_bytes())?.0.into_owned();
        Ok(Self { scope, text, rules })
    }

    /// Whether `path` is one of these.
    pub fn matches(&self, path: &CanonicalPath<'_>) -> bool {
        self.takes(path.as_str())
    }

    fn takes(&self, path: &str) -> bool {
        match self.scope {
            Scope::Exact => self.same(self.trim(&self.text), self.trim(path)),
            Scope::Prefix => path.split_at_checked(self.text.len()).is_some_and(|(head, rest)| {
                self.same(&self.text, head)
                    && (rest.is_empty() || rest.starts_with('/') || self.text.ends_with('/'))
            }),
        }
    }

    fn same(&self, one: &str, other: &str) -> bool {
        if self.rules.case_sensitive { one == other } else { one.eq_ignore_ascii_case(other) }
    }

    fn trim<'t>(&self, path: &'t str) -> &'t str {
        match path.strip_suffix('/') {
            Some(trimmed) if !self.rules.trailing_slash => trimmed,
            _ => path,
        }
    }

    /// Whether every path of `other` is one of these.
    pub fn covers(&self, other: &Self) -> bool {
        let as_loose = (!self.rules.case_sensitive || other.rules.case_sensitive)
            && (self.scope == Scope::Prefix || !self.rules.trailing_slash || other.rules.trailing_slash);
        as_loose && (self.scope == Scope::Prefix || other.scope == Scope::Exact) && self.takes(&other.text)
    }
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
            ("/a%3bv=1", A::EncodedDelimiter),
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

    fn matches(pattern: &PathPattern, path: &str) -> bool {
        pattern.matches(&CanonicalPath::read(path.as_bytes()).unwrap())
    }

    const STRICT: PathRules = PathRules { case_sensitive: true, trailing_slash: true };

    #[test]
    fn a_prefix_is_a_prefix_by_segment() {
        let orders = PathPattern::prefix("/orders", PathRules::default()).unwrap();
        for path in ["/orders", "/orders/", "/orders/1/lines", "/Orders/1", "/%6frders/1"] {
            assert!(matches(&orders, path), "{path}");
        }
        assert!(!matches(&orders, "/orders2") && !matches(&orders, "/order"));
        let below = PathPattern::prefix("/orders/", PathRules::default()).unwrap();
        assert!(matches(&below, "/orders/1") && !matches(&below, "/orders"));
        let everything = PathPattern::prefix("/", STRICT).unwrap();
        assert!(matches(&everything, "/x/y") && matches(&everything, "/"));
        assert!(!matches(&PathPattern::prefix("/orders", STRICT).unwrap(), "/Orders/1"));
    }

    #[test]
    fn an_exact_path_is_that_path_in_any_case_and_with_a_slash_behind_it() {
        let exact = PathPattern::exact("/protected", PathRules::default()).unwrap();
        for path in ["/protected", "/protecte%64?x", "/PROTECTED", "/protected/"] {
            assert!(matches(&exact, path), "{path}");
        }
        assert!(!matches(&exact, "/protected/a") && !matches(&exact, "/protecte"));
        let strict = PathPattern::exact("/protected", STRICT).unwrap();
        assert!(
            matches(&strict, "/protected")
                && !matches(&strict, "/PROTECTED")
                && !matches(&strict, "/protected/")
        );
        assert!(matches(&PathPattern::exact("/", PathRules::default()).unwrap(), "/"));
    }

    #[test]
    fn a_pattern_covers_another_only_if_it_takes_all_of_it() {
        let loose = PathRules::default();
        let exact = |path, rules| PathPattern::exact(path, rules).unwrap();
        let prefix = |path, rules| PathPattern::prefix(path, rules).unwrap();
        assert!(prefix("/a", loose).covers(&exact("/A/b", loose)));
        assert!(prefix("/a", loose).covers(&prefix("/a/b", STRICT)));
        assert!(exact("/a", loose).covers(&exact("/a/", STRICT)));
        assert!(!exact("/a", STRICT).covers(&exact("/a", loose)));
        assert!(!prefix("/a", STRICT).covers(&exact("/a", loose)));
        assert!(!exact("/a", loose).covers(&prefix("/a", loose)));
        assert!(!prefix("/a/", loose).covers(&exact("/a", loose)));
    }

    #[test]
    fn a_wildcard_is_no_path() {
        for path in ["/admin/*", "/admin/**", "/orders/{id}", "/a?b"] {
            assert!(
                PathPattern::exact(path, STRICT).is_err() && PathPattern::prefix(path, STRICT).is_err(),
                "{path}"
            );
        }
    }
}
