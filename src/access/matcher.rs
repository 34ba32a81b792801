use super::{CanonicalPath, PathPattern};

/// What a request asks for: what operations are told apart by.
#[derive(Clone, Debug)]
pub struct Target<'r> {
    /// The method: see [`super::method`].
    pub method: &'r str,
    /// The host without the port; `None` where it cannot be read.
    pub host: Option<&'r str>,
    /// The path.
    pub path: CanonicalPath<'r>,
    /// Whether a browser asks beforehand (Fetch standard, CORS-preflight request).
    pub is_cors_preflight: bool,
}

impl<'r> Target<'r> {
    /// The host of `:authority`, without the port (RFC 3986, section 3.2) and without a dot at its end, which names the
    /// same host. `None` where it is not a host and, if anything, a port.
    pub fn host_of(authority: &'r [u8]) -> Option<&'r str> {
        let authority = std::str::from_utf8(authority).ok()?;
        let end = match authority.strip_prefix('[') {
            Some(rest) => rest.find(']')?.checked_add(2)?,
            None => authority.find(':').unwrap_or(authority.len()),
        };
        let (host, port) = authority.split_at_checked(end)?;
        let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
        let is_plain = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        Some(without_root(host)).filter(|host| is_plain && is_host(host))
    }
}

/// A name without the dot of the root of all domains.
fn without_root(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}

/// A name, an IPv4 address, or an IPv6 address in brackets. International names are in their ASCII form.
fn is_host(host: &str) -> bool {
    let (inner, is_address) = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => (address, true),
        None => (host, false),
    };
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    inner.bytes().all(|byte| fits(byte) || (is_address && byte == b':'))
        && inner.split('.').all(|label| !label.is_empty())
}

/// The hosts of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPattern {
    /// This one, in any case.
    Exact(String),
    /// All below this one, however deep; with the dot in front.
    Below(String),
}

/// A host that no request could have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadHost;

impl HostPattern {
    /// A host, or `*.` and a host.
    ///
    /// # Errors
    /// It is something else: with a port, a scheme, a `*` elsewhere.
    pub fn parse(text: &str) -> Result<Self, BadHost> {
        let text = without_root(text).to_ascii_lowercase();
        match text.strip_prefix('*') {
            Some(suffix) if suffix.strip_prefix('.').is_some_and(is_host) => {
                Ok(Self::Below(suffix.to_owned()))
            }
            None if is_host(&text) => Ok(Self::Exact(text)),
            _ => Err(BadHost),
        }
    }

    fn matches(&self, host: &str) -> bool {
        match self {
            Self::Exact(own) => own.eq_ignore_ascii_case(host),
            Self::Below(suffix) => {
                let start = host.len().checked_sub(suffix.len()).filter(|start| *start > 0);
                let end = start.and_then(|start| host.get(start..));
                end.is_some_and(|end| end.eq_ignore_ascii_case(suffix))
            }
        }
    }

    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::Exact(host)) => self.matches(host),
            (Self::Below(own), Self::Below(theirs)) => theirs.ends_with(own.as_str()),
            (Self::Exact(_), Self::Below(_)) => false,
        }
    }
}

/// Which requests an operation is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matcher {
    /// The methods, none of them for all.
    pub methods: Vec<String>,
    /// The hosts, none of them for all.
    pub hosts: Vec<HostPattern>,
    /// Whether only what a browser asks beforehand is meant.
    pub cors_preflight: bool,
    /// The path.
    pub path: PathPattern,
}

impl Matcher {
    /// Whether a request is this operation. Methods are case-sensitive (RFC 9110, section 9.1).
    pub fn matches(&self, target: &Target<'_>) -> bool {
        let in_hosts = |host: &str| self.hosts.iter().any(|pattern| pattern.matches(host));
        (self.methods.is_empty() || self.methods.iter().any(|method| method == target.method))
            && (self.hosts.is_empty() || target.host.is_some_and(in_hosts))
            && (target.is_cors_preflight || !self.cors_preflight)
            && self.path.matches(&target.path)
    }

