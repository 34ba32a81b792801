use std::borrow::Cow;

const DEFAULT: &str = "/.default";

/// What a token is for, as the operator says it. Each endpoint has its own word for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// An API of Entra: its App ID URI or client id.
    Resource(String),
    /// One or more scopes (RFC 6749, section 3.3).
    Scope(String),
    /// An audience, as some authorization servers take one.
    Audience(String),
}

impl Target {
    /// The value of `resource`, which managed identities and Entra's v1 endpoint want: without `/.default`, a slash
    /// before that kept.
    ///
    /// # Errors
    /// What to write instead.
    pub fn resource(&self) -> Result<&str, &'static str> {
        match self {
            Self::Resource(resource) => Ok(resource.strip_suffix(DEFAULT).unwrap_or(resource)),
            Self::Scope(scope) => scope
                .strip_suffix(DEFAULT)
                .filter(|resource| !resource.contains(' '))
                .ok_or("this identity gets tokens for a whole resource: write `resource`, or one scope that ends with `/.default`"),
            Self::Audience(_) => Err(NO_AUDIENCE),
        }
    }

    /// The value of `scope`, which Entra's v2 endpoint wants: one resource with `/.default`.
    ///
    /// # Errors
    /// What to write instead.
    pub fn entra_scope(&self) -> Result<Cow<'_, str>, &'static str> {
        match self {
            Self::Resource(resource) if resource.ends_with(DEFAULT) => Ok(Cow::Borrowed(resource)),
            Self::Resource(resource) => Ok(Cow::Owned(format!("{resource}{DEFAULT}"))),
            Self::Scope(_) => self.resource().map(|resource| Cow::Owned(format!("{resource}{DEFAULT}"))),
            Self::Audience(_) => Err(NO_AUDIENCE),
        }
    }

    /// The parameter as it is configured, for endpoints that are not Azure's.
    pub fn parameter(&self) -> (&'static str, &str) {
        match self {
            Self::Resource(value) => ("resource", value),
            Self::Scope(value) => ("scope", value),
            Self::Audience(value) => ("audience", value),
        }
    }
}

const NO_AUDIENCE: &str = "Azure's endpoints take no `audience`: write `resource`";

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn resource(text: &str) -> Target {
        Target::Resource(text.into())
    }

    fn scope(text: &str) -> Target {
        Target::Scope(text.into())
    }

    #[test]
    fn a_resource_and_its_default_scope_are_two_words_for_one_thing() {
        for (resource, scope) in [
            ("api://a", "api://a/.default"),
            ("https://x/", "https://x//.default"),
            ("0f1e", "0f1e/.default"),
        ] {
            for target in [Target::Resource(resource.into()), Target::Scope(scope.into())] {
                assert_eq!(target.resource(), Ok(resource));
                assert_eq!(target.entra_scope().as_deref(), Ok(scope));
            }
        }
        assert_eq!(resource("api://a/.default").resource(), Ok("api://a"));
        assert_eq!(resource("api://a/.default").entra_scope().as_deref(), Ok("api://a/.default"));
    }

    #[test]
    fn what_azure_cannot_give_is_refused() {
        for target in [scope("api://a/Read"), scope("api://a/.default api://b/.default"), scope("api://a")] {
            assert!(target.resource().is_err() && target.entra_scope().is_err(), "{target:?}");
        }
        let audience = Target::Audience("a".into());
        assert!(audience.resource().is_err() && audience.entra_scope().is_err());
    }

    #[test]
    fn other_endpoints_get_what_is_configured() {
        assert_eq!(scope("a b").parameter(), ("scope", "a b"));
        assert_eq!(resource("api://a").parameter(), ("resource", "api://a"));
        assert_eq!(Target::Audience("x".into()).parameter(), ("audience", "x"));
    }
}
