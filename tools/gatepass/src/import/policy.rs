//! What a policy document does, for one class of requests: those with one method (or none that a condition names)
//! and one operation.

use super::expression::{self, Member, Scope};
use super::issuers;
use super::names::Names;
use super::token_request;
use super::xml::Element;
use super::yaml::Yaml;

/// Something that could not be converted, or needs a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) line: usize,
    pub(crate) element: String,
    pub(crate) why: String,
    /// Whether it guards the API: without it the operation would let more pass than before.
    pub(crate) guards: bool,
}

/// What an operation of ours will be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Draft {
    /// The members of `validate`, in order; several where a policy validates twice.
    pub(crate) validate: Vec<(String, Yaml)>,
    pub(crate) on_failure: Vec<(String, Yaml)>,
    pub(crate) require_headers: Vec<Yaml>,
    pub(crate) attach: Vec<Yaml>,
    pub(crate) set: Vec<(String, Yaml)>,
    pub(crate) remove: Vec<String>,
    /// Parts of the Envoy route.
    pub(crate) route: Vec<(String, Yaml)>,
    /// The path of the backend's URL, which stands before what a request asks for.
    pub(crate) base: Option<String>,
    /// The path that a request asks for in place of its own.
    pub(crate) template: Option<String>,
    pub(crate) cors: Option<Yaml>,
}

/// What all operations share.
#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) issuers: Vec<(String, Yaml)>,
    pub(crate) identities: Vec<(String, Yaml)>,
    pub(crate) clusters: Vec<(String, String)>,
    pub(crate) names: Names,
}

/// Policies that guard an API and that Gatepass does not do.
const GUARDS: [(&str, &str); 13] = [
    ("ip-filter", "Envoy's `rbac` filter does this"),
    ("rate-limit", "Envoy's `local_ratelimit` filter does this"),
    ("rate-limit-by-key", "Envoy's `ratelimit` filter does this"),
    ("quota", "Envoy's `ratelimit` filter does this"),
    ("quota-by-key", "Envoy's `ratelimit` filter does this"),
    ("limit-concurrency", "Envoy's circuit breakers do this"),
    ("validate-client-certificate", "the listener's TLS context does this"),
    ("validate-content", "a filter for content has to do this"),
    ("validate-parameters", "a filter for content has to do this"),
    ("validate-headers", "a filter for content has to do this"),
    ("authentication-basic", "write the header in the route, from a secret"),
    ("return-response", "Envoy's `direct_response` does this"),
    ("llm-content-safety", "a filter for content has to do this"),
];

pub(crate) struct Walk<'w> {
    pub(crate) scope: Scope,
    pub(crate) draft: Draft,
    pub(crate) shared: &'w mut Shared,
    pub(crate) notes: Vec<Note>,
    /// The variables that hold a token for the backend, and what is attached in their place.
    pub(crate) tokens: Vec<(String, Yaml)>,
}

