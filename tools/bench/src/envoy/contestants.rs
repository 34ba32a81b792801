//! Who is measured: a listener each, in one Envoy, that answers by itself once its filters have let a request pass.

// Indexing a `Value` that is made here adds a member; nothing of it comes from outside.
#![allow(clippy::indexing_slicing)]

use base64::{Engine, engine::general_purpose::STANDARD};
use gatepass_emulator::directory::{CONTOSO_API, LOGIN, PARTNER_ISSUER, TENANT};
use gatepass_stack::tree;
use serde_json::{Value, json};

/// One of those that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Contestant {
    /// Envoy without a filter.
    None,
    /// A Wasm filter that lets every request pass.
    Nothing,
    /// Gatepass: token seen before, role checked, another token attached.
    GatepassWarm,
    /// `jwt_authn` with its cache, `rbac`, `credential_injector`.
    NativeWarm,
    /// Gatepass: every token new, role checked.
    GatepassNew,
    /// `jwt_authn` without a cache, `rbac`.
    NativeNew,
    /// `ext_authz` to another Envoy that always allows.
    ExtAuthz,
    /// A Wasm filter that has a context for each request.
    Contexts,
    /// The same, which reads both clocks.
    Clocks,
    /// The same, which reads all headers.
    Headers,
    /// The same, which reads all headers and replaces one.
    Replace,
}

impl Contestant {
    pub(crate) const PARTS: [Self; 4] = [Self::Contexts, Self::Clocks, Self::Headers, Self::Replace];
    pub(crate) const ALL: [Self; 7] = [
        Self::None,
        Self::Nothing,
        Self::GatepassWarm,
        Self::NativeWarm,
        Self::GatepassNew,
        Self::NativeNew,
        Self::ExtAuthz,
    ];

    /// What people read.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::None => "no filter",
            Self::Nothing => "a Wasm filter that does nothing",
            Self::GatepassWarm => "Gatepass: seen token, role, token attached",
            Self::NativeWarm => "jwt_authn (cache) + rbac + credential_injector",
            Self::GatepassNew => "Gatepass: every token new, role",
            Self::NativeNew => "jwt_authn (no cache) + rbac",
            Self::ExtAuthz => "ext_authz (HTTP) to a server that allows all",
            Self::Contexts => "a Wasm filter with contexts",
            Self::Clocks => "a Wasm filter that reads both clocks",
            Self::Headers => "a Wasm filter that reads all headers",
            Self::Replace => "a Wasm filter that reads all and replaces one",
        }
    }

    /// The name of its listener, and of its row in JSON.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Nothing => "nothing",
            Self::GatepassWarm => "gatepass_warm",
            Self::NativeWarm => "native_warm",
            Self::GatepassNew => "gatepass_new",
            Self::NativeNew => "native_new",
            Self::ExtAuthz => "ext_authz",
            Self::Contexts => "contexts",
            Self::Clocks => "clocks",
            Self::Headers => "headers",
            Self::Replace => "replace",
        }
    }

    /// Whether every request brings a token that was not seen before.
    pub(crate) const fn takes_new_tokens(self) -> bool {
        matches!(self, Self::GatepassNew | Self::NativeNew)
    }

    fn filters(self, gatepass: &Value) -> Vec<Value> {
        match self {
            Self::None => vec![],
            Self::Nothing => vec![nothing()],
            Self::GatepassWarm => vec![gatepass_filter(gatepass, &attaching())],
            Self::GatepassNew => vec![gatepass_filter(gatepass, &checking())],
            Self::NativeWarm => vec![jwt_authn(true), rbac(), credential_injector()],
            Self::NativeNew => vec![jwt_authn(false), rbac()],
            Self::ExtAuthz => vec![ext_authz()],
            Self::Contexts => vec![wasm("contexts", &contexts(""))],
            Self::Clocks => vec![wasm("clocks", &contexts(CLOCKS))],
            Self::Headers => vec![wasm("headers", &contexts(HEADERS))],
            Self::Replace => vec![wasm("replace", &contexts(&[HEADERS, REPLACE].concat()))],
        }
    }
}

