//! A backend refuses a token: when it is replaced, by whom, and how often.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::calls::{CallRequest, Url};
use crate::tokens::entry::{key, seal};
use crate::tokens::{ClientCredentials, Credential, Dialect, Eagerness, Sent};

/// The client secret is at hand.
struct OneSecret;

impl Inputs for OneSecret {
    fn secret(&mut self, _: Fingerprint, _: Now) -> Result<SecretString, Option<Duration>> {
        Ok(SecretString::new("s3cret".into()))
    }
}

impl Random for OneSecret {
    fn seed(&mut self) -> Option<[u8; 32]> {
        None
    }
}

fn client_credentials(dialect: Dialect) -> Rc<Definition> {
    let client = ClientCredentials {
        cluster: "login".into(),
        token_url: Url::parse("https://login.example/token").unwrap(),
        dialect,
        client_id: "client".into(),
        credential: Credential::Secret(Fingerprint::of(&["secret"])),
        parameters: Vec::new(),
    };
    let source = Source::ClientCredentials(Box::new(client));
    Rc::new(Definition::new("partner", source, &Target::Resource("api://a".into())).unwrap())
}

/// The VMs of one Envoy, and their clock in milliseconds.
struct Envoy {
    definition: Rc<Definition>,
    vms: Vec<(Lease, Tokens)>,
    store: Memory,
    now: u64,
    sent: Vec<CallRequest>,
}

impl Envoy {
    fn of(definition: Rc<Definition>, workers: u64) -> Self {
        let vms = (1..=workers).map(|owner| (Lease::new(owner), Tokens::default())).collect();
        Self { definition, vms, store: Memory::default(), now: 1_000_000, sent: Vec::new() }
    }

    /// Workers that hold the token `old`, which is `age` seconds old and lives for an hour.
    fn with_token(workers: u64, age: u64) -> Self {
        let mut envoy = Self::of(client_credentials(Dialect::EntraV2), workers);
        assert_eq!(envoy.get(0), None);
        assert_eq!(envoy.due(0), 1);
        envoy.answer(0, &token_answer("old", 3_600));
        for vm in 0..envoy.vms.len() {
            let _ = (envoy.get(vm), envoy.due(vm));
            assert_eq!(envoy.get(vm).as_deref(), Some("old"), "worker {vm}");
        }
        envoy.now += age * 1_000;
        envoy
    }

    fn get(&mut self, vm: usize) -> Option<String> {
        self.get_after(vm, None)
    }

    fn get_after(&mut self, vm: usize, last: Option<u64>) -> Option<String> {
        let now = at(self.now);
        match self.vms[vm].1.get_after(&self.definition, last, now) {
            Get::Token(token) => Some(token.expose().to_owned()),
            Get::Wait | Get::Unavailable(_) => None,
        }
    }

    fn due(&mut self, vm: usize) -> usize {
        let (lease, tokens) = &mut self.vms[vm];
        let due = tokens.due(lease, &mut self.store, &mut OneSecret, at(self.now));
        let count = due.calls.len();
        self.sent.extend(due.calls.into_iter().map(|(_, request)| request));
        count
    }

    fn answer(&mut self, vm: usize, answer: &Answer) {
        let (lease, tokens) = &mut self.vms[vm];
        let (of, mut jitter) = (self.definition.fingerprint, Jitter::new(7));
        tokens.answered(of, Ok(answer), lease, &mut self.store, at(self.now), &mut jitter).unwrap();
    }

    /// A backend refuses what this worker sends now.
    fn refused(&mut self, vm: usize, claims: Option<&str>, eagerness: Eagerness) -> bool {
        let generation = self.vms[vm].1.generation(self.definition.fingerprint);
        self.refused_generation(vm, generation, claims, eagerness)
    }

    fn refused_generation(
        &mut self,
        vm: usize,
        generation: u64,
        claims: Option<&str>,
        eagerness: Eagerness,
    ) -> bool {
        let sent = Sent { definition: Rc::clone(&self.definition), generation };
        let (lease, tokens) = &mut self.vms[vm];
        tokens.refused(&sent, claims, eagerness, lease, &mut self.store, at(self.now))
    }
}

