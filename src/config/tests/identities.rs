#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::environment::Environment;

fn with_identities(identities: &str) -> String {
    with_operation(r#", "attach": [{"identity": "x", "resource": "api://a"}]"#).replacen(
        r#""gateway": {"managed_identity": {"source": "imds", "cluster": "imds"}}"#,
        identities,
        1,
    )
}

fn with_identity(identity: &str) -> String {
    with_identities(&format!(r#""x": {identity}"#))
}

fn environment(variables: &[(&str, &str)]) -> Environment {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn faults_in(json: &str, environment: &Environment) -> Vec<String> {
    match Configuration::parse(json.as_bytes(), environment) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.iter().map(ToString::to_string).collect(),
    }
}

const CLIENT: &str = r#"{"client_credentials": {"token_url": "https://idp.example/token", "cluster": "idp",
    "client_id": "abc", "client_secret": {"inline": "s"}}}"#;
const ENTRA: &str = r#"{"client_credentials": {"entra": {"tenant": "contoso.onmicrosoft.com", "cluster": "login"},
    "client_id": "abc", "client_secret": {"inline": "s"}}}"#;
const APP_SERVICE: &str =
    r#"{"managed_identity": {"source": "app_service", "cluster": "msi", "expect": "localhost:42356"}}"#;
const ARC: &str =
    r#"{"managed_identity": {"source": "arc", "cluster": "himds", "challenge_files": {"cluster": "files"}}}"#;
const WORKLOAD: &str =
    r#"{"workload_identity": {"cluster": "login", "token": {"cluster": "files", "path": "/token"}}}"#;

const APP_SERVICE_ENVIRONMENT: [(&str, &str); 2] =
    [("IDENTITY_ENDPOINT", "http://localhost:42356/msi/token"), ("IDENTITY_HEADER", "853b9a84")];
const AKS: [(&str, &str); 4] = [
    ("AZURE_CLIENT_ID", "c0a1b2d3-4e5f-4a6b-8c7d-9e0f1a2b3c4d"),
    ("AZURE_TENANT_ID", TENANT),
    ("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.com/"),
    ("AZURE_FEDERATED_TOKEN_FILE", "/var/run/secrets/azure/tokens/azure-identity-token"),
];

