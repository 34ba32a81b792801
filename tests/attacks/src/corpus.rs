//! The corpus as it is read from its files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::case::{Case, Family, Place, World};
use crate::keys::{self, Keys};

/// All cases, and what they need.
pub struct Corpus {
    /// The families in the order of their letters.
    pub families: Vec<Family>,
    /// What the cases need around them.
    pub world: World,
    /// Deviations that are known and may stay for a while.
    pub known: Known,
    /// The keys of this run.
    pub keys: Keys,
    /// Good tokens that have been made, by base, path and time.
    pub(crate) good: Mutex<BTreeMap<(String, String, u64), String>>,
}

/// Cases that do not come out as they should, with the reason, by suite.
pub type Known = BTreeMap<String, BTreeMap<String, String>>;

/// A kind of disagreement between Gatepass and Envoy's own `jwt_authn`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// What the two disagree about.
    pub what: String,
    /// Why Gatepass does what it does.
    pub why: String,
    /// The cases that show it.
    pub cases: BTreeSet<String>,
}

impl Corpus {
    /// Reads `corpus/` and makes the keys.
    ///
    /// # Panics
    /// Where a file cannot be read, or two cases have one id.
    pub fn load() -> Self {
        let mut families: Vec<Family> =
            ('A'..='Z').filter_map(|letter| optional(&format!("{letter}.yaml"))).collect();
        families.sort_by_key(|family| family.family);
        let mut ids = BTreeSet::new();
        for (family, case) in
            families.iter().flat_map(|family| family.cases.iter().map(move |case| (family, case)))
        {
            assert!(case.id.starts_with(&format!("{}-", family.family)), "{}: another family's id", case.id);
            assert!(ids.insert(&case.id), "{}: twice", case.id);
        }
        let world: World = read("world.yaml");
        let keys = keys::generate(&world.keys);
        let known = read("known.yaml");
        Self { families, world, known, keys, good: Mutex::default() }
    }

    /// The cases, family by family.
    pub fn cases(&self) -> impl Iterator<Item = &Case> {
        self.families.iter().flat_map(|family| &family.cases)
    }

    /// Those that are tried at a place.
    pub fn cases_at(&self, place: Place) -> impl Iterator<Item = &Case> {
        self.cases().filter(move |case| case.only.is_none_or(|only| only == place))
    }

    /// What Gatepass and `jwt_authn` are known to disagree about.
    pub fn differences() -> Vec<Difference> {
        read("differences.yaml")
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

fn optional<T: DeserializeOwned>(name: &str) -> Option<T> {
    folder().join(name).exists().then(|| read(name))
}

/// YAML by way of JSON: an enum's variant is a member's name, not a tag.
fn read<T: DeserializeOwned>(name: &str) -> T {
    let text = fs::read_to_string(folder().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut yaml: serde_yaml_ng::Value =
        serde_yaml_ng::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    yaml.apply_merge().unwrap();
    let json = serde_json::to_value(yaml).unwrap();
    serde_json::from_value(json).unwrap_or_else(|error| panic!("{name}: {error}"))
}
