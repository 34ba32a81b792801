//! What is wrong with a configuration, and where.

use std::fmt;

/// A place in the configuration. Printed, it is a JSON path: `operations[0].match.path`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path(Vec<Segment>);

/// One step of the way to a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Into the member of this name.
    Member(String),
    /// Into the item of this index.
    Item(usize),
}

impl Path {
    /// The whole configuration.
    pub const fn root() -> Self {
        Self(Vec::new())
    }

    /// The member `name` of this place.
    pub fn member(&self, name: &str) -> Self {
        self.then(Segment::Member(name.to_owned()))
    }

    /// Whether a secret stands here, or what leads to one.
    fn is_of_secret(&self) -> bool {
        let is_member = |segment: Option<&Segment>, name: &str| matches!(segment, Some(Segment::Member(member)) if member == name);
        (self.0.len() > 1 && is_member(self.0.first(), "secrets"))
            || is_member(self.0.last(), "inline")
            || is_member(self.0.last(), "ref")
    }

    /// The item `index` of this place.
    pub fn item(&self, index: usize) -> Self {
        self.then(Segment::Item(index))
    }

    /// The way from the whole configuration.
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    fn then(&self, segment: Segment) -> Self {
        Self(self.0.iter().cloned().chain([segment]).collect())
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("configuration");
        }
        for (depth, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Item(index) => write!(f, "[{index}]")?,
                Segment::Member(name) if !is_plain(name) => write!(f, "[{name:?}]")?,
                Segment::Member(name) if depth == 0 => f.write_str(name)?,
                Segment::Member(name) => write!(f, ".{name}")?,
            }
        }
        Ok(())
    }
}

/// Whether a name can be read without quotes.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// One fault in a configuration: the operator's to mend.
///
/// No message quotes a value; only names of fields, of kinds and of entries occur in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {kind}{}", kind.own_code().map(|code| format!(" [{code}]")).unwrap_or_default())]
pub struct Fault {
    /// Where it is.
    pub path: Path,
    /// What it is.
    pub kind: FaultKind,
}

impl Fault {
    /// A fault of `kind` at `path`.
    pub const fn new(path: Path, kind: FaultKind) -> Self {
        Self { path, kind }
    }

    /// The same without what was written, where that may be a secret or a part of one.
    pub(super) fn without_secrets(mut self) -> Self {
        if self.path.is_of_secret() {
            self.kind = match self.kind {
                FaultKind::UnknownField { expected, .. } => FaultKind::UnknownFieldOfSecret(expected),
                FaultKind::UnknownName { what: "value", .. } => FaultKind::Invalid(
                    "`${…}` names a value that is not defined; the two characters themselves are `$${`",
                ),
                kind => kind,
            };
        }
        self
    }
}