#[test]
fn every_kind_of_identity_is_taken() {
    for identity in [
        CLIENT,
        &CLIENT.replace("https://idp.example", "http://127.0.0.1:8080"),
        &CLIENT.replace(
            "\"client_id\"",
            r#""authentication": "basic", "parameters": {"realm": "a"}, "client_id""#,
        ),
        ENTRA,
        &ENTRA.replace("\"tenant\"", r#""version": "v1", "cloud": "china", "tenant""#),
        ARC,
        r#"{"static": {"token": {"inline": "t"}}}"#,
    ] {
        assert_eq!(faults_in(&with_identity(identity), &environment(&[])), [""; 0], "{identity}");
    }
    assert_eq!(faults_in(&with_identity(APP_SERVICE), &environment(&APP_SERVICE_ENVIRONMENT)), [""; 0]);
    assert_eq!(faults_in(&with_identity(WORKLOAD), &environment(&AKS)), [""; 0]);
    let alone = WORKLOAD.replace("\"token\"", r#""client_id": "c", "tenant": "contoso.example", "token""#);
    assert_eq!(faults_in(&with_identity(&alone), &environment(&[])), [""; 0]);
}

/// Where the token of the operation comes from, as `Debug` shows it.
fn source_of(identity: &str, target: &str) -> String {
    let json = with_identity(identity).replacen(r#""resource": "api://a""#, target, 1);
    let configuration = Configuration::parse(json.as_bytes(), &environment(&AKS)).unwrap();
    let operation =
        configuration.operations.iter().find(|operation| !operation.attachments.is_empty()).unwrap();
    format!("{:?}", operation.attachments[0])
}

#[test]
fn what_an_identity_says_reaches_its_requests() {
    let managed =
        |id: &str| format!(r#"{{"managed_identity": {{"source": "imds", "cluster": "imds", {id}}}}}"#);
    let resource = r#""resource": "api://a""#;
    for (identity, target, shown) in [
        (managed(r#""client_id": "one""#), resource, r#"ClientId("one")"#),
        (managed(r#""object_id": "two""#), resource, r#"ObjectId("two")"#),
        (managed(r#""resource_id": "/three""#), resource, r#"ResourceId("/three")"#),
        (
            CLIENT.replace(
                r#""client_secret": {"inline": "s"}"#,
                r#""private_key_jwt": {"private_key": {"inline": "k"}}"#,
            ),
            resource,
            "SignedAssertion(",
        ),
        (CLIENT.to_owned(), r#""audience": "orders""#, r#"("audience", "orders")"#),
        (CLIENT.to_owned(), resource, "dialect: Other"),
        (entra_url("/tenant/oauth2/v2.0/token"), resource, "dialect: EntraV2"),
        (entra_url("/tenant/oauth2/token"), resource, "dialect: EntraV1"),
        (entra_url("/tenant/oauth2/other"), resource, "dialect: Other"),
        (WORKLOAD.to_owned(), resource, r#"authority: "login.microsoftonline.com""#),
        (
            WORKLOAD
                .replace("\"token\"", r#""authority_host": "https://login.microsoftonline.us/", "token""#),
            resource,
            r#"authority: "login.microsoftonline.us""#,
        ),
    ] {
        let source = source_of(&identity, target);
        assert!(source.contains(shown), "{identity}: {source}");
    }
}

fn entra_url(path: &str) -> String {
    CLIENT.replace("https://idp.example/token", &format!("https://login.microsoftonline.com{path}"))
}

#[test]
fn an_empty_authority_host_is_none() {
    let variables = [AKS[0], AKS[1], ("AZURE_AUTHORITY_HOST", ""), AKS[3]];
    assert_eq!(faults_in(&with_identity(WORKLOAD), &environment(&variables)), [""; 0]);
    let variables = [AKS[0], AKS[1], ("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.us/"), AKS[3]];
    let json = with_identity(WORKLOAD);
    let configuration = Configuration::parse(json.as_bytes(), &environment(&variables)).unwrap();
    assert!(format!("{:?}", configuration.operations).contains("login.microsoftonline.us"));
}

#[test]
fn a_fault_in_an_identity_says_where_it_is_and_what_to_do() {
    let client = |from: &str, to: &str| CLIENT.replace(from, to);
    let managed = |rest: &str| format!(r#"{{"managed_identity": {{"cluster": "c", {rest}}}}}"#);
    for (identity, said) in [
        ("{}".to_owned(), ": exactly one of `managed_identity`, `workload_identity`,"),
        (format!("{}, {}", &CLIENT[..CLIENT.len() - 1], &ARC[1..]), ": exactly one of"),
        (
            client("https://idp", "http://idp"),
            ".client_credentials.token_url: tokens and secrets go over https",
        ),
        (client("https://idp", "http://localhost.idp"), ".client_credentials.token_url: tokens and secrets"),
        (client("https://idp.example/token", "idp"), ".client_credentials.token_url: not an https URL"),
        (client(r#""cluster": "idp","#, ""), ".client_credentials: the field `cluster` is missing"),
        (
            client(r#""token_url": "https://idp.example/token","#, ""),
            ".client_credentials: exactly one of `token_url",
        ),
        (
            client(r#""inline": "s""#, r#""ref": "s""#),
            ".client_credentials.client_secret.ref: there is no secret of",
        ),
        (
            client(r#"{"inline": "s"}"#, r#""s""#),
            ".client_credentials.client_secret: expected an object with either",
        ),
        (
            client(r#", "client_secret": {"inline": "s"}"#, ""),
            ".client_credentials: exactly one of `client_secret`, `certificate`, `private_key_jwt`",
        ),
        (
            client("\"client_id\"", r#""parameters": {"scope": "a"}, "client_id""#),
            ".client_credentials.parameters.scope: the token request sets this parameter itself",
        ),
        (
            client(
                r#""client_secret": {"inline": "s"}"#,
                r#""private_key_jwt": {"private_key": {"inline": "k"}}, "authentication": "basic""#,
            ),
            ".client_credentials.authentication: this is for `client_secret` alone",
        ),
        (
            client(
                r#""client_secret": {"inline": "s"}"#,
                r#""certificate": {"certificate": {"inline": "c"}, "private_key": {"inline": "k"}, "algorithm": "ES256"}"#,
            ),
            ".client_credentials.certificate.algorithm: unknown word",
        ),
        (ENTRA.replace("contoso.onmicrosoft.com", "common"), ".client_credentials.entra.tenant: one tenant"),
        (ENTRA.replace("contoso.onmicrosoft.com", "a/b"), ".client_credentials.entra.tenant: one tenant"),
        (
            managed(r#""source": "service_fabric""#),
            ".managed_identity.source: Service Fabric's endpoint is known",
        ),
        (managed(r#""source": "cloud_shell""#), ".managed_identity.source: Cloud Shell gives the tokens of"),
        (managed(r#""source": "azure_ml""#), ".managed_identity.source: Azure Machine Learning's endpoint"),
        (managed(r#""source": "imds", "client_id": """#), ".managed_identity.client_id: this is empty"),
        (
            managed(r#""source": "imds", "expect": "a:1""#),
            ".managed_identity.expect: this is for `source: app_",
        ),
        (managed(r#""source": "arc""#), ".managed_identity: the field `challenge_files` is missing"),
        (
            ARC.replace("\"cluster\": \"himds\"", r#""cluster": "himds", "client_id": "a""#),
            ".managed_identity: a machine",
        ),
        (APP_SERVICE.to_owned(), ".managed_identity: `IDENTITY_ENDPOINT` and `IDENTITY_HEADER` are not set"),
        (
            WORKLOAD.to_owned(),
            ".workload_identity.client_id: the environment variable `AZURE_CLIENT_ID` is not set",
        ),
        (r#"{"chain": []}"#.to_owned(), ".chain: this is empty"),
        (r#"{"chain": ["y"]}"#.to_owned(), ".chain[0]: there is no identity named `y`"),
        (r#"{"chain": ["x"]}"#.to_owned(), ".chain[0]: this needs itself: identities.x -> identities.x"),
    ] {
        let faults = faults(&with_identity(&identity));
        let said = format!("identities.x{said}");
        assert!(faults.first().is_some_and(|fault| fault.starts_with(&said)), "{identity}: {faults:?}");
    }
}

#[test]
fn an_endpoint_in_the_environment_must_be_where_the_cluster_leads() {
    let faults = |endpoint: &str| {
        let environment = environment(&[("IDENTITY_ENDPOINT", endpoint), ("IDENTITY_HEADER", "canary")]);
        let faults = faults_in(&with_identity(APP_SERVICE), &environment);
        assert!(!format!("{faults:?}").contains("canary"));
        faults
    };
    assert_eq!(faults("http://LOCALHOST:42356/msi/token"), [""; 0]);
    let said = "identities.x.managed_identity.expect: `IDENTITY_ENDPOINT` names another host and port";
    let mismatch = &faults("http://localhost:42357/msi/token")[0];
    assert!(mismatch.starts_with(said) && mismatch.ends_with(" [identity_endpoint_mismatch]"), "{mismatch}");
    assert!(
        faults("not a URL")[0].starts_with("identities.x.managed_identity: `IDENTITY_ENDPOINT` is not a URL")
    );
    let far = with_identity(&APP_SERVICE.replace(r#", "expect": "localhost:42356""#, ""));
    let environment = environment(&[("IDENTITY_ENDPOINT", "http://10.0.0.4/"), ("IDENTITY_HEADER", "h")]);
    assert!(faults_in(&far, &environment)[0].contains("tokens and secrets go over https"));
}

#[test]
fn a_chain_takes_the_first_identity_that_the_environment_offers() {
    let json = with_identities(&format!(
        r#""x": {{"chain": ["pod", "app", "machine"]}}, "pod": {WORKLOAD}, "app": {APP_SERVICE},
           "machine": {{"managed_identity": {{"source": "imds", "cluster": "imds"}}}}"#
    ));
    for (variables, chosen) in
        [(&AKS[..], "pod"), (&APP_SERVICE_ENVIRONMENT[..], "app"), (&AKS[..3], "machine"), (&[], "machine")]
    {
        let configuration = Configuration::parse(json.as_bytes(), &environment(variables)).unwrap();
        let notices: Vec<_> = configuration.notices.iter().map(|notice| notice.text.as_str()).collect();
        let expected = format!("identity \"x\": of its chain, \"{chosen}\" is what the environment offers");
        assert_eq!(notices, [expected], "{variables:?}");
    }
    let arc = json.replace("\"app\", \"machine\"]", "\"arc\", \"app\", \"machine\"]").replacen(
        "\"machine\": {\"managed",
        &format!("\"arc\": {ARC}, \"machine\": {{\"managed"),
        1,
    );
    let agent =
        [("IDENTITY_ENDPOINT", "http://localhost:40342/"), ("IMDS_ENDPOINT", "http://localhost:40342")];
    for (variables, chosen) in [(&agent[..], "arc"), (&agent[..1], "machine"), (&agent[1..], "machine")] {
        let configuration = Configuration::parse(arc.as_bytes(), &environment(variables)).unwrap();
        assert!(configuration.notices[0].text.contains(&format!("{chosen:?} is what")), "{variables:?}");
    }
    let nested = json.replacen("[\"pod\", \"app\"", "[\"pod\", \"y\", \"app\"", 1).replacen(
        "\"machine\": {\"managed",
        "\"y\": {\"chain\": [\"machine\"]}, \"machine\": {\"managed",
        1,
    );
    assert!(faults(&nested)[0].starts_with("identities.x.chain[1]: a chain within a chain"), "{nested}");
    for partly in [[AKS[0], AKS[3]], [AKS[1], AKS[3]]] {
        let configuration = Configuration::parse(json.as_bytes(), &environment(&partly)).unwrap();
        assert!(configuration.notices[0].text.contains("\"machine\" is what"), "{partly:?}");
    }
    let none = json.replace(r#", "machine"]"#, "]");
    assert!(faults(&none)[0].starts_with("identities.x.chain: the environment offers none of these"));
}

#[test]
fn what_can_only_be_had_once_it_is_there_is_a_fault_that_shows_the_way() {
    let json = with_identity(&CLIENT.replace(r#""inline": "s""#, r#""ref": "key""#)).replacen(
        "\"identities\"",
        r#""secrets": {"key": {"key_vault": {"vault": "https://contoso.vault.azure.net", "name": "k",
            "identity": "x", "cluster": "vault"}}}, "identities""#,
        1,
    );
    let expected =
        "secrets.key.key_vault.identity: this needs itself: identities.x -> secrets.key -> identities.x";
    assert_eq!(faults(&json), [expected]);
    let through_a_chain =
        json.replacen("\"x\": {\"client", "\"x\": {\"chain\": [\"y\"]}, \"y\": {\"client", 1);
    assert_eq!(
        faults(&through_a_chain),
        [
            "secrets.key.key_vault.identity: this needs itself: identities.x -> identities.y -> secrets.key -> identities.x"
        ]
    );
}

#[test]
fn a_fault_in_a_secret_position_quotes_nothing() {
    const CANARY: &str = "S3cr3tCanary";
    for position in [
        r#""S3cr3tCanary""#,
        r#"["S3cr3tCanary"]"#,
        r#"{"S3cr3tCanary": "x"}"#,
        r#"{"ref": "S3cr3tCanary"}"#,
        r#"{"ref": ["S3cr3tCanary"]}"#,
        r#"{"ref": "a", "S3cr3tCanary": "b"}"#,
        r#"{"inline": "S3cr3tCanary", "ref": "S3cr3tCanary"}"#,
        r#"{"inline": {"S3cr3tCanary": 1}}"#,
        r#"{"inline": "${S3cr3tCanary}"}"#,
        r#"{"ref": "${S3cr3tCanary}"}"#,
    ] {
        for place in [
            CLIENT.replace(r#"{"inline": "s"}"#, position),
            format!(r#"{{"static": {{"token": {position}}}}}"#),
        ] {
            let faults = faults(&with_identity(&place));
            assert!(!faults.is_empty() && !format!("{faults:?}").contains(CANARY), "{place}: {faults:?}");
        }
    }
}
