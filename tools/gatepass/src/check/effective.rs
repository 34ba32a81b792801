//! `gatepass check --effective`: what each operation asks for and gives, after defaults, values and issuers.

use std::fmt::Write as _;

use gatepass::access::{
    ApplicationIds, ClaimEncoding, ClaimValue, Condition, HostPattern, RequiredClaim, RequiredHeader,
    TokenType,
};
use gatepass::config::{
    Alternative, Attachment, BodyForm, Configuration, Credential, Existing, Inbound, InboundToken, OnError,
    Operation, Position, Scheme, TokenPlace, Validate,
};
use gatepass::jwt::Algorithm;
use gatepass::keys::{Issuer, Tenants};
use serde_json::{Map, Value, json};

/// What is said of one operation: each heading with its lines. Secrets are named, never shown.
pub(super) struct Effective {
    /// Its place in the configuration.
    place: String,
    rows: Vec<(&'static str, Vec<String>)>,
}

/// Every operation, and what holds for all requests.
pub(super) fn of(configuration: &Configuration) -> Vec<Effective> {
    let operations = configuration.operations.iter().enumerate();
    let mut all: Vec<_> = operations
        .map(|(index, operation)| Effective {
            place: format!("operations[{index}]"),
            rows: rows(operation, configuration.position),
        })
        .collect();
    let elsewhere = match configuration.position {
        Position::Listener => "refused: 404 operation_not_found",
        Position::Upstream => "passed on unchanged",
    };
    let names: Vec<_> = configuration.gateway_headers.names().collect();
    let mut rows = vec![("requests", vec!["whatever matches no operation".to_owned()])];
    rows.push(("answer", vec![elsewhere.to_owned()]));
    if !names.is_empty() {
        rows.push((
            "taken away",
            vec![format!("from every request, on every operation: {}", names.join(", "))],
        ));
    }
    all.push(Effective { place: "otherwise".to_owned(), rows });
    all
}

impl Effective {
    /// For a person: the headings aligned.
    pub(super) fn text(&self) -> String {
        let mut text = format!("{}\n", self.place);
        for (heading, lines) in &self.rows {
            for (index, line) in lines.iter().enumerate() {
                let heading = if index == 0 { heading } else { "" };
                let _ = writeln!(text, "  {heading:<16}  {line}");
            }
        }
        text
    }