/// The kinds of faults in a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultKind {
    /// The text is not JSON.
    #[error("{0}; Gatepass takes one JSON object (in YAML: under `configuration:`)")]
    NotJson(crate::json::Malformed),
    /// A field that does not exist.
    #[error("unknown field `{field}`{}; expected {}", hint(field, expected), list(expected))]
    UnknownField {
        /// The field.
        field: String,
        /// Those that exist.
        expected: Vec<String>,
    },
    /// A field that does not exist, in the place of a secret. It is not quoted: it may be the secret.
    #[error("a field that does not exist here; expected {}", list(.0))]
    UnknownFieldOfSecret(Vec<String>),
    /// A word that is none of those that may stand here. It is not quoted: it may have slipped from elsewhere.
    #[error("unknown word{}; expected {}", hint(word, expected), list(expected))]
    UnknownWord {
        /// The word.
        word: String,
        /// Those that exist.
        expected: Vec<String>,
    },
    /// A reference to an entry that is not there.
    #[error("there is no {what} named `{name}`{}; defined: {}", hint(name, defined), list(defined))]
    UnknownName {
        /// What is referred to: `issuer`, `identity`.
        what: &'static str,
        /// The name.
        name: String,
        /// The names that are defined.
        defined: Vec<String>,
    },
    /// An environment variable that a value is taken from.
    #[error(
        "the environment variable `{0}` is not set; Envoy hands on those that `vm_config.environment_variables` names"
    )]
    VariableNotSet(String),
    /// A reference to a secret that is not there. It is not quoted: it may be the secret itself.
    #[error("there is no secret of this name{hint}; defined: {}", list(defined))]
    UnknownSecret {
        /// "did you mean", where that is clear.
        hint: String,
        /// The names that are defined.
        defined: Vec<String>,
    },
    /// Something that can only be had once it is there.
    #[error("this needs itself: {}", .0.join(" -> "))]
    Cycle(Vec<String>),
    /// A field that must be there.
    #[error("the field `{0}` is missing")]
    MissingField(String),
    /// A value of another type.
    #[error("expected {expected}, found {found}")]
    WrongType {
        /// What belongs here.
        expected: String,
        /// What stands here, by type.
        found: &'static str,
    },
    /// An empty list, object or string where something must stand.
    #[error("this is empty; {0}")]
    Empty(&'static str),
    /// More than one kind where one is wanted, or none.
    #[error("exactly one of {} belongs here", list(.0))]
    NotExactlyOne(Vec<String>),
    /// A public key that cannot be used.
    #[error("{0}")]
    PublicKey(crate::jwt::BadKey),
    /// A shared key that cannot be used.
    #[error("{0}")]
    SharedKey(crate::jwt::BadSymmetricKey),
    /// A key for decryption that cannot be used.
    #[error("{0}")]
    DecryptionKey(crate::jwt::BadDecryptionKey),
    /// The environment says that a managed identity's endpoint is elsewhere than Envoy's cluster leads to.
    #[error(
        "`IDENTITY_ENDPOINT` names another host and port than this, to which `cluster` leads; render both from the \
         environment at start, as `envoy/entrypoint.sh` does"
    )]
    IdentityEndpointMismatch,
    /// A value that is missing or not allowed.
    #[error("{0}")]
    Invalid(&'static str),
    /// An operation that no request can reach.
    #[error(
        "no request reaches this operation: `operations[{by}]` above it takes every one; put the narrower operation first"
    )]
    Shadowed {
        /// The index of the operation that takes all of its requests.
        by: usize,
    },
}

impl FaultKind {
    /// A stable word for the kind of fault; most are a `configuration` that says something that cannot be.
    pub fn code(&self) -> &'static str {
        self.own_code().unwrap_or("configuration")
    }

    const fn own_code(&self) -> Option<&'static str> {
        match self {
            Self::IdentityEndpointMismatch => Some("identity_endpoint_mismatch"),
            _ => None,
        }
    }

    /// A reference `name` to a secret, where only `defined` are there.
    pub(super) fn unknown_secret(name: &str, defined: Vec<String>) -> Self {
        Self::UnknownSecret { hint: hint(name, &defined), defined }
    }
}

fn list(words: &[String]) -> String {
    if words.is_empty() {
        return "none".to_owned();
    }
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// "did you mean", for a word that is at most two edits (a third of its length) from an expected one.
fn hint(word: &str, expected: &[String]) -> String {
    let limit = (word.chars().count() / 3).clamp(1, 2);
    expected
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| format!(", did you mean `{candidate}`?"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn a_path_reads_like_the_configuration() {
        let path = Path::root().member("operations").item(3).member("match").member("a b");
        assert_eq!(path.to_string(), r#"operations[3].match["a b"]"#);
        assert_eq!(Path::root().to_string(), "configuration");
    }

    #[test]
    fn a_near_miss_is_hinted_at() {
        let expected = ["audiences".to_owned(), "issuer".to_owned()];
        assert_eq!(hint("audience", &expected), ", did you mean `audiences`?");
        assert_eq!(hint("isuser", &expected), ", did you mean `issuer`?");
        assert_eq!(hint("roles", &expected), "");
    }
}
