use std::collections::BTreeMap;
use std::fmt;

use super::canonical::{Ambiguities, AmbiguousPath, CanonicalPath};
use super::segments::segments;
use crate::collect::one_by_one;

/// The paths of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    /// What each segment is, canonical; without an empty last one where that makes no difference.
    segments: Vec<Segment>,
    extent: Extent,
    rules: PathRules,
}

/// How strictly paths are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PathRules {
    /// Whether `/Orders` is another path than `/orders`.
    pub case_sensitive: bool,
    /// Whether `/orders/` is another path than `/orders`.
    pub trailing_slash: bool,
    /// Ambiguities that the paths may have.
    pub allow: Ambiguities,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    Literal(String),
    /// Takes any segment that is not empty, under this name.
    Parameter(String),
}

/// What may stand behind the segments of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// Nothing.
    Whole,
    /// Nothing, or more segments.
    AndBelow,
    /// More segments.
    Below,
}

/// A template that no request could match, or that can be misread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTemplate {
    /// Without its parameters it is not a path.
    #[error("{0}")]
    Path(AmbiguousPath),
    /// A brace that does not belong to a segment of the form `{name}`.
    #[error("a parameter that is not a whole segment, or has a bad name")]
    Parameter,
    /// Two parameters of one name.
    #[error("a parameter that occurs twice")]
    RepeatedParameter,
}

/// A path parameter longer than this is none: it could keep a waiting request large.
const MAX_PARAMETER_BYTES: usize = 1024;

/// The parameters of a request's path, by name, as far as they can be compared with anything: one that is still
/// percent-encoded is left out, for a backend that decodes it reads another value than one that does not.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of one parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

/// The pattern as a person reads it: `/orders/{id}`, `/orders and below`, `below /orders`.
impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_everything = self.segments.is_empty() && self.extent != Extent::Whole;
        if self.extent == Extent::Below && !is_everything {
            f.write_str("below ")?;
        }
        if self.segments.is_empty() {
            f.write_str("/")?;
        }
        for segment in &self.segments {
            match segment {
                Segment::Literal(text) => write!(f, "/{text}")?,
                Segment::Parameter(name) => write!(f, "/{{{name}}}")?,
            }
        }
        if self.extent == Extent::AndBelow || is_everything {
            f.write_str(" and below")?;
        }
        Ok(())
    }
}

impl PathPattern {
    /// The pattern for `path` alone.
    ///
    /// # Errors
    /// Why no request could have this path.
    pub fn exact(path: &str, rules: PathRules) -> Result<Self, AmbiguousPath> {
        let segments = literals(path, rules.allow)?.into_iter().map(Segment::Literal).collect();
        Ok(Self::whole(segments, rules))
    }

    /// The pattern for `path` and all below it, by segment: `/orders` takes `/orders/1` and not `/orders2`;
    /// `/orders/` takes what is below it alone.
    ///
    /// # Errors
    /// Why no request could have this path.
    pub fn prefix(path: &str, rules: PathRules) -> Result<Self, AmbiguousPath> {
        let mut segments = literals(path, rules.allow)?;
        let below = segments.pop_if(|last| last.is_empty()).is_some();
        let segments = segments.into_iter().map(Segment::Literal).collect();
        Ok(Self { segments, extent: if below { Extent::Below } else { Extent::AndBelow }, rules })
    }

    /// The pattern for paths of this form, in which `{name}` stands for any one segment that is not empty.
    ///
    /// # Errors
    /// Why no request could have such a path, or what is wrong with a parameter.
    pub fn template(template: &str, rules: PathRules) -> Result<Self, BadTemplate> {
        const ANY: &str = "any";
        let mut plain = Vec::new();
        let mut names = Vec::new();
        for segment in template.split('/') {
            let name = segment.strip_prefix('{').and_then(|segment| segment.strip_suffix('}'));
            if !name.map_or_else(|| !segment.contains(['{', '}']), is_parameter_name) {
                return Err(BadTemplate::Parameter);
            }
            if name.is_some() && names.contains(&name) {
                return Err(BadTemplate::RepeatedParameter);
            }
            plain.push(name.map_or(segment, |_| ANY));
            names.push(name);
        }
        let literals = literals(&plain.join("/"), rules.allow).map_err(BadTemplate::Path)?;
        let segments =
            literals.into_iter().zip(names.into_iter().skip(1)).map(|(literal, name)| match name {
                Some(name) => Segment::Parameter(name.to_owned()),
                None => Segment::Literal(literal),
            });
        Ok(Self::whole(segments.collect(), rules))
    }

    fn whole(mut segments: Vec<Segment>, rules: PathRules) -> Self {
        if !rules.trailing_slash {
            segments.pop_if(|last| *last == NOTHING);
        }
        Self { segments, extent: Extent::Whole, rules }
    }

