//! Named values: `{{name}}` in a policy.

use std::collections::{BTreeMap, BTreeSet};

use super::yaml::Yaml;
use crate::document::Node;

/// The named values that are known, and those that a policy used.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    plain: BTreeMap<String, String>,
    secret: BTreeSet<String>,
    used: BTreeSet<String>,
    used_secrets: BTreeSet<String>,
}

impl Names {
    /// Reads `name: value`, or `name: {secret: true}`, of a YAML or JSON file.
    pub(crate) fn read(file: &Node) -> Self {
        let mut names = Self::default();
        for member in file.members() {
            match member.node.as_str() {
                Some(value) => {
                    names.plain.insert(member.name.clone(), value.to_owned());
                }
                None if member.node.get("secret").is_some_and(Node::is_true) => {
                    names.secret.insert(member.name.clone());
                }
                None => {
                    let text = member.node.to_json().to_string();
                    names.plain.insert(member.name.clone(), text);
                }
            }
        }
        names
    }

    /// A text with its named values: known ones are put in, others become `${name}` and come from the environment.
    pub(crate) fn resolve(&mut self, text: &str) -> String {
        let mut resolved = String::new();
        let mut rest = text;
        while let Some((before, (name, after))) =
            rest.split_once("{{").and_then(|(before, rest)| Some((before, rest.split_once("}}")?)))
        {
            resolved += &before.replace("${", "$${");
            resolved += &match self.plain.get(name.trim()) {
                Some(value) => value.replace("${", "$${"),
                None => {
                    self.used.insert(name.trim().to_owned());
                    format!("${{{}}}", identifier(name.trim()))
                }
            };
            rest = after;
        }
        resolved + &rest.replace("${", "$${")
    }

    /// The secret that a text is, where it is one named value that is a secret or not known.
    pub(crate) fn secret(&mut self, text: &str) -> Option<String> {
        let name = text.trim().strip_prefix("{{")?.strip_suffix("}}")?.trim();
        if !self.secret.contains(name) {
            return None;
        }
        Some(self.use_secret(name))
    }

    /// The secret for a secret position, whatever the named value is said to be.
    pub(crate) fn use_secret(&mut self, name: &str) -> String {
        self.used_secrets.insert(name.to_owned());
        identifier(name)
    }

    /// `values:` for those that come from the environment.
    pub(crate) fn values(&self) -> Vec<(String, Yaml)> {
        self.used.iter().map(|name| (identifier(name), from_environment(name))).collect()
    }

    /// `secrets:` for those that are used as such.
    pub(crate) fn secrets(&self) -> Vec<(String, Yaml)> {
        self.used_secrets.iter().map(|name| (identifier(name), from_environment(name))).collect()
    }
}

fn from_environment(name: &str) -> Yaml {
    Yaml::object([("env", Yaml::text(identifier(name).to_ascii_uppercase().replace('-', "_")))])
}

fn identifier(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).collect()
}
