//! `values`: what `${name}` stands for, in any string of the configuration. It is put in before anything is
//! compiled, once: neither a value nor an environment variable is looked through for further `${…}`.

use std::collections::BTreeMap;

use super::fault::{Fault, FaultKind, Path};
use super::{raw, tree};
use crate::environment::Environment;
use crate::json::Json;

const FIELD: &str = "values";

/// The values of a configuration, by name.
pub(super) struct Values {
    /// `None` for one with a fault, which has been reported.
    texts: BTreeMap<String, Option<String>>,
    /// The names of those that come from the environment and may be secrets.
    hidden: Vec<String>,
}

impl Values {
    /// Replaces every `${name}` in `configuration`.
    ///
    /// # Errors
    /// Variables that are not set, names that are not defined, and references that do not end.
    pub(super) fn resolve(configuration: &mut Json, environment: &Environment) -> Result<Self, Vec<Fault>> {
        let Json::Object(members) = configuration else {
            return Ok(Self { texts: BTreeMap::new(), hidden: Vec::new() });
        };
        let mut faults = Vec::new();
        let values = match members.get(FIELD) {
            Some(values) => Self::read(values, environment, &mut faults)?,
            None => Self { texts: BTreeMap::new(), hidden: Vec::new() },
        };
        for (name, member) in members.iter_mut().filter(|(name, _)| *name != FIELD) {
            values.put_into(member, &Path::root().member(name), &mut faults);
        }
        if faults.is_empty() { Ok(values) } else { Err(faults) }
    }

    fn read(values: &Json, environment: &Environment, faults: &mut Vec<Fault>) -> Result<Self, Vec<Fault>> {
        let root = Path::root().member(FIELD);
        let raw: BTreeMap<String, raw::Value> =
            tree::read(values, root.clone()).map_err(|fault| vec![fault])?;
        let mut hidden = Vec::new();
        let mut texts = BTreeMap::new();
        for (name, value) in raw {
            let path = root.member(&name);
            let text = match value {
                _ if !is_name(&name) => {
                    Err(FaultKind::Invalid("a value's name is letters, digits, `_` and `-`"))
                }
                raw::Value::Literal(text) if text.contains("${") => {
                    Err(FaultKind::Invalid("a value is taken as it is; within `values` there is no `${…}`"))
                }
                raw::Value::Literal(text) => Ok(text),
                raw::Value::Env(variable) => {
                    hidden.push(name.clone());
                    let set = environment.get(&variable).map(ToOwned::to_owned);
                    set.ok_or(FaultKind::VariableNotSet(variable))
                }
            };
            let text = text.map_err(|kind| faults.push(Fault::new(path, kind))).ok();
            texts.insert(name, text);
        }
        Ok(Self { texts, hidden })
    }