/// The cluster of the server that `ext_authz` asks.
pub(crate) const AUTHORIZER: &str = "authorizer";

/// Makes the reference configuration into one listener for each contestant.
pub(crate) fn install(tree: &mut Value, authorizer: u16) {
    tree["static_resources"]["secrets"] = secret();
    let Some(gatepass) = tree::filter(tree).cloned() else { return };
    if let Some(clusters) = tree::clusters(tree) {
        clusters.push(json!({
            "name": AUTHORIZER,
            "type": "STATIC",
            "load_assignment": {"cluster_name": AUTHORIZER, "endpoints": [{"lb_endpoints": [{"endpoint": {
                "address": {"socket_address": {"address": "127.0.0.1", "port_value": authorizer}}}}]}]},
        }));
    }
    let Some(listeners) = tree.pointer_mut("/static_resources/listeners").and_then(Value::as_array_mut)
    else {
        return;
    };
    let Some(model) = listeners.pop() else { return };
    *listeners = Contestant::ALL
        .iter()
        .chain(&Contestant::PARTS)
        .map(|contestant| listener(&model, contestant.name(), contestant.filters(&gatepass)))
        .collect();
}

/// Makes the reference configuration into one listener, for this contestant.
pub(crate) fn install_one(tree: &mut Value, contestant: Contestant) {
    let Some(gatepass) = tree::filter(tree).cloned() else { return };
    install_filters(tree, &contestant.filters(&gatepass));
}

/// Makes the reference configuration into one listener, with these filters.
pub(crate) fn install_filters(tree: &mut Value, filters: &[Value]) {
    let listeners = tree.pointer_mut("/static_resources/listeners").and_then(Value::as_array_mut);
    for place in listeners.into_iter().flatten() {
        *place = listener(place, "gateway", filters.to_vec());
    }
}

/// The listener whose VM sees more tokens than it can remember.
pub(crate) const MANY_TOKENS: &str = "many_tokens";

/// The listener that takes another issuer's tokens, which can be smaller than Entra's.
pub(crate) const PARTNER: &str = "partner";

/// Makes the reference configuration into a listener without a filter, one for each of these numbers of operations, one
/// with a VM of its own, and one for another issuer's tokens.
pub(crate) fn install_growth(tree: &mut Value, operations: &[usize]) {
    tree::add_login_host(tree, PARTNER, PARTNER_ISSUER.trim_start_matches("https://"));
    let Some(gatepass) = tree::filter(tree).cloned() else { return };
    let mut apart = gatepass_filter(&gatepass, &attaching());
    set(&mut apart, "/typed_config/config/vm_config/vm_id", json!(MANY_TOKENS));
    let Some(listeners) = tree.pointer_mut("/static_resources/listeners").and_then(Value::as_array_mut)
    else {
        return;
    };
    let Some(model) = listeners.pop() else { return };
    let bare = listener(&model, Contestant::None.name(), Vec::new());
    let apart = listener(&model, MANY_TOKENS, vec![apart]);
    let partner = listener(&model, PARTNER, vec![gatepass_filter(&gatepass, &of_partner())]);
    let grown = operations.iter().map(|number| {
        let filter = gatepass_filter(&gatepass, &with_operations(*number));
        listener(&model, &operations_name(*number), vec![filter])
    });
    *listeners = [bare, apart, partner].into_iter().chain(grown).collect();
}

/// Makes the reference configuration into a listener that attaches a token to every request.
pub(crate) fn install_attaching(tree: &mut Value) {
    let Some(gatepass) = tree::filter(tree).cloned() else { return };
    let mut configuration = attaching();
    configuration["operations"] = json!([{
        "match": {"path": {"prefix": "/"}},
        "anonymous": true,
        "attach": [{"identity": "gateway", "resource": "https://management.azure.com"}],
    }]);
    install_filters(tree, &[gatepass_filter(&gatepass, &configuration)]);
}

/// The name of the listener with so many operations.
pub(crate) fn operations_name(number: usize) -> String {
    format!("operations_{number}")
}

