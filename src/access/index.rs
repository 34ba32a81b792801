use super::Matcher;
use super::path::Segment;
use super::segments::segments;
use crate::access::Target;

/// Finds the first operation that a request is, without a look at all of them: a tree of the paths' segments leads to
/// those that come into question, and each of these is asked itself. So the tree decides nothing; a property test
/// holds it equal to a scan.
#[derive(Debug, Default)]
pub struct Index(Node);

/// Segments below this depth are not told apart, so that no configuration makes the tree deep.
const MAX_DEPTH: usize = 24;

#[derive(Debug, Default)]
struct Node {
    /// What follows, by literal segments in lower case, sorted: a look takes few comparisons, and one entry little room.
    literals: Vec<(Box<str>, Box<Self>)>,
    /// What follows behind any segment.
    parameter: Option<Box<Self>>,
    /// Operations whose paths end here, in order.
    here: Vec<usize>,
    /// Operations whose paths may go on below, in order.
    below: Vec<usize>,
}

/// What the tree is asked for: one segment of a request's path or of another operation's.
#[derive(Clone, Copy)]
enum Step<'s> {
    /// This text, in lower case.
    Text(&'s str),
    /// Whatever stands there.
    Any,
}

impl Index {
    /// Adds an operation by its number, which is greater than those before.
    pub fn push(&mut self, number: usize, matcher: &Matcher) {
        self.0.insert(matcher.path.segments(), matcher.path.goes_on_below(), MAX_DEPTH, number);
    }

    /// The first operation that `target` is; `matcher` gives each by its number.
    pub fn find<'m>(
        &self,
        target: &Target<'_>,
        matcher: impl Fn(usize) -> Option<&'m Matcher>,
    ) -> Option<usize> {
        let path = target.path.as_str();
        let path = path.strip_suffix('/').unwrap_or(path);
        let lower;
        let path = match path.bytes().any(|byte| byte.is_ascii_uppercase()) {
            true => {
                lower = path.to_ascii_lowercase();
                lower.as_str()
            }
            false => path,
        };
        let is_it = |index| matcher(index).is_some_and(|matcher| matcher.matches(target));
        self.0.first(&mut segments(path).map(Step::Text), &is_it, usize::MAX)
    }

    /// The first operation that takes every request of `other`.
    pub fn find_covering<'m>(
        &self,
        other: &Matcher,
        matcher: impl Fn(usize) -> Option<&'m Matcher>,
    ) -> Option<usize> {
        let lower: Vec<_> = other
            .path
            .segments()
            .iter()
            .map(|segment| match segment {
                Segment::Literal(text) => Some(text.to_ascii_lowercase()),
                Segment::Parameter(_) => None,
            })
            .collect();
        let mut steps = lower.iter().map(|segment| segment.as_deref().map_or(Step::Any, Step::Text));
        let is_it = |index| matcher(index).is_some_and(|matcher| matcher.covers(other));
        self.0.first(&mut steps, &is_it, usize::MAX)
    }
}

impl Node {
    fn insert(&mut self, segments: &[Segment], goes_on: bool, depth: usize, number: usize) {
        let (Some((segment, rest)), Some(depth)) = (segments.split_first(), depth.checked_sub(1)) else {
            let goes_on = goes_on || !segments.is_empty();
            if goes_on { &mut self.below } else { &mut self.here }.push(number);
            return;
        };
        let next = match segment {
            Segment::Literal(text) => {
                let text = text.to_ascii_lowercase();
                let place = self.place(&text).unwrap_or_else(|place| {
                    self.literals.insert(place, (text.into(), Box::default()));
                    place
                });
                self.literals.get_mut(place).map(|(_, next)| next)
            }
            Segment::Parameter(_) => Some(self.parameter.get_or_insert_default()),
        };
        match next {
            Some(next) => next.insert(rest, goes_on, depth, number),
            None => self.below.push(number),
        }
    }

    /// Where a literal is, or belongs.
    fn place(&self, text: &str) -> Result<usize, usize> {
        self.literals.binary_search_by(|(literal, _)| literal.as_ref().cmp(text))
    }