    fn put_into(&self, tree: &mut Json, path: &Path, faults: &mut Vec<Fault>) {
        match tree {
            Json::Null | Json::Bool(_) | Json::Number(_) => {}
            Json::String(text) if text.contains("${") => match self.resolved(text) {
                Ok(resolved) => *text = resolved,
                Err(kind) => faults.push(Fault::new(path.clone(), kind)),
            },
            Json::String(_) => {}
            Json::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.put_into(item, &path.item(index), faults);
                }
            }
            Json::Object(members) => {
                for (name, member) in members {
                    let path = path.member(name);
                    if name.contains("${") {
                        let why = "`${…}` stands for text in values, not in names";
                        faults.push(Fault::new(path.clone(), FaultKind::Invalid(why)));
                    }
                    self.put_into(member, &path, faults);
                }
            }
        }
    }

    /// `text` with its references replaced; `$${` is `${`.
    fn resolved(&self, text: &str) -> Result<String, FaultKind> {
        let mut resolved = String::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once("${") {
            if let Some(before) = before.strip_suffix('$') {
                resolved.push_str(before);
                resolved.push_str("${");
                rest = behind;
                continue;
            }
            let Some((name, behind)) = behind.split_once('}').filter(|(name, _)| is_name(name)) else {
                let why = "`${` begins a value's name, which is letters, digits, `_` and `-`, and ends with `}`; the two \
                           characters themselves are written `$${`";
                return Err(FaultKind::Invalid(why));
            };
            resolved.push_str(before);
            match self.texts.get(name) {
                Some(value) => resolved.push_str(value.as_deref().unwrap_or_default()),
                None => {
                    let defined = self.texts.keys().cloned().collect();
                    return Err(FaultKind::UnknownName { what: "value", name: name.to_owned(), defined });
                }
            }
            rest = behind;
        }
        resolved.push_str(rest);
        Ok(resolved)
    }

    /// Takes what came from the environment out of a fault: it may be a secret that slipped into a name's place.
    pub(super) fn hide(&self, mut fault: Fault) -> Fault {
        if let FaultKind::UnknownName { name: quoted, .. } = &mut fault.kind {
            for name in &self.hidden {
                let text = self.texts.get(name).and_then(Option::as_deref).unwrap_or_default();
                if !text.is_empty() && quoted.contains(text) {
                    *quoted = format!("${{{name}}}");
                }
            }
        }
        fault
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn resolve(text: &str) -> Result<Json, Vec<String>> {
        let environment =
            [("SET".to_owned(), "from ${a} $${".to_owned()), ("EMPTY".to_owned(), String::new())];
        let mut json = Json::parse(text.as_bytes()).unwrap();
        match Values::resolve(&mut json, &environment.into_iter().collect()) {
            Ok(_) => Ok(json),
            Err(faults) => Err(faults.iter().map(ToString::to_string).collect()),
        }
    }

    /// What `text` becomes where `a` is "A" and `env` comes from the environment.
    fn resolved(text: &str) -> Result<String, Vec<String>> {
        let values = r#"{"a": "A", "env": {"env": "SET"}, "none": {"env": "EMPTY"}}"#;
        let text = serde_json::to_string(text).unwrap();
        let json = resolve(&format!(r#"{{"values": {values}, "x": [{{"y": {text}}}]}}"#))?;
        let Json::Array(items) = &json.as_object().unwrap()["x"] else { panic!("{json:?}") };
        Ok(items[0].as_object().unwrap()["y"].as_str().unwrap().to_owned())
    }

    #[test]
    fn a_reference_stands_for_its_value_in_any_string_once() {
        for (text, expected) in [
            ("", ""),
            ("$", "$"),
            ("/odata/$batch}", "/odata/$batch}"),
            ("${a}", "A"),
            ("x${a}y${a}${none}z", "xAyAz"),
            ("${env}", "from ${a} $${"),
            ("$${a}", "${a}"),
            ("$$${a}", "$${a}"),
            ("$ ${a}", "$ A"),
            ("$${${a}}", "${A}"),
        ] {
            assert_eq!(resolved(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_reference_to_nothing_is_a_fault_with_its_place() {
        for (text, said) in [
            ("${b}", "there is no value named `b`, did you mean `a`?; defined: `a`, `env`, `none`"),
            ("${a", "`${` begins a value's name"),
            ("${}", "`${` begins a value's name"),
            ("${a b}", "`${` begins a value's name"),
            ("$${a}${", "`${` begins a value's name"),
        ] {
            let faults = resolved(text).unwrap_err();
            assert!(
                faults.len() == 1 && faults[0].starts_with(&format!("x[0].y: {said}")),
                "{text}: {faults:?}"
            );
        }
    }

    #[test]
    fn a_value_is_text_or_a_variable_that_is_set() {
        for (values, said) in [
            (r#"{"a": {"env": "UNSET"}}"#, "values.a: the environment variable `UNSET` is not set"),
            (r#"{"a": "${b}", "b": "B"}"#, "values.a: a value is taken as it is"),
            (r#"{"a b": "A"}"#, "values[\"a b\"]: a value's name is letters"),
            (r#"{"a": 5}"#, "values.a: expected a text, or an object with `env`, found a number"),
            (r#"{"a": {"enw": "A"}}"#, "values.a: unknown field `enw`, did you mean `env`?"),
            (r#"{"a": {}}"#, "values.a: the field `env` is missing"),
            ("[]", "values: expected a map, found a list"),
        ] {
            let faults = resolve(&format!(r#"{{"values": {values}}}"#)).unwrap_err();
            assert!(faults.len() == 1 && faults[0].starts_with(said), "{values}: {faults:?}");
        }
    }

    #[test]
    fn all_faults_are_told_and_a_name_is_no_place_for_a_reference() {
        let faults = resolve(r#"{"values": {"u": {"env": "U"}}, "x": {"${u}": "${u}"}, "y": "${z}"}"#);
        let faults = faults.unwrap_err();
        assert!(
            faults.len() == 3 && faults[1].starts_with("x[\"${u}\"]: `${…}` stands for text"),
            "{faults:?}"
        );
    }
}
