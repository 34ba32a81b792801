#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use std::rc::Rc;
use std::time::Duration;

use super::{Definition, Get, KeyVault, MAX_AGE, MAX_AGE_DENIED, Origin, Progress, Secrets, Vault, secret};
use crate::calls::{Answer, CallFailure, CallRequest, Jitter, Unusable};
use crate::secret::SecretString;
use crate::time::{Monotonic, Now, UnixTime};
use crate::tokens::{self, AssignedIdentity, Imds, Source};

const REFRESH: Duration = Duration::from_secs(30);
const HOUR: Duration = Duration::from_secs(3_600);

fn file(path: &str) -> Rc<Definition> {
    let origin = Origin::File { cluster: "files".into(), path: path.into(), refresh: REFRESH };
    Rc::new(Definition::new("key", origin))
}

fn vault() -> Rc<Definition> {
    let vault = Vault::parse("https://contoso.vault.azure.net").unwrap();
    let imds = Source::Imds(Imds { cluster: "imds".into(), identity: AssignedIdentity::System });
    let token = Rc::new(tokens::Definition::new("gateway", imds, &vault.target()).unwrap());
    let (name, cluster) = ("functions-key".into(), "vault".into());
    let origin = KeyVault { vault, name, version: None, cluster, token, refresh: 4 * HOUR };
    Rc::new(Definition::new("functions", Origin::KeyVault(origin)))
}

fn answer(status: u16, body: &str) -> Answer {
    Answer { status, retry_after: None, challenge: None, body: body.as_bytes().to_vec() }
}

/// One VM, a secret, and what the question for a vault's token is answered with.
struct Vm {
    secrets: Secrets,
    definition: Rc<Definition>,
    token: Result<SecretString, Option<Duration>>,
    now: Duration,
}

impl Vm {
    fn new(definition: Rc<Definition>) -> Self {
        let mut secrets = Secrets::default();
        secrets.install(&definition);
        let token = Ok(SecretString::new("vault-token".into()));
        Self { secrets, definition, token, now: 10 * HOUR }
    }

    fn now(&self) -> Now {
        Now { monotonic: Monotonic::default().after(self.now), wall: UnixTime::from_seconds(1_800_000_000) }
    }

    /// The value that a request gets now; `Err` with the seconds to wait, or with none while it waits.
    fn get(&mut self) -> Result<String, Option<u64>> {
        let now = self.now();
        match self.secrets.get(&self.definition, now) {
            Get::Value(value) => Ok(value.expose().to_owned()),
            Get::Wait => Err(None),
            Get::Unavailable(wait) => Err(Some(wait.as_secs())),
        }
    }

    fn calls(&mut self) -> Vec<CallRequest> {
        let (now, token) = (self.now(), self.token.clone());
        let due = self.secrets.due(|_| token.clone(), now);
        due.calls.into_iter().map(|(_, request)| request).collect()
    }

    fn answer(&mut self, status: u16, body: &str) -> Progress {
        let of = self.definition.fingerprint;
        self.secrets.answered(of, Ok(&answer(status, body)), self.now(), &mut Jitter::new(7)).unwrap()
    }

    /// The secret is read for the first time.
    fn read(mut self, body: &str) -> Self {
        assert_eq!((self.get(), self.calls().len()), (Err(None), 1));
        assert_eq!(self.answer(200, body), Progress::Fetched { changed: true });
        self
    }
}