impl Walk<'_> {
    pub(crate) fn note(&mut self, element: &Element, guards: bool, why: impl Into<String>) {
        let note = Note { line: element.line, element: element.name.clone(), why: why.into(), guards };
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// A value that is constant here, with its named values resolved.
    pub(crate) fn constant(&mut self, value: &str) -> Option<String> {
        let text = expression::text(value, &self.scope)?;
        Some(self.shared.names.resolve(&text))
    }

    /// The attribute's value; a note and `None` where only a request knows it.
    pub(crate) fn attribute(&mut self, element: &Element, name: &str, guards: bool) -> Option<String> {
        let value = element.attribute(name)?;
        let constant = self.constant(value);
        if constant.is_none() {
            self.note(element, guards, format!("the expression in `{name}` depends on the request"));
        }
        constant
    }

    pub(crate) fn policies(&mut self, document: &Element) {
        if document.name != "policies" {
            return self.inbound(std::slice::from_ref(document));
        }
        for section in &document.children {
            match section.name.as_str() {
                "inbound" => self.inbound(&section.children),
                "backend" => self.backend(&section.children),
                "outbound" => self.outbound(&section.children),
                "on-error" => self.on_error(&section.children),
                _ => self.note(section, true, "this is no section of a policy document"),
            }
        }
    }

    pub(crate) fn inbound(&mut self, elements: &[Element]) {
        for element in elements {
            if token_request::take(self, element) {
                continue;
            }
            match element.name.as_str() {
                "base" => {}
                "validate-jwt" => issuers::validate_jwt(self, element),
                "validate-azure-ad-token" => issuers::validate_azure_ad_token(self, element),
                "check-header" => self.check_header(element),
                "authentication-managed-identity" => self.managed_identity(element),
                "authentication-certificate" => self.note(
                    element,
                    false,
                    "the certificate for the backend belongs to the TLS context of the route's cluster",
                ),
                "set-variable" => self.set_variable(element),
                "set-header" => self.set_header(element),
                "set-backend-service" => self.set_backend(element),
                "rewrite-uri" => self.rewrite(element),
                "cors" => self.cors(element),
                "choose" => self.choose(element),
                "trace" => {}
                name => self.other(element, name),
            }
        }
    }

    fn other(&mut self, element: &Element, name: &str) {
        match GUARDS.iter().find(|(guard, _)| *guard == name) {
            Some((_, instead)) => self.note(element, true, *instead),
            None => self.note(element, false, "there is no counterpart in Gatepass"),
        }
    }

    fn backend(&mut self, elements: &[Element]) {
        for element in elements {
            match (element.name.as_str(), element.attribute("timeout")) {
                ("base", _) | ("forward-request", None) => {}
                ("forward-request", Some(_)) => {
                    if let Some(seconds) = self.attribute(element, "timeout", false) {
                        self.draft.route.push(("timeout".to_owned(), Yaml::text(format!("{seconds}s"))));
                    }
                }
                (name, _) => self.other(element, name),
            }
        }
    }

    /// What happens to answers is Envoy's: constant headers go to the route, evicting a token is Gatepass's own work.
    fn outbound(&mut self, elements: &[Element]) {
        for element in elements {
            let evicts = !self.tokens.is_empty() && contains(element, "cache-remove-value");
            match element.name.as_str() {
                "base" => {}
                _ if evicts => {}
                "set-header" => {
                    let Some(name) = self.attribute(element, "name", false) else { continue };
                    let values: Vec<_> = element.all("value").map(|value| value.text.clone()).collect();
                    match (element.attribute("exists-action"), values.as_slice()) {
                        (Some("delete"), _) => {
                            self.push_route("response_headers_to_remove", Yaml::text(name))
                        }
                        (_, [value]) if self.constant(value).is_some() => {
                            let value = self.constant(value).unwrap_or_default();
                            let header =
                                Yaml::object([("key", Yaml::text(name)), ("value", Yaml::text(value))]);
                            let action = match element.attribute("exists-action") {
                                Some("skip") => "ADD_IF_ABSENT",
                                Some("append") => "APPEND_IF_EXISTS_OR_ADD",
                                _ => "OVERWRITE_IF_EXISTS_OR_ADD",
                            };
                            let entry = [("header", header), ("append_action", Yaml::text(action))];
                            self.push_route("response_headers_to_add", Yaml::object(entry));
                        }
                        _ => self.note(element, false, "the value depends on the request"),
                    }
                }
                name => self.other_of_answers(element, name),
            }
        }
    }

    fn other_of_answers(&mut self, element: &Element, name: &str) {
        self.note(element, false, format!("`{name}` changes answers, which Gatepass leaves to Envoy"));
    }

    fn on_error(&mut self, elements: &[Element]) {
        for element in elements.iter().filter(|element| element.name != "base") {
            let why =
                "refusals are shaped by `on_failure`; reasons are in the access log as `gatepass.<code>`";
            self.note(element, false, why);
        }
    }

    fn push_route(&mut self, name: &str, item: Yaml) {
        match self.draft.route.iter_mut().find(|(member, _)| member == name) {
            Some((_, Yaml::List(items))) => items.push(item),
            _ => self.draft.route.push((name.to_owned(), Yaml::List(vec![item]))),
        }
    }

    fn check_header(&mut self, element: &Element) {
        let Some(name) = self.attribute(element, "name", true) else { return };
        let mut members = vec![("name".to_owned(), Yaml::text(name))];
        let mut values = Vec::new();
        for value in element.all("value") {
            match self.constant(&value.text) {
                Some(value) => values.push(value),
                None => return self.note(element, true, "a value depends on the request"),
            }
        }
        if !values.is_empty() {
            members.push(("values".to_owned(), Yaml::texts(values)));
        }
        if self
            .attribute(element, "ignore-case", true)
            .is_some_and(|ignore| ignore.eq_ignore_ascii_case("true"))
        {
            members.push(("ignore_case".to_owned(), Yaml::Bool(true)));
        }
        let status = self.attribute(element, "failed-check-httpcode", false);
        members.extend(
            status.and_then(|status| Some(("status".to_owned(), Yaml::Number(status.parse().ok()?)))),
        );
        let message = self.attribute(element, "failed-check-error-message", false);
        members.extend(message.map(|message| ("message".to_owned(), Yaml::text(message))));
        self.draft.require_headers.push(Yaml::Object(members));
    }

    fn managed_identity(&mut self, element: &Element) {
        let Some(resource) = self.attribute(element, "resource", true) else { return };
        let client_id = match element.attribute("client-id") {
            Some(_) => match self.attribute(element, "client-id", true) {
                Some(id) => Some(id),
                None => return,
            },
            None => None,
        };
        let name =
            client_id.as_deref().map_or_else(|| "gateway".to_owned(), |id| format!("gateway-{}", short(id)));
        let mut identity =
            vec![("source".to_owned(), Yaml::text("imds")), ("cluster".to_owned(), Yaml::text("imds"))];
        identity.extend(client_id.map(|id| ("client_id".to_owned(), Yaml::Text(id))));
        self.shared.cluster("imds", "http://169.254.169.254");
        self.shared.identity(&name, Yaml::object([("managed_identity", Yaml::Object(identity))]));
        let mut attach =
            vec![("identity".to_owned(), Yaml::Text(name)), ("resource".to_owned(), Yaml::Text(resource))];
        if element.attribute("ignore-error").is_some_and(|ignore| ignore == "true") {
            attach.push(("on_error".to_owned(), Yaml::text("continue")));
        }
        match element.attribute("output-token-variable-name") {
            Some(variable) => self.tokens.push((variable.to_owned(), Yaml::Object(attach))),
            None => self.draft.attach.push(Yaml::Object(attach)),
        }
    }

    fn set_variable(&mut self, element: &Element) {
        let Some(name) = element.attribute("name") else { return };
        let value = element.attribute("value").and_then(|value| expression::text(value, &self.scope));
        match value {
            Some(value) => self.scope.variables.insert(name.to_owned(), value),
            None => self.scope.variables.remove(name),
        };
    }

    fn set_header(&mut self, element: &Element) {
        let Some(name) = self.attribute(element, "name", false) else { return };
        let name = name.to_ascii_lowercase();
        let action = element.attribute("exists-action").unwrap_or("override");
        if action == "delete" {
            self.draft.remove.push(name);
            return;
        }
        let values: Vec<_> = element.all("value").map(|value| value.text.clone()).collect();
        let [value] = values.as_slice() else {
            return self.note(element, false, "a header with several values has no counterpart");
        };
        let token = self.tokens.iter().find(|(variable, _)| value.contains(&format!("\"{variable}\"")));
        if let Some((_, Yaml::Object(attach))) = token {
            let mut attach = attach.clone();
            if name != "authorization" {
                attach.push(("header".to_owned(), Yaml::Text(name)));
                if !value.contains("Bearer") {
                    attach.push(("prefix".to_owned(), Yaml::text("")));
                }
            }
            if action == "skip" {
                attach.push(("existing".to_owned(), Yaml::text("keep")));
            }
            self.draft.attach.push(Yaml::Object(attach));
            return;
        }
        if let Some(secret) = self.shared.names.secret(value) {
            let attach = [("secret", Yaml::Text(secret)), ("header", Yaml::Text(name))];
            self.draft.attach.push(Yaml::object(attach));
            return;
        }
        match (self.constant(value), action) {
            (Some(value), "override") => self.draft.set.push((name, Yaml::Text(value))),
            (Some(_), _) => {
                self.note(element, false, "use the route's `request_headers_to_add` for `skip` and `append`")
            }
            (None, _) if name == "authorization" => {
                // Whatever the policy sent there, the client's own credential was not it.
                self.draft.remove.push(name);
                self.note(
                    element,
                    false,
                    "the value depends on the request; the client's own header is removed",
                );
            }
            (None, _) => self.note(element, false, "the value depends on the request"),
        }
    }

    fn set_backend(&mut self, element: &Element) {
        if let Some(url) =
            element.attribute("base-url").and_then(|_| self.attribute(element, "base-url", false))
        {
            let name = cluster_of(&url);
            self.shared.cluster(&name, &url);
            self.draft.route.push(("cluster".to_owned(), Yaml::Text(name)));
            let path = url.split("://").last().and_then(|rest| rest.split_once('/')).map(|(_, path)| path);
            self.draft.base = Some(path.unwrap_or_default().trim_matches('/').to_owned());
        } else if let Some(id) = self.attribute(element, "backend-id", false) {
            self.shared.cluster(&id, "(the backend of this id)");
            self.draft.route.push(("cluster".to_owned(), Yaml::Text(id)));
        } else {
            self.note(element, false, "the backend depends on the request");
        }
    }

    fn rewrite(&mut self, element: &Element) {
        let Some(template) = self.attribute(element, "template", false) else { return };
        if template.contains('{') {
            return self.note(
                element,
                false,
                "a template with parameters: use the route's `path_rewrite_policy`",
            );
        }
        self.draft.template = Some(template.trim_matches('/').to_owned());
    }

    fn cors(&mut self, element: &Element) {
        let list = |name: &str, item: &str| -> Vec<String> {
            let items =
                element.child(name).map(|list| list.all(item).map(|item| item.text.clone()).collect());
            items.unwrap_or_default()
        };
        let origins = list("allowed-origins", "origin").into_iter().map(|origin| match origin.as_str() {
            "*" => Yaml::object([("safe_regex", Yaml::object([("regex", Yaml::text(".*"))]))]),
            _ => Yaml::object([("exact", Yaml::Text(origin.trim_end_matches('/').to_owned()))]),
        });
        let mut cors = vec![(
            "@type".to_owned(),
            Yaml::text("type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy"),
        )];
        cors.push(("allow_origin_string_match".to_owned(), Yaml::List(origins.collect())));
        for (member, name, item) in [
            ("allow_methods", "allowed-methods", "method"),
            ("allow_headers", "allowed-headers", "header"),
            ("expose_headers", "expose-headers", "header"),
        ] {
            let items = list(name, item);
            if !items.is_empty() {
                cors.push((member.to_owned(), Yaml::Text(items.join(","))));
            }
        }
        let age = element
            .child("allowed-methods")
            .and_then(|methods| methods.attribute("preflight-result-max-age"));
        cors.extend(age.map(|age| ("max_age".to_owned(), Yaml::text(age))));
        if element.attribute("allow-credentials").is_some_and(|allow| allow.eq_ignore_ascii_case("true")) {
            cors.push(("allow_credentials".to_owned(), Yaml::Bool(true)));
        }
        self.draft.cors = Some(Yaml::Object(cors));
    }

    fn choose(&mut self, element: &Element) {
        for branch in &element.children {
            match branch.name.as_str() {
                "otherwise" => return self.inbound(&branch.children),
                "when" => {}
                _ => return self.note(branch, true, "this does not belong into `choose`"),
            }
            let condition = branch.attribute("condition").unwrap_or_default();
            match expression::holds(condition, &self.scope) {
                Some(true) => return self.inbound(&branch.children),
                Some(false) => {}
                None => {
                    let guards = element.children.iter().any(|branch| branch.children.iter().any(guards));
                    return self.note(branch, guards, "the condition depends on what only a request knows");
                }
            }
        }
    }
}

