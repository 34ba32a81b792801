//! The environment variables of the process that we run in, as far as the host hands them in.

use std::collections::BTreeMap;
use std::fmt;

use crate::collect::one_by_one;
use crate::secret::SecretString;

/// Environment variables by name. Any of them may be a secret, so `Debug` prints the names alone.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, SecretString>);

impl Environment {
    /// The value of a variable, if it is set. Each use of this is a place to look at in a review.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(SecretString::expose)
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self(one_by_one(variables.into_iter().map(|(name, value)| (name, SecretString::new(value)))))
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Environment").field(&self.0.keys().collect::<Vec<_>>()).finish()
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn debug_prints_the_names_only() {
        let environment: Environment = [("NAME".to_owned(), "canary".to_owned())].into_iter().collect();
        assert_eq!(format!("{environment:?}"), r#"Environment(["NAME"])"#);
        assert_eq!(environment.get("NAME"), Some("canary"));
        assert_eq!(environment.get("OTHER"), None);
    }
}