fn from_vault(value: &str) -> String {
    format!(r#"{{"value":"{value}","id":"x","attributes":{{"enabled":true,"created":1}}}}"#)
}

#[test]
fn a_fixed_secret_is_at_hand() {
    let mut vm = Vm::new(Rc::new(Definition::new("x", Origin::Fixed(SecretString::new("s".into())))));
    assert_eq!((vm.get(), vm.calls().len()), (Ok("s".into()), 0));
    let (of, now) = (vm.definition.fingerprint, vm.now());
    assert!(matches!(vm.secrets.input(of, now), Get::Value(value) if value.expose() == "s"));
}

#[test]
fn one_call_reads_a_file_for_all_and_none_is_made_before_it_is_asked_for() {
    let mut vm = Vm::new(file("/key"));
    assert_eq!(vm.calls().len(), 0);
    for _ in 0..10 {
        assert_eq!(vm.get(), Err(None));
    }
    let calls = vm.calls();
    assert_eq!((calls.len(), vm.calls().len()), (1, 0));
    assert_eq!((calls[0].cluster.as_str(), calls[0].url.path.as_str()), ("files", "/key"));
    vm.answer(200, "s3cret\n");
    assert_eq!(vm.get(), Ok("s3cret".into()));
}

#[test]
fn one_newline_at_the_end_is_not_part_of_a_secret() {
    for (text, value) in
        [("a", "a"), ("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), (" a \n", " a "), ("a\r", "a\r")]
    {
        assert_eq!(secret(text).unwrap().expose(), value, "{text:?}");
    }
    for text in ["", "\n", "\r\n", &"x".repeat(65_537)] {
        assert_eq!(secret(text), None);
    }
    assert!(secret(&"x".repeat(65_536)).is_some());
}

#[test]
fn a_file_is_read_again_while_it_is_in_use_and_its_new_value_is_taken() {
    let mut vm = Vm::new(file("/key")).read("one");
    vm.now += REFRESH;
    assert_eq!(vm.calls().len(), 0, "nobody has asked since");
    assert_eq!((vm.get(), vm.calls().len()), (Ok("one".into()), 1));
    assert_eq!(vm.answer(200, "one"), Progress::Fetched { changed: false });
    vm.now += REFRESH / 2;
    let _ = vm.get();
    vm.now += REFRESH / 2;
    assert_eq!(vm.calls().len(), 1);
    assert_eq!(vm.get(), Ok("one".into()), "nobody waits for a refresh");
    assert_eq!(vm.answer(200, "two"), Progress::Fetched { changed: true });
    assert_eq!(vm.get(), Ok("two".into()));
}

#[test]
fn a_value_that_nobody_has_looked_after_is_read_again_before_it_is_used() {
    let mut vm = Vm::new(file("/key")).read("one");
    vm.now += 2 * REFRESH;
    assert_eq!((vm.get(), vm.calls().len()), (Err(None), 1));
    vm.answer(500, "");
    assert_eq!(vm.get(), Ok("one".into()), "it is better than none");
}

#[test]
fn who_refuses_a_secret_has_it_read_again_at_once() {
    let mut vm = Vm::new(file("/key")).read("one");
    vm.secrets.reread(vm.definition.fingerprint);
    assert_eq!((vm.calls().len(), vm.calls().len()), (1, 0));
    assert_eq!(vm.answer(200, "one"), Progress::Fetched { changed: false });
    assert_eq!(vm.calls().len(), 0);
}

#[test]
fn the_last_value_outlives_failures_for_a_day() {
    let mut vm = Vm::new(file("/key")).read("one");
    let mut tries = 0;
    let end = vm.now + MAX_AGE;
    while vm.now + REFRESH < end {
        vm.now += REFRESH;
        assert_eq!(vm.get(), Ok("one".into()));
        if !vm.calls().is_empty() {
            tries += 1;
            vm.answer(500, "");
        }
    }
    assert!(tries > 1_000, "{tries}");
    vm.now = end;
    assert!(vm.get().is_err());
}

#[test]
fn a_denied_value_ends_after_a_quarter_of_an_hour_and_not_before() {
    let disabled = r#"{"value":"x","attributes":{"enabled":false}}"#;
    for (status, body) in [(403, "{}"), (404, "{}"), (401, ""), (200, disabled)] {
        let mut vm = Vm::new(vault()).read(&from_vault("one"));
        vm.now += 4 * HOUR;
        let _ = vm.get();
        assert_eq!(vm.calls().len(), 1);
        vm.answer(status, body);
        vm.now += MAX_AGE_DENIED / 2;
        assert_eq!((vm.get(), vm.calls().len()), (Ok("one".into()), 1));
        // An outage afterwards does not give it another day.
        vm.answer(503, "");
        vm.now += MAX_AGE_DENIED / 2 - Duration::from_secs(1);
        assert_eq!(vm.get(), Ok("one".into()));
        vm.now += Duration::from_secs(1);
        assert!(vm.get().is_err(), "{status}");
        while vm.calls().is_empty() {
            vm.now += REFRESH;
            let _ = vm.get();
        }
        vm.answer(200, &from_vault("two"));
        assert_eq!(vm.get(), Ok("two".into()));
    }
}

#[test]
fn an_outage_of_a_vault_does_not_end_a_value_that_a_denial_would() {
    let mut vm = Vm::new(vault()).read(&from_vault("one"));
    vm.now += 4 * HOUR;
    let _ = (vm.get(), vm.calls(), vm.answer(503, ""));
    vm.now += 19 * HOUR;
    assert_eq!(vm.get(), Ok("one".into()));
}

#[test]
fn a_vault_is_asked_as_its_rest_api_says() {
    let mut vm = Vm::new(vault());
    let _ = vm.get();
    let calls = vm.calls();
    assert_eq!(calls[0].url.authority, "contoso.vault.azure.net");
    assert_eq!(calls[0].url.path, "/secrets/functions-key?api-version=7.4");
    assert!(calls[0].url.https);
    assert_eq!(calls[0].header("authorization"), Some("Bearer vault-token"));
    let printed =
        format!("{calls:?} {:?} {:?}", vm.definition, Get::Value(&SecretString::new("canary".into())));
    assert!(!printed.contains("vault-token") && !printed.contains("canary"), "{printed}");
}

#[test]
fn without_a_token_a_vault_is_not_asked() {
    let mut vm = Vm::new(vault());
    vm.token = Err(None);
    assert_eq!((vm.get(), vm.calls().len(), vm.get()), (Err(None), 0, Err(None)));
    vm.token = Err(Some(Duration::from_secs(40)));
    let now = vm.now();
    let failed = vm.secrets.due(|_| Err(Some(Duration::from_secs(40))), now).failed;
    assert_eq!(failed, [(vm.definition.fingerprint, CallFailure::NoToken)]);
    assert_eq!((vm.get(), vm.calls().len()), (Err(Some(40)), 0));
    vm.token = Ok(SecretString::new("t".into()));
    vm.now += Duration::from_secs(40);
    assert_eq!((vm.get(), vm.calls().len()), (Err(None), 1));
}

#[test]
fn what_is_no_secret_is_a_failure_and_tried_again() {
    let mut vm = Vm::new(file("/key"));
    let _ = vm.get();
    for (status, body, failure) in [
        (404, "x", CallFailure::Status(404)),
        (302, "x", CallFailure::Status(302)),
        (200, "", CallFailure::Unusable(Unusable::NoSecret)),
        (200, "\n", CallFailure::Unusable(Unusable::NoSecret)),
    ] {
        let call = (0..100).any(|_| {
            vm.now += Duration::from_millis(100);
            let _ = vm.get();
            !vm.calls().is_empty()
        });
        assert!(call, "{status}");
        assert_eq!(vm.answer(status, body), Progress::Failed(failure));
        assert_eq!(vm.get(), Err(None), "a near try is waited for");
    }
}

#[test]
fn equal_definitions_share_a_value_and_others_never_do() {
    assert_eq!(file("/a").fingerprint, file("/a").fingerprint);
    assert_ne!(file("/a").fingerprint, file("/b").fingerprint);
    assert_ne!(file("/a").fingerprint, vault().fingerprint);
    let mut vm = Vm::new(file("/a")).read("one");
    let other = file("/b");
    let now = vm.now();
    assert_eq!(vm.secrets.get(&other, now), Get::Wait);
}

#[test]
fn a_value_lives_as_long_as_one_configuration_has_it() {
    let mut vm = Vm::new(file("/a")).read("one");
    let next = file("/a");
    vm.secrets.install(&next);
    vm.definition = next;
    let _ = vm.calls();
    assert_eq!(vm.get(), Ok("one".into()));
    // The configuration that had it is gone.
    let of = vm.definition.fingerprint;
    vm.definition = file("/b");
    let _ = vm.calls();
    assert!(matches!(vm.secrets.input(of, vm.now()), Get::Unavailable(_)));
}

#[test]
fn a_call_that_went_with_its_root_is_made_again() {
    let mut vm = Vm::new(file("/a"));
    let _ = vm.get();
    assert_eq!((vm.calls().len(), vm.calls().len()), (1, 0));
    vm.secrets.lost(vm.definition.fingerprint);
    assert_eq!(vm.calls().len(), 1);
}
