//! Changes to a request on its way to the backend.

use std::rc::Rc;

use http::HeaderValue;

use crate::header_name::HeaderName;

use crate::tokens::Sent;

/// Changes to a request. There is at most one for each header, the last that was asked for, so their order does not
/// matter and the host is called once for each.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Edits {
    path: Option<HeaderValue>,
    headers: Vec<(HeaderName, Option<HeaderValue>)>,
    filter_state: Vec<(Rc<str>, HeaderValue)>,
    destinations: Vec<Rc<[String]>>,
    sent: Vec<Sent>,
}

/// One change, as the host makes it.
#[derive(Debug, PartialEq, Eq)]
pub enum Edit<'e> {
    /// A header, or the pseudo header `:path`, is put in place of every one of its name.
    SetHeader(&'e str, &'e [u8]),
    /// Every header of this name is taken away.
    RemoveHeader(&'e str),
    /// Envoy's filter state of this name is set.
    SetFilterState(&'e str, &'e [u8]),
}

impl Edits {
    /// Puts a header in place of every one of its name. The value is never printed.
    pub fn set(&mut self, name: HeaderName, value: HeaderValue) {
        self.change(name, Some(secret(value)));
    }

    /// Takes every header of this name away.
    pub fn remove(&mut self, name: HeaderName) {
        self.change(name, None);
    }

    /// Puts another path, with its query, in place of the request's.
    pub fn set_path(&mut self, path: HeaderValue) {
        self.path = Some(secret(path));
    }

    /// The path that is put in place of the request's, if any.
    pub fn path(&self) -> Option<&[u8]> {
        self.path.as_ref().map(HeaderValue::as_bytes)
    }

    /// Sets a filter state.
    pub fn set_filter_state(&mut self, key: Rc<str>, value: HeaderValue) {
        self.filter_state.push((key, secret(value)));
    }

    /// Notes that a token goes out which can be replaced if the backend refuses it.
    pub fn note_sent(&mut self, sent: Sent) {
        self.sent.push(sent);
    }

    /// The tokens that go out and can be replaced.
    pub fn into_sent(self) -> Vec<Sent> {
        self.sent
    }

    /// Lets the request go to these clusters of Envoy's alone.
    pub fn restrict_to(&mut self, clusters: &Rc<[String]>) {
        self.destinations.push(Rc::clone(clusters));
    }

    /// Whether it matters where the request goes.
    pub const fn is_restricted(&self) -> bool {
        !self.destinations.is_empty()
    }

    /// Whether the request may go to this cluster of Envoy's.
    pub fn may_go_to(&self, cluster: &[u8]) -> bool {
        self.destinations.iter().all(|list| list.iter().any(|name| name.as_bytes() == cluster))
    }

    /// Makes the changes of `later` too, where they differ in place of these.
    pub fn extend(&mut self, later: Self) {
        self.path = later.path.or_else(|| self.path.take());
        if self.headers.is_empty() {
            self.headers = later.headers;
        } else {
            for (name, value) in later.headers {
                self.change(name, value);
            }
        }
        self.filter_state.extend(later.filter_state);
        self.destinations.extend(later.destinations);
        self.sent.extend(later.sent);
    }

    fn change(&mut self, name: HeaderName, value: Option<HeaderValue>) {
        match self.headers.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => self.headers.push((name, value)),
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Edit<'_>> {
        let path = self.path.iter().map(|path| Edit::SetHeader(":path", path.as_bytes()));
        let headers = self.headers.iter().map(|(name, value)| match value {
            Some(value) => Edit::SetHeader(name.as_str(), value.as_bytes()),
            None => Edit::RemoveHeader(name.as_str()),
        });
        let state = self.filter_state.iter().map(|(key, value)| Edit::SetFilterState(key, value.as_bytes()));
        path.chain(headers).chain(state)
    }
}

/// Tokens and claims: `Debug` prints none of them.
fn secret(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn the_last_change_of_a_header_holds() {
        let mut edits = Edits::default();
        edits.remove(HeaderName::AUTHORIZATION);
        edits.set(HeaderName::COOKIE, HeaderValue::from_static("a=1"));
        edits.set(HeaderName::AUTHORIZATION, HeaderValue::from_static("Bearer x"));
        edits.remove(HeaderName::COOKIE);
        let all: Vec<_> = edits.iter().collect();
        assert_eq!(all, [Edit::SetHeader("authorization", b"Bearer x"), Edit::RemoveHeader("cookie")]);
    }

    #[test]
    fn debug_prints_no_value() {
        let mut edits = Edits::default();
        edits.set(HeaderName::AUTHORIZATION, HeaderValue::from_static("canary"));
        edits.set_path(HeaderValue::from_static("/canary"));
        edits.set_filter_state("key".into(), HeaderValue::from_static("canary"));
        assert!(!format!("{edits:?}").contains("canary"));
        assert_eq!(edits.iter().count(), 3);
    }
}