impl Shared {
    pub(crate) fn cluster(&mut self, name: &str, url: &str) {
        if !self.clusters.iter().any(|(known, _)| known == name) {
            self.clusters.push((name.to_owned(), url.to_owned()));
        }
    }

    pub(crate) fn identity(&mut self, name: &str, identity: Yaml) {
        if !self.identities.iter().any(|(known, _)| known == name) {
            self.identities.push((name.to_owned(), identity));
        }
    }
}

/// Whether an element, or one within it, keeps requests out, or changes with whose rights the backend is called.
fn guards(element: &Element) -> bool {
    let name = element.name.as_str();
    let is_guard = GUARDS.iter().any(|(guard, _)| *guard == name)
        || matches!(name, "validate-jwt" | "validate-azure-ad-token" | "check-header" | "authentication-managed-identity")
        || (name == "set-header"
            && element.attribute("name").is_some_and(|name| name.eq_ignore_ascii_case("authorization")))
        // A variable may be what a check compares with.
        || name == "set-variable";
    is_guard || element.children.iter().any(guards)
}

pub(crate) fn contains(element: &Element, name: &str) -> bool {
    element.name == name || element.children.iter().any(|child| contains(child, name))
}

/// All strings that the document's conditions compare `member` with.
pub(crate) fn classes(element: &Element, member: Member) -> Vec<String> {
    let condition = element.attribute("condition").map(|condition| expression::compared(condition, member));
    let mut found = condition.unwrap_or_default();
    found.extend(element.children.iter().flat_map(|child| classes(child, member)));
    found
}

/// A cluster's name for a URL: its host with dashes.
pub(crate) fn cluster_of(url: &str) -> String {
    let host = url.split("://").nth(1).unwrap_or(url).split(['/', ':']).next().unwrap_or_default();
    let name: String =
        host.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    match name.trim_matches('-') {
        "" => "backend".to_owned(),
        "login-microsoftonline-com" => "login".to_owned(),
        name => name.to_owned(),
    }
}

fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id).trim_start_matches("${").trim_end_matches('}')
}