#[test]
fn a_refused_token_is_replaced_and_serves_until_then() {
    let mut envoy = Envoy::with_token(1, 60);
    assert!(envoy.refused(0, None, Eagerness::ONCE));
    assert!(!envoy.refused(0, None, Eagerness::ONCE), "it is known");
    assert_eq!((envoy.due(0), envoy.get(0).as_deref()), (1, Some("old")));
    // It need not live longer than the refused one.
    envoy.answer(0, &token_answer("new", 600));
    assert_eq!((envoy.get(0).as_deref(), envoy.due(0)), (Some("new"), 0));
}

#[test]
fn a_token_of_a_managed_identity_is_not_replaced() {
    let mut envoy = Envoy::of(definition("api://a"), 1);
    let _ = (envoy.get(0), envoy.due(0), envoy.answer(0, &token_answer("old", 3_600)));
    envoy.now += 600_000;
    for eagerness in [Eagerness::ONCE, Eagerness::BEFORE_A_RETRY] {
        assert!(!envoy.refused(0, None, eagerness));
    }
    assert_eq!(envoy.due(0), 0);
}

#[test]
fn a_young_token_is_replaced_only_before_a_retry() {
    let mut envoy = Envoy::with_token(1, 59);
    assert!(!envoy.refused(0, None, Eagerness::ONCE));
    assert_eq!(envoy.due(0), 0);
    assert!(envoy.refused(0, None, Eagerness::BEFORE_A_RETRY));
    assert_eq!(envoy.due(0), 1);
}

#[test]
fn a_record_is_replaced_at_most_once_in_its_interval() {
    for (eagerness, interval) in [(Eagerness::ONCE, 300_000), (Eagerness::BEFORE_A_RETRY, 30_000)] {
        for answer in [token_answer("new", 3_600), token_answer("old", 3_600), status(500)] {
            let mut envoy = Envoy::with_token(1, 60);
            assert!(envoy.refused(0, None, eagerness));
            assert_eq!(envoy.due(0), 1);
            let start = envoy.now;
            envoy.answer(0, &answer);
            while envoy.now < start + interval - 1_000 {
                envoy.now += 1_000;
                let _ = envoy.get(0);
                assert!(!envoy.refused(0, None, eagerness), "{} ms later", envoy.now - start);
                assert_eq!(envoy.due(0), 0);
            }
            envoy.now = start + interval;
            assert!(envoy.refused(0, None, eagerness));
        }
    }
}

#[test]
fn all_workers_together_replace_it_once() {
    let mut envoy = Envoy::with_token(4, 60);
    for vm in 0..4 {
        assert!(envoy.refused(vm, None, Eagerness::ONCE), "nobody has asked yet: {vm}");
    }
    let calls: Vec<_> = (0..4).map(|vm| envoy.due(vm)).collect();
    assert_eq!(calls, [1, 0, 0, 0]);
    envoy.answer(0, &token_answer("new", 600));
    envoy.now += 300;
    for vm in 0..4 {
        assert_eq!(envoy.due(vm), 0);
        assert_eq!(envoy.get(vm).as_deref(), Some("new"), "worker {vm}");
    }
    envoy.now += 90_000;
    assert!((0..4).all(|vm| !envoy.refused(vm, None, Eagerness::ONCE)));
}

#[test]
fn a_worker_that_learns_of_it_later_takes_over_what_another_has_fetched() {
    let mut envoy = Envoy::with_token(2, 60);
    assert!(envoy.refused(0, None, Eagerness::ONCE));
    assert_eq!(envoy.due(0), 1);
    envoy.answer(0, &token_answer("new", 600));
    assert_eq!(envoy.get(1).as_deref(), Some("old"), "it serves while it is valid");
    assert!(!envoy.refused(1, None, Eagerness::ONCE));
    assert_eq!((envoy.get(1).as_deref(), envoy.due(1)), (Some("new"), 0));
}

#[test]
fn a_worker_that_learns_of_it_during_the_fetch_waits_for_its_end() {
    for (answer, token) in [(token_answer("new", 600), "new"), (status(500), "old")] {
        let mut envoy = Envoy::with_token(2, 60);
        assert!(envoy.refused(0, None, Eagerness::BEFORE_A_RETRY));
        assert_eq!(envoy.due(0), 1);
        let last = envoy.vms[1].1.generation(envoy.definition.fingerprint);
        assert!(envoy.refused(1, None, Eagerness::BEFORE_A_RETRY));
        assert_eq!((envoy.due(1), envoy.get_after(1, Some(last))), (0, None));
        envoy.answer(0, &answer);
        envoy.now += 300;
        assert_eq!(envoy.due(1), 0);
        assert_eq!(envoy.get_after(1, Some(last)).as_deref(), Some(token));
    }
}