/// The configuration of the warm case, with further operations before the one that is asked for.
fn with_operations(number: usize) -> Value {
    let mut configuration = attaching();
    let further = (1..number).map(|number| {
        json!({"match": {"methods": ["GET"], "path": {"prefix": format!("/further/{number}")}}, "validate": validate()})
    });
    if let Some(operations) = configuration.get_mut("operations").and_then(Value::as_array_mut) {
        operations.splice(0..0, further);
    }
    configuration
}

/// The configuration of the warm case, for the partner's tokens.
fn of_partner() -> Value {
    let mut configuration = attaching();
    set(&mut configuration, "/operations/0/validate/issuer", json!(PARTNER));
    configuration["issuers"] = json!({PARTNER: {
        "discovery": format!("{PARTNER_ISSUER}/.well-known/openid-configuration"),
        "cluster": PARTNER,
        "algorithms": ["ES256"],
    }});
    configuration
}

/// A listener that answers by itself, as the model is otherwise.
fn listener(model: &Value, name: &str, mut filters: Vec<Value>) -> Value {
    let mut listener = model.clone();
    set(&mut listener, "/name", json!(name));
    set(&mut listener, "/address/socket_address/port_value", json!(0));
    if let Some(manager) = tree::manager(&mut listener) {
        let route = json!({"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "ok"}}});
        filters.push(router());
        set(manager, "/stat_prefix", json!(name));
        set(
            manager,
            "/route_config",
            json!({"virtual_hosts": [{"name": name, "domains": ["*"], "routes": [route]}]}),
        );
        set(manager, "/access_log", json!([]));
        set(manager, "/http_filters", Value::Array(filters));
    }
    listener
}

fn set(tree: &mut Value, pointer: &str, value: Value) {
    if let Some(place) = tree.pointer_mut(pointer) {
        *place = value;
    }
}

fn issuer() -> Value {
    json!({"contoso": {"entra": {"tenant": TENANT, "cluster": "login"}}})
}

fn validate() -> Value {
    json!({"issuer": "contoso", "audiences": [CONTOSO_API.client_id], "roles": "Sample.Read"})
}

/// What `validate-azure-ad-token` and `authentication-managed-identity` do together.
fn attaching() -> Value {
    json!({
        "issuers": issuer(),
        "identities": {"gateway": {"managed_identity": {"source": "imds", "cluster": "imds"}}},
        "operations": [{
            "match": {"path": {"exact": "/protected"}},
            "validate": validate(),
            "attach": [{"identity": "gateway", "resource": "https://management.azure.com"}],
        }],
    })
}

fn checking() -> Value {
    json!({
        "issuers": issuer(),
        "operations": [{"match": {"path": {"exact": "/protected"}}, "validate": validate()}],
    })
}

fn gatepass_filter(model: &Value, configuration: &Value) -> Value {
    let mut filter = model.clone();
    let text = json!({
        "@type": "type.googleapis.com/google.protobuf.StringValue",
        "value": configuration.to_string(),
    });
    set(&mut filter, "/typed_config/config/configuration", text);
    filter
}

fn jwt_authn(cache: bool) -> Value {
    let mut provider = json!({
        "issuer": format!("{LOGIN}/{TENANT}/v2.0"),
        "audiences": [CONTOSO_API.client_id],
        "forward": true,
        "payload_in_metadata": "payload",
        "remote_jwks": {
            "http_uri": {"uri": format!("{LOGIN}/{TENANT}/discovery/v2.0/keys"), "cluster": "login", "timeout": "5s"},
            "cache_duration": "3600s",
            "async_fetch": {},
        },
    });
    if cache {
        provider["jwt_cache_config"] = json!({"jwt_cache_size": 1000});
    }
    filter(
        "jwt_authn",
        "jwt_authn.v3.JwtAuthentication",
        json!({
            "providers": {"contoso": provider},
            "rules": [{"match": {"path": "/protected"}, "requires": {"provider_name": "contoso"}}],
        }),
    )
}

fn rbac() -> Value {
    let role = json!({"metadata": {
        "filter": "envoy.filters.http.jwt_authn",
        "path": [{"key": "payload"}, {"key": "roles"}],
        "value": {"list_match": {"one_of": {"string_match": {"exact": "Sample.Read"}}}},
    }});
    filter(
        "rbac",
        "rbac.v3.RBAC",
        json!({"rules": {"action": "ALLOW", "policies": {
            "read": {"permissions": [{"any": true}], "principals": [role]},
        }}}),
    )
}

fn credential_injector() -> Value {
    let credential = json!({
        "@type": "type.googleapis.com/envoy.extensions.http.injected_credentials.generic.v3.Generic",
        "credential": {"name": "token"},
    });
    filter(
        "credential_injector",
        "credential_injector.v3.CredentialInjector",
        json!({
            "overwrite": true,
            "credential": {"name": "envoy.http.injected_credentials.generic", "typed_config": credential},
        }),
    )
}

/// What `credential_injector` has: as long as the token that Gatepass attaches.
fn secret() -> Value {
    let value = STANDARD.encode(format!("Bearer {}", "x".repeat(1_200)));
    json!([{"name": "token", "generic_secret": {"secret": {"inline_bytes": value}}}])
}

fn ext_authz() -> Value {
    let uri = json!({"uri": "http://127.0.0.1", "cluster": AUTHORIZER, "timeout": "2s"});
    filter(
        "ext_authz",
        "ext_authz.v3.ExtAuthz",
        json!({"http_service": {"server_uri": uri}, "failure_mode_allow": false}),
    )
}

/// The smallest module that Envoy takes as a filter: one callback, which lets the request pass.
fn nothing() -> Value {
    const MODULE: &str = r#"(module
        (memory (export "memory") 1)
        (func (export "_initialize"))
        (func (export "proxy_abi_version_0_2_1"))
        (func (export "malloc") (param i32) (result i32) i32.const 1024)
        (func (export "proxy_on_context_create") (param i32 i32))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) i32.const 0))"#;
    wasm("nothing", MODULE)
}