    /// The first of the operations on the way of `steps` that `is_it` takes, if it is before `limit`.
    fn first<'s>(
        &self,
        steps: &mut (impl Iterator<Item = Step<'s>> + Clone),
        is_it: &impl Fn(usize) -> bool,
        limit: usize,
    ) -> Option<usize> {
        let earliest = |operations: &[usize], limit: usize| {
            operations.iter().copied().take_while(|index| *index < limit).find(|index| is_it(*index))
        };
        let mut found = earliest(&self.below, limit);
        let limit = |found: Option<usize>| found.unwrap_or(limit);
        let Some(step) = steps.next() else { return earliest(&self.here, limit(found)).or(found) };
        if let Step::Text(text) = step
            && let Ok(place) = self.place(text)
            && let Some((_, next)) = self.literals.get(place)
        {
            found = next.first(&mut steps.clone(), is_it, limit(found)).or(found);
        }
        if let Some(next) = &self.parameter {
            found = next.first(steps, is_it, limit(found)).or(found);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::access::{Ambiguities, CanonicalPath, HostPattern, PathPattern, PathRules};

    /// Marsaglia's xorshift: a test that fails today fails tomorrow.
    struct Random(u64);

    impl Random {
        fn below(&mut self, limit: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            usize::try_from(self.0 % u64::try_from(limit).unwrap()).unwrap()
        }

        fn one_of<T: Copy>(&mut self, items: &[T]) -> T {
            items[self.below(items.len())]
        }

        fn path(&mut self, words: &[&str]) -> String {
            let longest = if self.below(20) == 0 { 2 * MAX_DEPTH } else { 4 };
            let segments = self.below(longest);
            let mut path: String = (0..segments).map(|_| format!("/{}", self.one_of(words))).collect();
            if path.is_empty() || self.below(4) == 0 {
                path.push('/');
            }
            path
        }

        fn matcher(&mut self) -> Matcher {
            let allow = self.one_of(&[Ambiguities::NONE, Ambiguities::NONE, Ambiguities::ALL]);
            let (case_sensitive, trailing_slash) = (self.below(2) == 0, self.below(2) == 0);
            let rules = PathRules { case_sensitive, trailing_slash, allow };
            let mut words = vec!["a", "B", "c"];
            words.extend(if allow == Ambiguities::ALL { vec!["a%2Fb", "a;b"] } else { vec![] });
            let path = match self.below(3) {
                0 => PathPattern::exact(&self.path(&words), rules).unwrap(),
                1 => PathPattern::prefix(&self.path(&words), rules).unwrap(),
                _ => {
                    words.extend(["{}", "{}"]);
                    let mut pieces = self.path(&words);
                    for name in 0..pieces.matches("{}").count() {
                        pieces = pieces.replacen("{}", &format!("{{p{name}}}"), 1);
                    }
                    PathPattern::template(&pieces, rules).unwrap()
                }
            };
            let methods = self.one_of(&[&[][..], &[][..], &["GET"][..], &["GET", "PUT"][..]]);
            let hosts = self.one_of(&[&[][..], &[][..], &["a.x"][..], &["*.x"][..]]);
            Matcher {
                methods: methods.iter().map(ToString::to_string).collect(),
                hosts: hosts.iter().map(|host| HostPattern::parse(host).unwrap()).collect(),
                cors_preflight: self.below(10) == 0,
                path,
            }
        }
    }

    #[test]
    fn a_path_deeper_than_the_tree_is_found_too() {
        let path = "/a".repeat(MAX_DEPTH + 6);
        for pattern in [
            PathPattern::exact(&path, PathRules::default()),
            PathPattern::prefix(&path, PathRules::default()),
        ] {
            let matcher = Matcher {
                methods: Vec::new(),
                hosts: Vec::new(),
                cors_preflight: false,
                path: pattern.unwrap(),
            };
            let mut index = Index::default();
            index.push(0, &matcher);
            let find = |text: &str| {
                let path = CanonicalPath::read(text.as_bytes()).unwrap();
                let target = Target { method: "GET", host: None, path, is_cors_preflight: false };
                index.find(&target, |_| Some(&matcher))
            };
            assert_eq!((find(&path), find(&path[2..])), (Some(0), None));
            assert_eq!(index.find_covering(&matcher, |_| Some(&matcher)), Some(0));
        }
    }

    /// Above all: an operation that does not allow an ambiguity never gets a path that has it.
    #[test]
    fn the_index_finds_what_a_scan_finds() {
        let mut random = Random(0x5eed);
        let (mut found, mut not_found, mut covered, mut ambiguous) = (0, 0, 0, 0);
        for _ in 0..400 {
            let count = 1 + random.below(30);
            let matchers: Vec<_> = (0..count).map(|_| random.matcher()).collect();
            let mut index = Index::default();
            for (number, matcher) in matchers.iter().enumerate() {
                let scanned = matchers[..number].iter().position(|earlier| earlier.covers(matcher));
                assert_eq!(index.find_covering(matcher, |number| matchers.get(number)), scanned);
                covered += usize::from(scanned.is_some());
                index.push(number, matcher);
            }
            for _ in 0..60 {
                let path = random.path(&["a", "A", "b", "c", "d", "a%2Fb", "a;b", "100%25"]);
                let Ok(path) = CanonicalPath::read_allowing(Ambiguities::ALL, path.as_bytes()) else {
                    continue;
                };
                let method = random.one_of(&["GET", "PUT", "OPTIONS"]);
                let host = random.one_of(&[None, Some("a.x"), Some("b.x"), Some("b")]);
                let target = Target { method, host, path, is_cors_preflight: random.below(2) == 0 };
                let scanned = matchers.iter().position(|matcher| matcher.matches(&target));
                let indexed = index.find(&target, |number| matchers.get(number));
                assert_eq!(indexed, scanned, "{target:?} in {matchers:?}");
                match scanned {
                    None => not_found += 1,
                    Some(number) if target.path.ambiguous().is_some() => {
                        ambiguous += 1;
                        assert_eq!(matchers[number].path.rules().allow, Ambiguities::ALL);
                    }
                    Some(_) => found += 1,
                }
            }
        }
        assert!(
            found > 5_000 && not_found > 1_000 && covered > 500 && ambiguous > 300,
            "{found} {not_found} {covered} {ambiguous}"
        );
    }
}