    /// One object on a line.
    pub(super) fn json(&self, file: &str) -> String {
        let rows: Map<_, _> = self
            .rows
            .iter()
            .map(|(heading, lines)| (heading.replace(' ', "_"), Value::from(lines.clone())))
            .collect();
        let mut object = json!({"file": file, "operation": self.place});
        object.as_object_mut().into_iter().for_each(|object| object.extend(rows.clone()));
        object.to_string()
    }
}

fn rows(operation: &Operation, position: Position) -> Vec<(&'static str, Vec<String>)> {
    let mut rows = vec![("requests", requests(operation))];
    if position == Position::Listener {
        rows.push(("caller", caller(operation)));
        if let Inbound::Validate(validate) = &operation.inbound {
            rows.push(("token", token(validate)));
            rows.push(("claims go to", claims_go_to(validate)));
        }
    }
    if let Some(key) = &operation.subscription {
        let keys = key.keys.iter().map(|key| format!("`{}`", key.name));
        let fate = if key.forward { "the backend sees it" } else { "the backend does not see it" };
        let line = format!(
            "{}, or {} in the query: one of {}; {fate}",
            key.written,
            key.query,
            keys.collect::<Vec<_>>().join(", ")
        );
        rows.push(("subscription key", vec![line]));
    }
    rows.push(("headers required", operation.required_headers.iter().map(required_header).collect()));
    rows.push(("attached", operation.attachments.iter().map(attached).collect()));
    rows.push(("taken away", taken_away(operation)));
    let set = operation.headers.set.iter();
    let set =
        set.map(|(name, value)| format!("{}: {}", name.as_str(), String::from_utf8_lossy(value.as_bytes())));
    rows.push(("set", set.collect()));
    if position == Position::Listener {
        rows.push(("refusals", vec![refusals(operation)]));
    }
    rows.retain(|(_, lines)| !lines.is_empty());
    rows
}

fn requests(operation: &Operation) -> Vec<String> {
    let matcher = &operation.matcher;
    let methods =
        if matcher.methods.is_empty() { "any method".to_owned() } else { matcher.methods.join(", ") };
    let mut lines = vec![format!("{methods}  {}", matcher.path)];
    let hosts: Vec<_> = matcher
        .hosts
        .iter()
        .map(|host| match host {
            HostPattern::Exact(host) => host.clone(),
            HostPattern::Below(below) => format!("*{below}"),
        })
        .collect();
    if !hosts.is_empty() {
        lines.push(format!("for {}", hosts.join(", ")));
    }
    let rules = matcher.path.rules();
    let notes = [
        (matcher.cors_preflight, "only what a browser asks beforehand (CORS)"),
        (rules.case_sensitive, "letters' case matters"),
        (rules.trailing_slash, "a slash at the end matters"),
        (rules.allow.encoded_slash, "`%2F` is let pass"),
        (rules.allow.encoded_percent, "`%25` is let pass"),
        (rules.allow.semicolon, "`;` is let pass"),
    ];
    lines.extend(notes.into_iter().filter(|(is_so, _)| *is_so).map(|(_, note)| note.to_owned()));
    lines
}

fn caller(operation: &Operation) -> Vec<String> {
    let validate = match (&operation.inbound, &operation.subscription) {
        (Inbound::Validate(validate), _) => validate,
        (Inbound::Anonymous, Some(_)) => {
            return vec!["whoever has a subscription key; no token is looked at".to_owned()];
        }
        (Inbound::Anonymous, None) => return vec!["ANYONE: no token is looked at".to_owned()],
    };
    let mut lines = Vec::new();
    if validate.optional {
        lines.push("ANYONE without a token; with one, it must be".to_owned());
    }
    for (index, alternative) in validate.any_of.iter().enumerate() {
        let or = if index > 0 { "or " } else { "" };
        lines.push(format!("{or}{}", issuer(&alternative.issuer)));
        lines.extend(asked(alternative).into_iter().map(|line| format!("  {line}")));
    }
    if !operation.enforce {
        lines.push(
            "REPORT ONLY (`enforce: false`): who would be refused passes, without an identity".to_owned(),
        );
    }
    lines
}

fn issuer(issuer: &Issuer) -> String {
    match issuer {
        Issuer::OpenId(definition) => {
            format!("a token of `{}` ({})", definition.name, algorithms(&definition.algorithms))
        }
        Issuer::Shared(shared) => {
            format!("a token of {} (shared key, {})", shared.issuer, algorithms(&shared.algorithms))
        }
        Issuer::Entra(entra) => {
            let versions = [("v1", &entra.v1), ("v2", &entra.v2)];
            let versions: Vec<_> =
                versions.iter().filter(|(_, keys)| keys.is_some()).map(|(name, _)| *name).collect();
            let tenants = match &entra.tenants {
                Tenants::OneOf(ids) => format!("tenant {}", ids.join(" or ")),
                Tenants::OfDocument => "the tenant of its domain".to_owned(),
                Tenants::AnyOrganization => "ANY organisation".to_owned(),
                Tenants::Any => "ANY organisation or person".to_owned(),
            };
            let name = issuer.definitions().next().map_or("", |keys| keys.name.as_str());
            // Each version's keys are a set of their own, told apart by the name.
            let name = name.trim_end_matches(" (v1)").trim_end_matches(" (v2)");
            format!("a token of `{name}` (Entra {}, {tenants})", versions.join(" and "))
        }
    }
}

fn algorithms(algorithms: &[Algorithm]) -> String {
    algorithms.iter().map(|algorithm| algorithm.name()).collect::<Vec<_>>().join(", ")
}

/// What is asked of the tokens of one issuer.
fn asked(alternative: &Alternative) -> Vec<String> {
    let mut lines = Vec::new();
    match (&alternative.audiences.one_of, &alternative.audiences.applications) {
        (None, None) => lines.push("audience ANY".to_owned()),
        (audiences, applications) => {
            lines.extend(audiences.as_ref().map(|audiences| format!("audience {}", audiences.join(" or "))));
            lines.extend(applications.as_ref().map(|ids| format!("audience of application {}", ids_of(ids))));
        }
    }
    let callers = &alternative.callers;
    lines.extend(callers.clients.as_ref().map(|clients| format!("application {}", ids_of(&clients.ids))));
    lines.extend(callers.token_type.map(|kind| match kind {
        TokenType::App => "got by an application for itself".to_owned(),
        TokenType::User => "got on behalf of a user".to_owned(),
    }));
    for requirement in &callers.required {
        let (by_method, otherwise) = requirement.parts();
        lines.extend(by_method.iter().map(|(method, claim)| format!("{method}: {}", claim_asked(claim))));
        match otherwise {
            Some(claim) if by_method.is_empty() => lines.push(claim_asked(claim)),
            Some(claim) => lines.push(format!("other methods: {}", claim_asked(claim))),
            None => lines.push("other methods: refused".to_owned()),
        }
    }
    lines
}

fn ids_of(ids: &ApplicationIds) -> String {
    ids.as_slice().join(" or ")
}

fn claim_asked(claim: &RequiredClaim) -> String {
    let name = claim.path.join(" > ");
    let split = claim.separator.as_ref().map(|by| format!(" (split by {by:?})")).unwrap_or_default();
    match &claim.condition {
        Condition::Present => format!("claim {name}, not empty"),
        Condition::All(values) => format!("claim {name}{split} has {}", values.join(" and ")),
        Condition::Any(values) => format!("claim {name}{split} has {}", values.join(" or ")),
        Condition::Not(values) => format!("claim {name}{split} has none of {}", values.join(", ")),
        Condition::EqualsParameter(parameter) => format!("claim {name}{split} is the path's {{{parameter}}}"),
    }
}

fn token(validate: &Validate) -> Vec<String> {
    let place = match &validate.handling.place {
        TokenPlace::Header { name, scheme: Scheme::Bearer } => format!("{}, behind Bearer", name.as_str()),
        TokenPlace::Header { name, scheme: Scheme::Optional } => {
            format!("{}, behind Bearer or alone", name.as_str())
        }
        TokenPlace::Header { name, scheme: Scheme::None } => format!("{}, alone", name.as_str()),
        TokenPlace::Query(name) => format!("{name} in the query"),
        TokenPlace::Cookie(name) => format!("the cookie {name}"),
        TokenPlace::WebSocketProtocol(prefix) => format!("the WebSocket subprotocol {prefix}…"),
    };
    let fate = match &validate.handling.inbound {
        InboundToken::Forward => "goes on to the backend".to_owned(),
        InboundToken::Remove => "is taken away".to_owned(),
        InboundToken::MoveTo(header) => format!("moves to {}", header.as_str()),
    };
    let time = &validate.time;
    let mut life = Vec::new();
    life.extend((!time.clock_skew.is_zero()).then(|| format!("clocks may differ by {:?}", time.clock_skew)));
    life.extend((!time.require_expiration).then(|| "MAY HAVE NO END".to_owned()));
    life.extend(time.max_lifetime.map(|longest| format!("lives {longest:?} at the most")));
    let mut lines = vec![format!("in {place}; {fate}")];
    let keys: Vec<_> = validate.decryption_keys.iter().map(|key| format!("`{}`", key.secret.name)).collect();
    lines.extend((!keys.is_empty()).then(|| format!("may be encrypted to {}", keys.join(" or "))));
    lines.extend((!life.is_empty()).then(|| life.join("; ")));
    lines
}

fn claims_go_to(validate: &Validate) -> Vec<String> {
    let told = &validate.handling.disclosure;
    let headers = told
        .headers
        .iter()
        .map(|(claim, header)| format!("{}: claim {}", header.as_str(), claim_told(claim)));
    let state = told
        .filter_state
        .iter()
        .map(|(claim, key)| format!("filter state wasm.{key}: claim {}", claim_told(claim)));
    headers.chain(state).collect()
}

fn claim_told(claim: &ClaimValue) -> String {
    let name = claim.path.join(" > ");
    match claim.encoding {
        ClaimEncoding::Text => name,
        ClaimEncoding::JsonBase64Url => format!("{name}, as JSON in base64url"),
    }
}

fn required_header(header: &RequiredHeader) -> String {
    let values = if header.values.is_empty() { "not empty".to_owned() } else { header.values.join(" or ") };
    let status = header.status.map(|status| format!(", else {}", status.as_u16())).unwrap_or_default();
    format!("{}: {values}{status}", header.written)
}

fn attached(attachment: &Attachment) -> String {
    let what = match &attachment.credential {
        Credential::Token(token) => {
            let (parameter, value) = token.target();
            format!("<token of `{}` ({}) for {parameter} {value}>", token.identity, token.source())
        }
        Credential::Secret(secret) => format!("<secret `{}`>", secret.name),
    };
    let mut line = format!("{}: {}{what}", attachment.header.as_str(), attachment.prefix);
    line.push_str(match attachment.existing {
        Existing::Overwrite => "",
        Existing::Keep => ", unless the caller brings one",
        Existing::MoveTo(_) => ", the caller's own moves",
    });
    if !attachment.destinations.is_empty() {
        let _ = write!(line, ", to {} alone", attachment.destinations.join(" or "));
    }
    line.push_str(match attachment.on_error {
        OnError::Refuse => "",
        OnError::Continue => "; without it where there is none",
    });
    line
}

fn taken_away(operation: &Operation) -> Vec<String> {
    let mut names: Vec<_> = operation.headers.remove.iter().map(|name| name.as_str().to_owned()).collect();
    for attachment in &operation.attachments {
        match &attachment.existing {
            Existing::Keep => {}
            Existing::Overwrite => names.push(format!("{} of the caller", attachment.header.as_str())),
            Existing::MoveTo(target) => {
                names.push(format!("{} of the caller (to {})", attachment.header.as_str(), target.as_str()));
            }
        }
    }
    if names.is_empty() { Vec::new() } else { vec![names.join(", ")] }
}

fn refusals(operation: &Operation) -> String {
    let on_failure = &operation.on_failure;
    let (status, forbidden) = (on_failure.status.as_u16(), on_failure.forbidden_status.as_u16());
    let mut line = status.to_string();
    if forbidden != status {
        let _ = write!(line, ", {forbidden} where a role or claim is missing");
    }
    line.push_str(match on_failure.body {
        BodyForm::Apim => "; API Management's body",
        BodyForm::Problem => "; problem details",
    });
    if let Some(message) = &on_failure.message {
        let _ = write!(line, ", {message:?}");
    }
    if on_failure.expose_reason {
        line.push_str("; THE CALLER IS TOLD THE REASON");
    }
    line
}