    /// How strictly paths are compared.
    pub const fn rules(&self) -> PathRules {
        self.rules
    }

    /// The segments, without an empty last one.
    pub(super) fn segments(&self) -> &[Segment] {
        match self.segments.split_last() {
            Some((last, rest)) if *last == NOTHING => rest,
            _ => &self.segments,
        }
    }

    /// Whether more segments may stand behind these.
    pub(super) fn goes_on_below(&self) -> bool {
        self.extent != Extent::Whole
    }

    /// The names of the parameters.
    pub fn parameter_names(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(Segment::parameter)
    }

    /// The parameters of a path that this pattern matches.
    pub fn parameters(&self, path: &CanonicalPath<'_>) -> Parameters {
        let comparable = |value: &str| !value.contains('%') && value.len() <= MAX_PARAMETER_BYTES;
        let named = self.segments.iter().zip(segments(path.as_str())).filter_map(|(segment, value)| {
            Some((segment.parameter()?.to_owned(), Some(value).filter(|value| comparable(value))?.to_owned()))
        });
        Parameters(one_by_one(named))
    }

    /// Whether `path` is one of these.
    pub fn matches(&self, path: &CanonicalPath<'_>) -> bool {
        if !path.ambiguities().are_among(self.rules.allow) {
            return false;
        }
        let path = match path.as_str().strip_suffix('/') {
            Some(trimmed) if self.extent == Extent::Whole && !self.rules.trailing_slash => trimmed,
            _ => path.as_str(),
        };
        let mut rest = segments(path);
        let begins = self.segments.iter().all(|own| {
            rest.next().is_some_and(|segment| match own {
                Segment::Literal(literal) => self.same(literal, segment),
                Segment::Parameter(_) => !segment.is_empty(),
            })
        });
        begins
            && match self.extent {
                Extent::Whole => rest.next().is_none(),
                Extent::AndBelow => true,
                Extent::Below => rest.next().is_some(),
            }
    }

    fn same(&self, one: &str, other: &str) -> bool {
        if self.rules.case_sensitive { one == other } else { one.eq_ignore_ascii_case(other) }
    }

    /// Whether every path of `other` is one of these. The forms of a pattern do not add up to more than each of
    /// them takes, so it is enough to look for one form that takes all of the other's.
    pub fn covers(&self, other: &Self) -> bool {
        if !other.ambiguities().are_among(self.rules.allow) {
            return false;
        }
        let own = self.forms();
        other.forms().iter().all(|theirs| {
            own.iter().any(|own| {
                let long_enough = match (own.more, theirs.more) {
                    (false, more) => !more && own.segments.len() == theirs.segments.len(),
                    (true, false) => own.segments.len() < theirs.segments.len(),
                    (true, true) => own.segments.len() <= theirs.segments.len(),
                };
                let mut pairs = own.segments.iter().zip(&theirs.segments);
                long_enough && pairs.all(|(own, theirs)| self.covers_segment(own, theirs, other.rules))
            })
        })
    }

    /// The ambiguities that its paths can have.
    fn ambiguities(&self) -> Ambiguities {
        let is_open = self.extent != Extent::Whole || self.parameter_names().next().is_some();
        if is_open {
            return self.rules.allow;
        }
        let literals = self.segments.iter().filter_map(Segment::literal);
        Ambiguities {
            encoded_slash: literals.clone().any(|literal| literal.contains("%2F")),
            encoded_percent: literals.clone().any(|literal| literal.contains("%25")),
            semicolon: literals.clone().any(|literal| literal.contains(';')),
        }
    }

    fn covers_segment(&self, own: &Segment, theirs: &Segment, rules: PathRules) -> bool {
        match (own, theirs) {
            (Segment::Parameter(_), Segment::Parameter(_)) => true,
            (Segment::Parameter(_), Segment::Literal(theirs)) => !theirs.is_empty(),
            (Segment::Literal(_), Segment::Parameter(_)) => false,
            (Segment::Literal(own), Segment::Literal(theirs)) => {
                let has_cases = || theirs.bytes().any(|byte| byte.is_ascii_alphabetic());
                let as_loose = !self.rules.case_sensitive || rules.case_sensitive || !has_cases();
                as_loose && self.same(own, theirs)
            }
        }
    }

    /// The sets of paths that this pattern is the union of.
    fn forms(&self) -> Vec<Form<'_>> {
        let segments: Vec<_> = self.segments.iter().collect();
        let form = |more| Form { segments: segments.clone(), more };
        let mut forms = match self.extent {
            Extent::Whole => vec![form(false)],
            Extent::AndBelow => vec![form(false), form(true)],
            Extent::Below => vec![form(true)],
        };
        if self.extent == Extent::Whole && !self.rules.trailing_slash {
            let segments = segments.iter().copied().chain([&NOTHING]).collect();
            forms.push(Form { segments, more: false });
        }
        // No path is without a segment.
        forms.retain(|form| form.more || !form.segments.is_empty());
        forms
    }
}

