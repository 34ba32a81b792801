use super::*;

const LIST: &str = r#"
    max_bytes = 200
    [imports.env]
    proxy_log = "logs"
    proxy_extra = { why = "only in some builds", optional = true }
    [exports]
    memory = "Envoy reads it"
    proxy_on_tick = "the tick"
"#;

const GOOD: &str = r#"(module
    (import "env" "proxy_log" (func (param i32 i32 i32) (result i32)))
    (memory (export "memory") 17)
    (func (export "proxy_on_tick") (param i32))
    (@custom "producers" "who made it")
    (@custom "name2" "debugging"))"#;

fn faults(module: &str) -> Vec<Fault> {
    let list: Allowed = toml::from_str(LIST).unwrap();
    let bytes = wat::parse_str(module).unwrap();
    let (bytes, contents) = read(&bytes).unwrap();
    list.faults(&contents, bytes.len())
}

fn env(name: &str) -> (String, String) {
    ("env".to_owned(), name.to_owned())
}

#[test]
fn a_module_that_is_what_the_list_says_passes() {
    assert_eq!(faults(GOOD), []);
}

#[test]
fn an_optional_import_may_be_there() {
    let more = GOOD.replacen("(memory", r#"(import "env" "proxy_extra" (func)) (memory"#, 1);
    assert_eq!(faults(&more), []);
}

#[test]
fn an_import_that_is_not_listed_is_refused() {
    let more = GOOD.replacen("(memory", r#"(import "env" "proxy_get_shared_data" (func)) (memory"#, 1);
    let (module, name) = env("proxy_get_shared_data");
    assert_eq!(faults(&more), [Fault::NewImport(module, name)]);
    // The same name from another module is another import.
    let elsewhere = GOOD.replacen("\"env\"", "\"wasi\"", 1);
    assert_eq!(faults(&elsewhere).len(), 2);
}

#[test]
fn a_listed_import_that_is_not_used_is_refused() {
    let less = GOOD.replace(r#"(import "env" "proxy_log" (func (param i32 i32 i32) (result i32)))"#, "");
    let (module, name) = env("proxy_log");
    assert_eq!(faults(&less), [Fault::UnusedImport(module, name)]);
}

#[test]
fn an_import_must_be_a_function() {
    let global = GOOD.replacen("(func (param i32 i32 i32) (result i32))", "(global i32)", 1);
    let (module, name) = env("proxy_log");
    assert_eq!(faults(&global), [Fault::NoFunction(module, name)]);
}

#[test]
fn exports_are_held_to_the_list_both_ways() {
    let more = GOOD.replacen("(@custom", r#"(func (export "proxy_on_log")) (@custom"#, 1);
    assert_eq!(faults(&more), [Fault::NewExport("proxy_on_log".to_owned())]);
    let less = GOOD.replacen(r#"(export "proxy_on_tick")"#, "", 1);
    assert_eq!(faults(&less), [Fault::MissingExport("proxy_on_tick".to_owned())]);
}

#[test]
fn a_start_section_is_refused() {
    let start = GOOD.replacen("(@custom", "(func $s) (start $s) (@custom", 1);
    assert_eq!(faults(&start), [Fault::Start]);
}

#[test]
fn the_size_counts_without_custom_sections() {
    let custom = GOOD.replace("debugging", &"x".repeat(300));
    assert_eq!(faults(&custom), []);
    let data =
        GOOD.replacen("(@custom", &format!("(data (i32.const 0) \"{}\") (@custom", "x".repeat(300)), 1);
    assert!(matches!(faults(&data).as_slice(), [Fault::TooLarge { size: 300.., most: 200 }]));
}

#[test]
fn a_copy_is_the_module_without_its_custom_sections() {
    let bytes = wat::parse_str(GOOD).unwrap();
    let (copy, contents) = read(&bytes).unwrap();
    Validator::new().validate_all(&copy).unwrap();
    assert_eq!(contents.dropped, [("producers".to_owned(), 11), ("name2".to_owned(), 9)]);
    let (again, rest) = read(&copy).unwrap();
    assert_eq!((again, rest.dropped.len()), (copy, 0));
    // Sections longer than one byte of LEB128 can count.
    let long = format!("(module (memory 1) (data (i32.const 0) \"{}\"))", "x".repeat(70_000));
    let bytes = wat::parse_str(long).unwrap();
    assert_eq!(read(&bytes).unwrap().0, bytes);
}

#[test]
fn the_output_appears_on_success_and_vanishes_on_failure() {
    let folder = std::env::temp_dir().join(format!("gatepass-xtask-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let (input, list, output) =
        (folder.join("in.wasm"), folder.join("list.toml"), folder.join("new/out.wasm"));
    fs::write(&list, LIST).unwrap();

    fs::write(&input, wat::parse_str(GOOD).unwrap()).unwrap();
    let report = audit(&input, &output, &list, None).unwrap().to_string();
    assert!(output.exists());
    assert!(report.contains("1 from env") && report.contains("1088 KiB at the start"), "{report}");

    for bad in [wat::parse_str("(module)").unwrap(), b"not wasm".to_vec()] {
        fs::write(&output, "an older one").unwrap();
        fs::write(&input, bad).unwrap();
        audit(&input, &output, &list, None).unwrap_err();
        assert!(!output.exists());
    }
    let missing = audit(&folder.join("none"), &output, &list, None).unwrap_err().to_string();
    assert!(missing.contains("make build"), "{missing}");
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_failure_names_the_list_and_what_to_do() {
    let failure =
        Failure::Refused("list.toml".into(), vec![Fault::NewExport("proxy_on_log".to_owned()), Fault::Start]);
    let text = failure.to_string();
    assert!(
        text.starts_with("the module is not what list.toml allows:\n\n  * export proxy_on_log is new"),
        "{text}"
    );
}

#[test]
fn the_checked_in_list_reads() {
    let list: Allowed = toml::from_str(include_str!("../../module.toml")).unwrap();
    assert!(list.max_bytes <= 1_048_576);
    assert!(list.exports.contains_key("proxy_abi_version_0_2_1"));
    assert!(!list.exports.contains_key("proxy_on_response_headers"));
}

#[test]
fn a_variant_may_export_more_and_nothing_else() {
    let list = format!("{LIST}\n[variants.more.exports]\nproxy_on_more = \"more\"");
    let list: Allowed = toml::from_str(&list).unwrap();
    let list = list.with_variant("more").unwrap();
    let faults = |name: &str| {
        let module = GOOD.replacen("(memory", &format!(r#"(func (export "{name}")) (memory"#), 1);
        let (bytes, contents) = read(&wat::parse_str(module).unwrap()).unwrap();
        list.faults(&contents, bytes.len())
    };
    assert_eq!(faults("proxy_on_more"), []);
    let more_is_missing = Fault::MissingExport("proxy_on_more".to_owned());
    assert_eq!(
        faults("gatepass_test_only"),
        [Fault::NewExport("gatepass_test_only".to_owned()), more_is_missing]
    );
}
