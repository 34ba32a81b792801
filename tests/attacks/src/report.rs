//! What came out of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;

use serde::Serialize;
use serde_json::{Map, Value};

/// The outcome of one suite. The lists hold the cases' ids; those under `known` are in no other list.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// What was run, and against what.
    pub suite: String,
    /// How many cases were sent.
    pub tried: usize,
    /// How many requests were made out of cases at run time, beside them.
    pub generated: usize,
    /// Their controls were refused, so that they prove nothing.
    pub void: BTreeSet<String>,
    /// Let pass, and should not have been.
    pub wrongly_accepted: BTreeSet<String>,
    /// Refused, and should not have been.
    pub wrongly_rejected: BTreeSet<String>,
    /// Refused with another status.
    pub wrong_status: BTreeSet<String>,
    /// Refused with the right status for another reason.
    pub wrong_reason: BTreeSet<String>,
    /// Let pass, and the backend got what it should not, or not what it should.
    pub wrongly_forwarded: BTreeSet<String>,
    /// Deviations that are known, with the reason.
    pub known: BTreeMap<String, String>,
    /// Known deviations that were not seen: a surprise like any other.
    pub unexpected_pass: BTreeSet<String>,
    /// Cases that are not for this suite.
    pub skipped: BTreeSet<String>,
    /// What was wrong with each case, in words.
    pub details: Vec<String>,
    /// Envoy's version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub envoy_version: Option<String>,
    /// The module's SHA-256.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wasm_sha256: Option<String>,
    /// The commit that was tested, with a `+` where the checkout had changes.
    pub commit: String,
}

impl Report {
    /// A report in which nothing has been tried.
    pub fn new(suite: &str, known: &BTreeMap<String, BTreeMap<String, String>>) -> Self {
        let known = known.get(suite).cloned().unwrap_or_default();
        let unexpected_pass = known.keys().cloned().collect();
        Self { suite: suite.to_owned(), known, unexpected_pass, commit: commit(), ..Self::default() }
    }

    /// Takes in what became of a case. `expected` and `got` are a status, and behind it a reason where there is
    /// one; a reason that is not expected to be anything is not looked at.
    pub fn judge(&mut self, id: &str, expected: &str, got: &str) {
        self.tried += 1;
        let is_one = |one: &str| one == got || (!one.contains(' ') && got.split(' ').next() == Some(one));
        if expected.split(" or ").any(is_one) {
            return;
        }
        let first = expected.split(" or ").next().unwrap_or_default();
        let status = first.split(' ').next().unwrap_or_default();
        let got_status = got.split(' ').next().unwrap_or_default();
        let list = match (status == "200", got_status == "200") {
            (false, true) => &mut self.wrongly_accepted,
            (true, false) => &mut self.wrongly_rejected,
            _ if status != got_status => &mut self.wrong_status,
            _ => &mut self.wrong_reason,
        };
        if self.known.contains_key(id) {
            self.unexpected_pass.remove(id);
            return;
        }
        list.insert(id.to_owned());
        self.details.push(format!("{id}: {expected} was expected, {got} came"));
    }

    /// Takes in what is wrong with what the backend got of a case.
    pub fn forwarded(&mut self, id: &str, fault: Option<String>) {
        if let Some(fault) = fault {
            self.wrongly_forwarded.insert(id.to_owned());
            self.details.push(fault);
        }
    }

    /// The control of a case was not let pass.
    pub fn void(&mut self, id: &str, got: &str) {
        self.void.insert(id.to_owned());
        self.details.push(format!("{id}: the control got {got}"));
    }

    /// Notes against which Envoy and which module it ran.
    pub fn ran_on(&mut self, envoy_version: &str, module: &std::path::Path) {
        self.envoy_version = Some(envoy_version.to_owned());
        let digest = hmac_sha256::Hash::hash(&fs::read(module).unwrap());
        self.wasm_sha256 = Some(digest.iter().map(|byte| format!("{byte:02x}")).collect());
    }

    /// Writes it to `target/attacks/report.json`, beside the other suites', and fails if there is a surprise in it.
    ///
    /// # Panics
    /// If something did not come out as it should.
    pub fn finish(self) {
        self.save();
        let surprises = [
            &self.void,
            &self.wrongly_accepted,
            &self.wrongly_rejected,
            &self.wrong_status,
            &self.wrong_reason,
            &self.wrongly_forwarded,
            &self.unexpected_pass,
        ];
        let count: usize = surprises.iter().map(|ids| ids.len()).sum();
        println!("{}: {} cases and {} generated, {count} surprises", self.suite, self.tried, self.generated);
        assert_eq!(count, 0, "{:#?}, passed though known not to: {:?}", self.details, self.unexpected_pass);
    }

    /// What the README says of it: how many were tried, wrongly accepted, wrongly rejected.
    pub fn figures(&self) -> [usize; 3] {
        [self.tried + self.generated, self.wrongly_accepted.len(), self.wrongly_rejected.len()]
    }

    /// Writes it to the same file, whatever is in it.
    ///
    /// # Panics
    /// If the file cannot be written.
    pub fn save(&self) {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _guard = ONE_AT_A_TIME.lock().unwrap();
        let file = target().join("attacks/report.json");
        let old = fs::read(&file).ok().and_then(|json| serde_json::from_slice(&json).ok());
        let mut suites: Map<String, Value> = old.unwrap_or_default();
        suites.insert(self.suite.clone(), serde_json::to_value(self).unwrap());
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, serde_json::to_string_pretty(&suites).unwrap()).unwrap();
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The folder of what is built.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).current_dir(root()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let changed =
        git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|text| !text.is_empty());
    git(&["rev-parse", "HEAD"]).map_or_else(String::new, |head| head + if changed { "+" } else { "" })
}