/// Paths of one length, or of every greater length.
struct Form<'p> {
    segments: Vec<&'p Segment>,
    more: bool,
}

/// The segment behind a slash at the end.
static NOTHING: Segment = Segment::Literal(String::new());

impl Segment {
    fn literal(&self) -> Option<&str> {
        match self {
            Self::Literal(literal) => Some(literal),
            Self::Parameter(_) => None,
        }
    }

    fn parameter(&self) -> Option<&str> {
        match self {
            Self::Literal(_) => None,
            Self::Parameter(name) => Some(name),
        }
    }
}

/// The canonical segments of a path in a configuration.
fn literals(path: &str, allow: Ambiguities) -> Result<Vec<String>, AmbiguousPath> {
    // A `*` alone is meant as a wildcard, which this is not.
    if path.contains('?') || path.split('/').any(|segment| matches!(segment, "*" | "**")) {
        return Err(AmbiguousPath::ForbiddenByte);
    }
    let path = CanonicalPath::read_allowing(allow, path.as_bytes())?;
    Ok(segments(path.as_str()).map(ToOwned::to_owned).collect())
}

fn is_parameter_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn matches(pattern: &PathPattern, path: &str) -> bool {
        pattern.matches(&CanonicalPath::read(path.as_bytes()).unwrap())
    }

    const STRICT: PathRules =
        PathRules { case_sensitive: true, trailing_slash: true, allow: Ambiguities::NONE };

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

    fn template(text: &str, rules: PathRules) -> PathPattern {
        PathPattern::template(text, rules).unwrap()
    }

    #[test]
    fn a_parameter_takes_exactly_one_segment_that_is_not_empty() {
        let line = template("/orders/{id}/lines/{line}", PathRules::default());
        for path in
            ["/orders/1/lines/2", "/Orders/a%20b/LINES/x", "/%6frders/1/lines/2/", "/orders/*/lines/$"]
        {
            assert!(matches(&line, path), "{path}");
        }
        for path in [
            "/orders/1/lines",
            "/orders/1/lines/",
            "/orders//lines/2",
            "/orders/1/lines/2/3",
            "/orders/1/2/lines/3",
            "/orders/1/line/2",
            "/v1/orders/1/lines/2",
        ] {
            assert!(CanonicalPath::read(path.as_bytes()).is_err() || !matches(&line, path), "{path}");
        }
        assert!(matches(&template("/{a}", STRICT), "/x") && !matches(&template("/{a}", STRICT), "/"));
        assert!(!matches(&template("/{a}", PathRules::default()), "/"));
    }

    #[test]
    fn a_template_follows_the_rules_of_case_and_slash() {
        let strict = template("/orders/{id}", STRICT);
        assert!(matches(&strict, "/orders/1"));
        assert!(!matches(&strict, "/Orders/1") && !matches(&strict, "/orders/1/"));
        let slash = template("/orders/{id}/", STRICT);
        assert!(matches(&slash, "/orders/1/") && !matches(&slash, "/orders/1"));
        let loose = template("/orders/{id}/", PathRules::default());
        assert!(matches(&loose, "/ORDERS/1/") && matches(&loose, "/orders/1"));
    }

    #[test]
    fn parameters_are_what_the_canonical_path_has_in_their_place() {
        let line = template("/orders/{id}/lines/{line_2}", PathRules::default());
        let at = |path: &str| line.parameters(&CanonicalPath::read(path.as_bytes()).unwrap());
        let values = |path: &str| {
            let parameters = at(path);
            ["id", "line_2", "orders"].map(|name| parameters.get(name).map(ToOwned::to_owned))
        };
        assert_eq!(values("/orders/A%62/lines/2/?id=x"), [Some("Ab".into()), Some("2".into()), None]);
        assert_eq!(values("/orders/a%20b/lines/2"), [None, Some("2".into()), None], "still encoded");
        let long = |bytes| values(&format!("/orders/{}/lines/2", "a".repeat(bytes)))[0].is_some();
        assert!(long(MAX_PARAMETER_BYTES) && !long(MAX_PARAMETER_BYTES + 1));
    }

    #[test]
    fn a_template_that_can_be_misread_is_refused() {
        use BadTemplate as B;
        for (text, reason) in [
            ("/orders/{}", B::Parameter),
            ("/orders/{1d}", B::Parameter),
            ("/orders/{a-b}", B::Parameter),
            ("/orders/{\u{e4}}", B::Parameter),
            ("/orders/{id}.json", B::Parameter),
            ("/orders/x{id}", B::Parameter),
            ("/orders/{a}{b}", B::Parameter),
            ("/orders/{a", B::Parameter),
            ("/orders/a}", B::Parameter),
            ("/orders/{a/b}", B::Parameter),
            ("/orders/{id}/lines/{id}", B::RepeatedParameter),
            ("/orders/*", B::Path(AmbiguousPath::ForbiddenByte)),
            ("/orders/{id}?x=1", B::Parameter),
            ("/orders?x={id}", B::Parameter),
            ("/orders?x=/{id}", B::Path(AmbiguousPath::ForbiddenByte)),
            ("/orders//{id}", B::Path(AmbiguousPath::EmptySegment)),
            ("/orders/../{id}", B::Path(AmbiguousPath::DotSegment)),
            ("{id}", B::Path(AmbiguousPath::NotAbsolute)),
            ("{id}/orders", B::Path(AmbiguousPath::NotAbsolute)),
        ] {
            assert_eq!(PathPattern::template(text, STRICT), Err(reason), "{text}");
        }
        for text in ["/{_}/{a1}/{A1}", "/orders", "/%6frders/{id}"] {
            assert!(PathPattern::template(text, STRICT).is_ok(), "{text}");
        }
    }

    /// Every list of up to `longest` of `segments`, as a path, with and without a slash behind it.
    fn every_path(segments: &[&str], longest: usize) -> Vec<String> {
        let mut paths = vec![String::new()];
        let mut last = paths.clone();
        for _ in 0..longest {
            last = last
                .iter()
                .flat_map(|path| segments.iter().map(move |segment| format!("{path}/{segment}")))
                .collect();
            paths.extend(last.iter().cloned());
        }
        let with_slash: Vec<_> = paths.iter().map(|path| format!("{path}/")).collect();
        paths.remove(0);
        paths.extend(with_slash);
        paths
    }

    #[test]
    fn a_pattern_covers_another_exactly_if_it_takes_every_path_of_it() {
        let mut patterns = Vec::new();
        for (case_sensitive, trailing_slash) in [(false, false), (false, true), (true, false), (true, true)] {
            let rules = PathRules { case_sensitive, trailing_slash, allow: Ambiguities::NONE };
            for path in every_path(&["a", "A", "1"], 2) {
                patterns.push((format!("exact {path} {rules:?}"), PathPattern::exact(&path, rules).unwrap()));
                patterns
                    .push((format!("prefix {path} {rules:?}"), PathPattern::prefix(&path, rules).unwrap()));
            }
            for path in every_path(&["a", "1", "{}"], 2).iter().filter(|path| path.contains("{}")) {
                let path = path.replacen("{}", "{x}", 1).replace("{}", "{y}");
                patterns.push((format!("template {path} {rules:?}"), template(&path, rules)));
            }
        }
        let slash = Ambiguities { encoded_slash: true, ..Ambiguities::NONE };
        for (allow, literals) in
            [(Ambiguities::ALL, ["a", "a%2Fb", "a;x%25"]), (slash, ["a", "a%2Fb", "a%2fa"])]
        {
            let rules = PathRules { allow, ..STRICT };
            for path in every_path(&literals, 2) {
                patterns.push((format!("exact {path} {rules:?}"), PathPattern::exact(&path, rules).unwrap()));
                patterns
                    .push((format!("prefix {path} {rules:?}"), PathPattern::prefix(&path, rules).unwrap()));
            }
            for path in every_path(&["a%2Fb", "{}"], 2).iter().filter(|path| path.contains("{}")) {
                let path = path.replacen("{}", "{x}", 1).replace("{}", "{y}");
                patterns.push((format!("template {path} {rules:?}"), template(&path, rules)));
            }
        }
        // What each pattern takes, as a bit for each path.
        let mut paths = every_path(&["a", "A", "1", "b"], 3);
        paths.extend(every_path(&["a", "1", "a%2Fb", "a%2Fa", "a;x%25", "a;x", "a%25"], 3));
        let read = |path| CanonicalPath::read_allowing(Ambiguities::ALL, path).unwrap();
        let paths: Vec<_> = paths.iter().map(|path| read(path.as_bytes())).collect();
        let taken: Vec<Vec<bool>> = patterns
            .iter()
            .map(|(_, pattern)| paths.iter().map(|path| pattern.matches(path)).collect())
            .collect();
        let mut covered = 0;
        for ((named, one), takes) in patterns.iter().zip(&taken) {
            for ((other_named, other), other_takes) in patterns.iter().zip(&taken) {
                let all = other_takes.iter().zip(takes).all(|(other, own)| !other || *own);
                assert_eq!(one.covers(other), all, "{named} covers {other_named}");
                covered += usize::from(all);
            }
        }
        assert!(covered > patterns.len(), "{covered}");
    }
}