#[test]
fn a_failed_replacement_keeps_the_token() {
    let mut envoy = Envoy::with_token(2, 60);
    for vm in 0..2 {
        assert!(envoy.refused(vm, None, Eagerness::BEFORE_A_RETRY));
    }
    assert_eq!((envoy.due(0), envoy.due(1)), (1, 0));
    envoy.answer(0, &status(500));
    envoy.now += 300;
    for vm in 0..2 {
        assert_eq!(envoy.due(vm), 0);
        let last = envoy.vms[vm].1.generation(envoy.definition.fingerprint);
        assert_eq!(envoy.get_after(vm, Some(last)).as_deref(), Some("old"), "nobody waits: {vm}");
    }
}

#[test]
fn a_refusal_of_an_older_token_says_nothing_about_this_one() {
    let mut envoy = Envoy::with_token(1, 60);
    let old = envoy.vms[0].1.generation(envoy.definition.fingerprint);
    assert!(envoy.refused(0, None, Eagerness::ONCE));
    assert_eq!(envoy.due(0), 1);
    envoy.answer(0, &token_answer("new", 3_600));
    envoy.now += 400_000;
    assert!(!envoy.refused_generation(0, old, None, Eagerness::ONCE));
    assert!(envoy.refused(0, None, Eagerness::ONCE));
}

#[test]
fn the_next_attempt_of_a_refused_request_waits_and_others_do_not() {
    let mut envoy = Envoy::with_token(1, 5);
    let old = envoy.vms[0].1.generation(envoy.definition.fingerprint);
    assert_eq!(envoy.get_after(0, Some(old)).as_deref(), Some("old"), "it was not refused");
    assert!(envoy.refused(0, None, Eagerness::BEFORE_A_RETRY));
    assert_eq!((envoy.get_after(0, Some(old)), envoy.get(0).as_deref()), (None, Some("old")));
    assert_eq!(envoy.due(0), 1);
    assert_eq!(envoy.get_after(0, Some(old)), None);
    envoy.answer(0, &token_answer("new", 3_600));
    assert_eq!(envoy.get_after(0, Some(old)).as_deref(), Some("new"));
}

#[test]
fn claims_go_to_entra_and_to_nobody_else() {
    const CLAIMS: &str = r#"{"access_token":{"nbf":{"essential":true}}}"#;
    let mut envoy = Envoy::with_token(1, 60);
    assert!(envoy.refused(0, Some(CLAIMS), Eagerness::ONCE));
    assert_eq!(envoy.due(0), 1);
    let body = envoy.sent[1].body.expose();
    let mut form = form_urlencoded::parse(body.as_bytes());
    assert_eq!(form.find(|(name, _)| name == "claims").unwrap().1, CLAIMS);
    // The next refresh is an ordinary one.
    envoy.answer(0, &token_answer("new", 3_600));
    envoy.now += 3_500_000;
    let _ = envoy.get(0);
    assert_eq!(envoy.due(0), 1);
    assert!(!envoy.sent[2].body.expose().contains("claims="));

    let mut other = Envoy::of(client_credentials(Dialect::Other), 1);
    let _ = (other.get(0), other.due(0), other.answer(0, &token_answer("old", 3_600)));
    other.now += 60_000;
    assert!(!other.refused(0, Some(CLAIMS), Eagerness::ONCE));
    assert!(other.refused(0, None, Eagerness::ONCE));
}

#[test]
fn what_somebody_else_noted_does_not_prevent_a_replacement_for_ever() {
    let mut envoy = Envoy::with_token(1, 60);
    let of = envoy.definition.fingerprint;
    let (bytes, version) = envoy.store.values[&key(of)].clone();
    let far = u64::MAX / 2;
    let body = std::str::from_utf8(&bytes[64..]).unwrap();
    let body = body.replace(r#""replaced":null"#, &format!(r#""replaced":{far}"#));
    assert!(body.contains(&far.to_string()), "{body}");
    let bytes = [seal(of, body.as_bytes()).as_bytes(), body.as_bytes()].concat();
    envoy.store.values.insert(key(of), (bytes, version));
    assert!(envoy.refused(0, None, Eagerness::ONCE));
}