    /// Whether every request that `other` matches is matched by this one.
    pub fn covers(&self, other: &Self) -> bool {
        let methods = self.methods.is_empty()
            || (!other.methods.is_empty()
                && other.methods.iter().all(|method| self.methods.contains(method)));
        let covered = |host: &HostPattern| self.hosts.iter().any(|own| own.covers(host));
        let hosts = self.hosts.is_empty() || (!other.hosts.is_empty() && other.hosts.iter().all(covered));
        methods && hosts && (other.cors_preflight || !self.cors_preflight) && self.path.covers(&other.path)
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::access::PathRules;

    #[test]
    fn the_host_is_the_authority_without_its_port() {
        for (authority, host) in [
            ("api.example", Some("api.example")),
            ("Api.Example:8443", Some("Api.Example")),
            ("api.example:", Some("api.example")),
            ("api.example.", Some("api.example")),
            ("api.example.:443", Some("api.example")),
            ("[::1]", Some("[::1]")),
            ("[::1]:443", Some("[::1]")),
            ("xn--bcher-kva.example", Some("xn--bcher-kva.example")),
            ("", None),
            (".", None),
            ("api.example..", None),
            (".api.example", None),
            ("api..example", None),
            (":443", None),
            ("api.example:443:443", None),
            ("api.example:a", None),
            ("user@api.example", None),
            ("api.example/x", None),
            ("[::1", None),
            ("[::1]x", None),
            ("[]", None),
            ("b\u{fc}cher.example", None),
        ] {
            assert_eq!(Target::host_of(authority.as_bytes()), host, "{authority}");
        }
        assert_eq!(Target::host_of(b"\xff"), None);
    }

    #[test]
    fn a_host_is_exact_or_all_below_a_suffix() {
        let exact = HostPattern::parse("API.example").unwrap();
        assert!(exact.matches("api.EXAMPLE"));
        assert!(!exact.matches("x.api.example") && !exact.matches("api.example.") && !exact.matches("api"));
        let below = HostPattern::parse("*.Example").unwrap();
        assert!(below.matches("api.example") && below.matches("A.B.EXAMPLE"));
        assert!(!below.matches("example") && !below.matches(".example") && !below.matches("anexample"));
        for bad in ["", "*", "*.", "a.*", "*a.example", "api.example:443", "https://api.example", "b\u{fc}"] {
            assert_eq!(HostPattern::parse(bad), Err(BadHost), "{bad}");
        }
    }

    /// Every matcher of a few hosts, methods and kinds covers another exactly if it takes all that the other takes.
    #[test]
    fn a_matcher_covers_another_exactly_if_it_takes_every_request_of_it() {
        let hosts: [&[&str]; 6] = [&[], &["a.x"], &["*.x"], &["*.a.x"], &["a.x", "*.a.x"], &["b"]];
        let methods: [&[&str]; 3] = [&[], &["GET"], &["GET", "OPTIONS"]];
        let mut matchers = Vec::new();
        for hosts in hosts {
            let hosts: Vec<_> = hosts.iter().map(|host| HostPattern::parse(host).unwrap()).collect();
            for methods in methods {
                let methods: Vec<_> = methods.iter().map(ToString::to_string).collect();
                let path = PathPattern::exact("/", PathRules::default()).unwrap();
                let matcher = Matcher { methods, hosts: hosts.clone(), cors_preflight: false, path };
                matchers.push(matcher.clone());
                matchers.push(Matcher { methods: vec!["OPTIONS".into()], cors_preflight: true, ..matcher });
            }
        }
        let mut targets = Vec::new();
        for host in [None, Some("a.x"), Some("c.x"), Some("c.a.x"), Some("c.c.x"), Some("b"), Some("c")] {
            for (method, is_cors_preflight) in
                [("GET", false), ("PUT", false), ("OPTIONS", false), ("OPTIONS", true)]
            {
                let path = CanonicalPath::read(b"/").unwrap();
                targets.push(Target { method, host, path, is_cors_preflight });
            }
        }
        for own in &matchers {
            for other in &matchers {
                let all = targets.iter().all(|target| own.matches(target) || !other.matches(target));
                assert_eq!(own.covers(other), all, "{own:?} covers {other:?}");
            }
        }
    }
}