const CLOCKS: &str = "(drop (call $clock (i32.const 0) (i64.const 0) (i32.const 8)))
    (drop (call $clock (i32.const 1) (i64.const 0) (i32.const 16)))";
const HEADERS: &str = "(drop (call $pairs (i32.const 0) (i32.const 8) (i32.const 16)))";
const REPLACE: &str =
    "(drop (call $replace (i32.const 0) (i32.const 32) (i32.const 13) (i32.const 32768) (i32.const 1207)))";

fn contexts(work: &str) -> String {
    let value = "x".repeat(1_207);
    format!(
        r#"(module
        (import "env" "proxy_get_header_map_pairs" (func $pairs (param i32 i32 i32) (result i32)))
        (import "env" "proxy_replace_header_map_value" (func $replace (param i32 i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 32) "authorization")
        (data (i32.const 32768) "{value}")
        (func (export "_initialize"))
        (func (export "proxy_abi_version_0_2_1"))
        (func (export "malloc") (param i32) (result i32) i32.const 1024)
        (func (export "proxy_on_context_create") (param i32 i32))
        (func (export "proxy_on_delete") (param i32))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) {work} i32.const 0))"#
    )
}

fn wasm(name: &str, module: &str) -> Value {
    let code = STANDARD.encode(wat::parse_str(module).unwrap_or_default());
    filter(
        "wasm",
        "wasm.v3.Wasm",
        json!({"config": {
            "name": name,
            "vm_config": {"vm_id": name, "runtime": "envoy.wasm.runtime.v8", "code": {"local": {"inline_bytes": code}}},
        }}),
    )
}

fn router() -> Value {
    filter("router", "router.v3.Router", json!({}))
}

fn filter(name: &str, kind: &str, mut configuration: Value) -> Value {
    configuration["@type"] = json!(format!("type.googleapis.com/envoy.extensions.filters.http.{kind}"));
    json!({"name": format!("envoy.filters.http.{name}"), "typed_config": configuration})
}
