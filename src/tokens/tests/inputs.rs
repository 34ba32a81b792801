//! Token requests that are made of secrets.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::calls::Url;
use crate::tokens::{ClientCredentials, Credential, Dialect};

/// The client's secret, as it is now.
struct Secret(Result<&'static str, Option<Duration>>);

impl Inputs for Secret {
    fn secret(&mut self, _: Fingerprint, _: Now) -> Result<SecretString, Option<Duration>> {
        self.0.map(|value| SecretString::new(value.into()))
    }
}

impl Random for Secret {
    fn seed(&mut self) -> Option<[u8; 32]> {
        None
    }
}

fn with_a_secret() -> Vm {
    let client = ClientCredentials {
        cluster: "idp".into(),
        token_url: Url::parse("https://idp.example/token").unwrap(),
        dialect: Dialect::Other,
        client_id: "client".into(),
        credential: Credential::Secret(Fingerprint::of(&["secret"])),
        parameters: Vec::new(),
    };
    let source = Source::ClientCredentials(Box::new(client));
    let definition = Definition::new("partner", source, &Target::Scope("read".into())).unwrap();
    Vm { definition: Rc::new(definition), ..Vm::new() }
}

/// The calls that are due for a request, and what has changed.
fn due(vm: &mut Vm, mut secret: Secret) -> (usize, Vec<Progress>) {
    let _ = vm.get();
    let due = vm.tokens.due(&Lease::new(1), &mut Alone, &mut secret, at(vm.now));
    (due.calls.len(), due.changed.into_iter().map(|(_, progress)| progress).collect())
}

#[test]
fn a_fetch_starts_only_when_its_secret_is_at_hand() {
    let mut vm = with_a_secret();
    assert_eq!(due(&mut vm, Secret(Err(None))), (0, vec![]), "it is being read");
    assert_eq!(vm.get(), Err(None));
    let failed = vec![Progress::Failed(CallFailure::NoSecret)];
    let later = Some(Duration::from_secs(40));
    assert_eq!(due(&mut vm, Secret(Err(later))), (0, failed), "it is not to be had");
    assert_eq!(vm.get(), Err(Some(40)));
    assert_eq!(due(&mut vm, Secret(Ok("s"))), (1, vec![]), "it is here, sooner than it said");
}

#[test]
fn another_secret_ends_a_wait_at_once_and_the_same_one_does_not() {
    let mut vm = with_a_secret();
    assert_eq!(due(&mut vm, Secret(Ok("old"))).0, 1);
    vm.answer(&status(401));
    vm.now += 5_000;
    assert_eq!(due(&mut vm, Secret(Ok("old"))).0, 0);
    assert!(matches!(vm.get(), Err(Some(55..=67))));
    assert_eq!(due(&mut vm, Secret(Ok("new"))).0, 1);
}

#[test]
fn another_configuration_ends_a_wait_at_once() {
    let mut vm = Vm::new();
    vm.until_call(0);
    vm.answer(&status(400));
    assert!(matches!(vm.get(), Err(Some(60..=72))));
    vm.tokens.forgive(at(vm.now));
    assert_eq!((vm.get(), vm.calls()), (Err(None), 1));
}

#[test]
fn a_failure_with_another_secret_says_nothing_about_this_one() {
    let (mut first, mut second, mut store) = (with_a_secret(), with_a_secret(), Memory::default());
    let (one, other) = (Lease::new(1), Lease::new(2));
    let of = first.definition.fingerprint;
    let ask = |vm: &mut Vm, lease: &Lease, secret, store: &mut Memory| {
        let _ = vm.get();
        vm.tokens.due(lease, store, &mut Secret(Ok(secret)), at(vm.now)).calls.len()
    };
    assert_eq!(ask(&mut first, &one, "old", &mut store), 1);
    let now = at(first.now);
    first.tokens.answered(of, Ok(&status(401)), &one, &mut store, now, &mut Jitter::new(1));
    assert_eq!(ask(&mut second, &other, "new", &mut store), 1, "this VM has read the new one already");
}
