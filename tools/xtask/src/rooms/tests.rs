use super::*;

/// The rules that `text` breaks as the file `file`, each as `line:rule`.
fn broken(file: &str, text: &str) -> Vec<String> {
    match check_files(&[(file.to_owned(), text.to_owned())]) {
        Ok(_) => Vec::new(),
        Err(Failure::Broken(findings)) => {
            findings.iter().map(|finding| format!("{}:{}", finding.line, finding.rule)).collect()
        }
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn the_sdk_of_the_host_is_named_in_host_only() {
    assert_eq!(broken("src/engine.rs", "use proxy_wasm::traits::Context;"), ["1:host-sdk"]);
    assert_eq!(broken("src/engine.rs", "fn f() { proxy_wasm::hostcalls::log() }"), ["1:host-sdk"]);
    assert_eq!(broken("src/host/abi.rs", "use proxy_wasm::traits::Context;"), [""; 0]);
}

#[test]
fn functions_of_the_host_are_declared_in_host_only() {
    let import = "unsafe extern \"C\" { fn proxy_log(level: u32); }";
    assert_eq!(broken("src/observe.rs", import), ["1:host-import"]);
    assert_eq!(broken("src/host/abi.rs", import), [""; 0]);
}

#[test]
fn unsafe_is_written_in_host_only() {
    for text in [
        "fn f() { unsafe { g() } }",
        "unsafe fn f() {}",
        "unsafe impl Send for T {}",
        "unsafe trait T {}",
        "#[unsafe(no_mangle)] pub extern \"C\" fn f() {}",
        "fn f() { vec![unsafe { g() }]; }",
        "macro_rules! m { () => { unsafe { g() } } }",
    ] {
        assert_eq!(broken("src/json.rs", text), ["1:unsafe"], "{text}");
        assert_eq!(broken("src/host/abi.rs", text), [""; 0], "{text}");
    }
}

#[test]
fn the_core_does_not_know_the_host() {
    assert_eq!(broken("src/engine.rs", "use crate::host::Root;"), ["1:host-from-core"]);
    assert_eq!(broken("src/keys/mod.rs", "use super::host;"), ["1:host-from-core"]);
    assert_eq!(broken("src/keys/record.rs", "fn f() { super::super::host::g() }"), ["1:host-from-core"]);
    assert_eq!(broken("src/host/root.rs", "use crate::host::Root; use crate::engine::Engine;"), [""; 0]);
    // A module of that name elsewhere is another thing.
    assert_eq!(broken("src/config/compile.rs", "use super::host::Name; use http::uri::host;"), [""; 0]);
}

#[test]
fn a_room_does_not_know_the_engine() {
    for room in [
        "src/jwt/token.rs",
        "src/jwt.rs",
        "src/access/mod.rs",
        "src/keys/a.rs",
        "src/tokens/a.rs",
        "src/config/a.rs",
    ] {
        assert_eq!(broken(room, "use crate::{engine::Step, time};"), ["1:engine-from-room"], "{room}");
    }
    assert_eq!(broken("src/state.rs", "use crate::engine::Step;"), [""; 0]);
}

#[test]
fn cryptography_stays_in_its_rooms() {
    for text in [
        "use hmac_sha256::HMAC;",
        "use ::rsa as r;",
        "extern crate p256;",
        "fn f() -> jwt_simple::Error { g() }",
        "fn f(x: &[u8]) { assert!(superboring::hash(x).is_ok()); }",
        "fn f() { use sha2 as s; s::Sha256::new(); }",
    ] {
        let found = broken("src/engine.rs", text);
        assert!(!found.is_empty() && found.iter().all(|rule| rule == "1:crypto"), "{text}: {found:?}");
        assert_eq!(broken("src/jwt/signature.rs", text), [""; 0], "{text}");
        assert_eq!(broken("src/host/crypto.rs", text), [""; 0], "{text}");
        assert!(!broken("src/host/root.rs", text).is_empty(), "{text}");
    }
}

#[test]
fn a_variable_or_a_module_with_the_name_of_a_crate_is_no_crate() {
    let good = "use crate::jwt::signature;
        mod digest;
        fn f(rsa: u8) -> u8 { let hmac = rsa; signature::check(hmac); digest::of(hmac); self::rand::g(); hmac }";
    assert_eq!(broken("src/access/mod.rs", good), [""; 0]);
}

#[test]
fn only_the_raw_configuration_is_made_by_serde() {
    for text in [
        "#[derive(Debug, Deserialize)] struct S;",
        "#[derive(serde::Deserialize)] struct S;",
        "#[cfg_attr(feature = \"x\", derive(Deserialize))] struct S;",
        "impl<'de> Deserialize<'de> for S {}",
    ] {
        assert_eq!(broken("src/config/compile.rs", text), ["1:raw-config"], "{text}");
        assert_eq!(broken("src/access/mod.rs", text), ["1:raw-config"], "{text}");
        for allowed in
            ["src/config/raw.rs", "src/config/raw/issuer.rs", "src/jwt/claims.rs", "src/keys/document.rs"]
        {
            assert_eq!(broken(allowed, text), [""; 0], "{allowed}: {text}");
        }
    }
    assert_eq!(
        broken("src/config/tree.rs", "use serde::de::DeserializeSeed; #[derive(Serialize)] struct S;"),
        [""; 0]
    );
}

#[test]
fn nothing_may_panic() {
    for name in ["panic", "todo", "unimplemented", "unreachable"] {
        assert_eq!(broken("src/host/root.rs", &format!("fn f() {{ {name}!() }}")), ["1:panic"], "{name}");
    }
    assert_eq!(broken("src/engine.rs", "fn f() { matches!(x, y if { std::panic!() }) }"), ["1:panic"]);
    for call in ["x.unwrap()", "x.expect(\"why\")", "x.map(Option::unwrap)", "format!(\"{}\", x.unwrap())"] {
        assert_eq!(broken("src/jwt/token.rs", &format!("fn f() {{ {call}; }}")), ["1:unwrap"], "{call}");
    }
    assert_eq!(
        broken("src/engine.rs", "fn f(expect: u8) { x.unwrap_or(expect); x.unwrap_or_default(); }"),
        [""; 0]
    );
}

#[test]
fn nothing_is_printed() {
    assert_eq!(broken("src/host/root.rs", "fn f() { println!(); eprintln!(); dbg!(1); }"), ["1:print"; 3]);
    assert_eq!(broken("src/host/root.rs", "fn f() { write!(w, \"x\"); format!(\"x\"); }"), [""; 0]);
}

#[test]
fn the_core_reads_no_clock() {
    for text in [
        "use std::time::Instant;",
        "fn f() { std::time::SystemTime::now(); }",
        "use std::time::*;",
        "use std::{fmt, time::{Duration, SystemTime as Clock}};",
        "use std::time; fn f() -> time::Instant {}",
        "use std as s; fn f() -> s::time::Instant {}",
    ] {
        let found = broken("src/tokens/mod.rs", text);
        assert_eq!(found, ["1:clock"], "{text}");
        assert_eq!(broken("src/host/root.rs", text), [""; 0], "{text}");
    }
    assert_eq!(
        broken("src/tokens/mod.rs", "use std::time::{Duration, UNIX_EPOCH}; use crate::time::Instant;"),
        [""; 0]
    );
}

#[test]
fn the_core_has_no_randomness_and_no_outside_world() {
    assert_eq!(broken("src/tokens/mod.rs", "use rand::Rng;"), ["1:randomness"]);
    assert_eq!(broken("src/tokens/mod.rs", "fn f() { getrandom::fill(b); }"), ["1:randomness"]);
    assert_eq!(
        broken("src/config/mod.rs", "fn f() { std::env::var(\"X\"); std::fs::read(\"x\"); }"),
        ["1:outside-world"; 2]
    );
    assert_eq!(broken("src/engine.rs", "use std::{net::TcpStream, thread};"), ["1:outside-world"; 2]);
    assert_eq!(broken("src/engine.rs", "use std::net::IpAddr;"), [""; 0]);
    assert_eq!(broken("src/host/root.rs", "fn f() { std::env::var(\"X\"); }"), [""; 0]);
}

#[test]
fn tests_may_do_what_they_like() {
    for text in [
        "#[cfg(test)] mod tests { fn f() { x.unwrap(); std::fs::read(\"x\"); } }",
        "#[cfg(all(test, target_arch = \"wasm32\"))] use rsa::X;",
        "#[cfg(any(test, all(fuzzing, test)))] fn f() { panic!() }",
        "#[test] fn f() { panic!() }",
        "impl X { #[cfg(test)] fn f() { panic!() } }",
        "#![cfg(test)] fn f() { panic!() }",
    ] {
        assert_eq!(broken("src/engine.rs", text), [""; 0], "{text}");
    }
    assert_eq!(broken("src/engine.rs", "#[cfg(any(test, fuzzing))] fn f() { panic!() }"), ["1:panic"]);
    assert_eq!(broken("src/engine.rs", "#[cfg(not(test))] fn f() { panic!() }"), ["1:panic"]);
}

#[test]
fn a_test_module_in_a_file_of_its_own_is_left_out_with_all_below_it() {
    let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let bad = "fn f() { panic!() }";
    let declared = "#[cfg(test)] mod tests;";
    let good = [
        file("src/jwt/token.rs", declared),
        file("src/jwt/token/tests.rs", bad),
        file("src/jwt/token/tests/cases.rs", bad),
        file("src/access/mod.rs", declared),
        file("src/access/tests/mod.rs", bad),
        file("src/tests/all.rs", bad),
    ];
    assert_eq!(check_files(&good).unwrap().files, 2);
    let Err(Failure::Broken(findings)) =
        check_files(&[file("src/jwt/token.rs", "mod tests;"), file("src/jwt/token/tests.rs", bad)])
    else {
        panic!("a module without cfg(test) is no test module")
    };
    assert_eq!(findings.len(), 1);
}

#[test]
fn a_finding_says_where_what_why_and_what_to_do() {
    let text = "use std::fmt;\n\nfn f() {\n    x.unwrap();\n}\n";
    let error = check_files(&[("src/engine.rs".to_owned(), text.to_owned())]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "src/engine.rs:4:7: unwrap: `unwrap`; a panic ends the whole VM, with every request in it; \
         use `?`, `let else` or a default\n\n\
         rooms: 1 place breaks a rule; the rules stand in tools/xtask/src/rooms/rules.rs"
    );
    let error = check_files(&[("src/engine.rs".to_owned(), "fn".to_owned())]).unwrap_err();
    assert!(error.to_string().starts_with("src/engine.rs:1:"), "{error}");
}

#[test]
fn findings_are_sorted_by_place() {
    let text = "use std::fs;\nuse rsa::X;\nfn f() { println!(); }";
    assert_eq!(broken("src/engine.rs", text), ["1:outside-world", "2:crypto", "3:print"]);
}

#[test]
fn every_rule_has_a_name_of_its_own_and_every_exception_a_reason() {
    let names: BTreeSet<&str> = RULES.iter().map(|rule| rule.name).collect();
    assert_eq!(names.len(), RULES.len());
    let reasons = RULES.iter().flat_map(|rule| rule.except).map(|(_, reason)| reason);
    assert!(reasons.clone().count() > 0 && reasons.clone().all(|reason| !reason.is_empty()));
}
