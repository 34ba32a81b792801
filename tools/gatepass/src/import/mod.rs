//! `gatepass import`: policies of API Management to a configuration of Gatepass and parts of Envoy's.
//!
//! A policy is run once for each class of requests that its conditions tell apart (by method, by operation). What
//! cannot be converted is said; if it guards the API, the operation is left out, so that its requests get 404.

mod expression;
mod issuers;
mod names;
mod policy;
mod token_request;
mod xml;
mod yaml;

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;

use clap::Args;
use gatepass::config::Configuration;
use gatepass::environment::Environment;

use crate::Outcome;
use crate::document;
use expression::{Member, Scope};
use names::Names;
use policy::{Draft, Note, Shared, Walk};
use xml::Element;
use yaml::Yaml;

#[derive(Args)]
pub(crate) struct Import {
    /// Policy documents; `/path=file.xml` says where the API is, else it is everything (`/`)
    #[arg(required = true, value_name = "[PATH=]POLICY")]
    policies: Vec<String>,
    /// Named values: a YAML or JSON file with `name: value`, or `name: {secret: true}`
    #[arg(long, value_name = "FILE")]
    named_values: Option<PathBuf>,
    /// An operation of the API, for conditions on `context.Operation.Id`
    #[arg(long = "operation", value_name = "ID=METHOD /TEMPLATE", value_parser = Operation::parse)]
    operations: Vec<Operation>,
    /// A policy that is done elsewhere, such as `ip-filter`: it no longer keeps an operation out
    #[arg(long, value_name = "ELEMENT")]
    without: Vec<String>,
}

#[derive(Clone, Debug)]
struct Operation {
    id: String,
    method: String,
    template: String,
}

impl Operation {
    fn parse(text: &str) -> Result<Self, String> {
        let parts = text.split_once('=').and_then(|(id, rest)| Some((id, rest.trim().split_once(' ')?)));
        let (id, (method, template)) = parts.ok_or("write `id=GET /orders/{id}`")?;
        Ok(Self { id: id.to_owned(), method: method.to_owned(), template: template.trim().to_owned() })
    }
}

/// What was made of all policies.
#[derive(Default)]
struct Imported {
    shared: Shared,
    operations: Vec<Yaml>,
    routes: Vec<Yaml>,
    /// By file.
    notes: Vec<(String, Note)>,
    left_out: usize,
    /// Paths at which an operation is left out: a wider API must not take its requests.
    closed: Vec<String>,
}

pub(crate) fn run(import: &Import) -> io::Result<Outcome> {
    let mut result = Imported::default();
    if let Some(file) = &import.named_values {
        let text = std::fs::read_to_string(file)?;
        let documents = document::read(&text)
            .map_err(|error| io::Error::other(format!("{}: {error}", file.display())))?;
        result.shared.names = documents.first().map(Names::read).unwrap_or_default();
    }
    let located = import.policies.iter().map(|policy| match policy.split_once('=') {
        Some((path, file)) if path.starts_with('/') => (path.trim_end_matches('/'), file),
        _ => ("", policy.as_str()),
    });
    let mut located: Vec<_> = located.collect();
    // The longest path wins in API Management, the first one here.
    located.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
    for (path, file) in located {
        let text = std::fs::read_to_string(file)
            .map_err(|error| io::Error::new(error.kind(), format!("{file}: {error}")))?;
        let document = xml::read(&text).map_err(|error| io::Error::other(format!("{file}: {error}")))?;
        result.import(&document, path, file, import);
    }
    let configuration = result.configuration();
    print!("{configuration}");
    print!("{}", result.envoy());
    Ok(result.report(&configuration))
}

/// One class of requests, and what the policy does with it.
struct Class {
    method: Option<String>,
    draft: Draft,
    is_left_out: bool,
}

impl Imported {
    fn import(&mut self, document: &Element, path: &str, file: &str, import: &Import) {
        let within = |closed: &String| {
            closed.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if let Some(closed) = self.closed.iter().find(|closed| within(closed)) {
            let why = format!("it would take the requests of `{closed}`, where an operation is left out");
            let note = Note { line: document.line, element: document.name.clone(), why, guards: true };
            self.notes.push((file.to_owned(), note));
            self.leave_out(path, 1);
            return;
        }
        let mut methods = policy::classes(document, Member::Method);
        methods.iter_mut().for_each(|method| method.make_ascii_uppercase());
        methods.sort();
        methods.dedup();
        for operation in &import.operations {
            let template = format!("{path}{}", operation.template);
            let class = self.class(document, file, Some(operation), Some(operation.method.clone()), import);
            self.add(vec![class], &[("template", &template)], path);
        }
        let ids = policy::classes(document, Member::Operation);
        if let Some(id) = ids.iter().find(|id| import.operations.iter().all(|operation| operation.id != **id))
        {
            let why = format!(
                "conditions ask for the operation `{id}`: say what it is, `--operation '{id}=GET /template'`"
            );
            let note = Note { line: document.line, element: document.name.clone(), why, guards: true };
            self.notes.push((file.to_owned(), note));
            self.leave_out(path, 1);
            return;
        }
        if !ids.is_empty() {
            return;
        }
        let classes = methods.into_iter().map(Some).chain([None]);
        let classes: Vec<_> =
            classes.map(|method| self.class(document, file, None, method, import)).collect();
        self.add(classes, &[("prefix", if path.is_empty() { "/" } else { path })], path);
    }

    fn class(
        &mut self,
        document: &Element,
        file: &str,
        operation: Option<&Operation>,
        method: Option<String>,
        import: &Import,
    ) -> Class {
        let scope =
            Scope { method: method.clone(), operation: operation.map(|o| o.id.clone()), ..Scope::default() };
        let mut walk = Walk {
            scope,
            draft: Draft::default(),
            shared: &mut self.shared,
            notes: Vec::new(),
            tokens: Vec::new(),
        };
        walk.policies(document);
        let Walk { draft, mut notes, .. } = walk;
        notes
            .iter_mut()
            .filter(|note| import.without.contains(&note.element))
            .for_each(|note| note.guards = false);
        let is_left_out = notes.iter().any(|note| note.guards);
        if draft.validate.is_empty() && !is_left_out {
            let why = "no token is asked for; if the API asks for a subscription key, write `subscription_key` there";
            let (line, element) = (document.line, document.name.clone());
            notes.push(Note { line, element, why: why.to_owned(), guards: false });
        }
        for note in notes {
            let entry = (file.to_owned(), note);
            if !self.notes.contains(&entry) {
                self.notes.push(entry);
            }
        }
        Class { method, draft, is_left_out }
    }

    fn add(&mut self, classes: Vec<Class>, path: &[(&str, &str)], api: &str) {
        let left_out = classes.iter().filter(|class| class.is_left_out).count();
        let any_left_out = left_out > 0;
        if any_left_out {
            self.leave_out(api, left_out);
        }
        let first = classes.iter().find(|class| !class.is_left_out);
        let Some(first) = first.map(|class| class.draft.clone()) else { return };
        let same = !any_left_out && classes.iter().all(|class| class.draft == first);
        let is_template = path.iter().any(|(kind, _)| *kind == "template");
        if same && !is_template {
            self.operation(None, path, &first, None);
        } else if let Some((draft, roles)) =
            (!any_left_out && !is_template).then(|| roles_by_method(&classes)).flatten()
        {
            self.operation(None, path, &draft, Some(roles));
        } else {
            // Without those that are left out, "any other method" would take their requests.
            let others_are_safe = !any_left_out;
            for class in classes.iter().filter(|class| !class.is_left_out) {
                if class.method.is_some() || others_are_safe {
                    self.operation(class.method.as_deref(), path, &class.draft, None);
                }
            }
        }
        let mut route = vec![(
            "match".to_owned(),
            Yaml::object([("prefix", Yaml::text(if api.is_empty() { "/" } else { api }))]),
        )];
        let members: Vec<_> = first.route.clone().into_iter().chain(rewriting(&first, api)).collect();
        if !members.is_empty() {
            let (mut action, mut rest) = (Vec::new(), Vec::new());
            for (name, value) in members {
                if name.starts_with("response_headers") {
                    rest.push((name, value))
                } else {
                    action.push((name, value))
                }
            }
            if !action.is_empty() {
                route.push(("route".to_owned(), Yaml::Object(action)));
            }
            route.append(&mut rest);
        }
        if let Some(cors) = first.cors {
            let filters = Yaml::Object(vec![("envoy.filters.http.cors".to_owned(), cors)]);
            route.push(("typed_per_filter_config".to_owned(), filters));
        }
        if route.len() > 1 {
            self.routes.push(Yaml::Object(route));
        }
    }

    fn leave_out(&mut self, path: &str, operations: usize) {
        self.left_out += operations;
        self.closed.push(path.to_owned());
    }

    fn operation(&mut self, method: Option<&str>, path: &[(&str, &str)], draft: &Draft, roles: Option<Yaml>) {
        let mut matches = Vec::new();
        if let Some(method) = method {
            matches.push(("methods".to_owned(), Yaml::texts([method.to_owned()])));
        }
        let path = path.iter().map(|(kind, path)| ((*kind).to_owned(), Yaml::text(*path))).collect();
        matches.push(("path".to_owned(), Yaml::Object(path)));
        let mut members = vec![("match".to_owned(), Yaml::Object(matches))];
        if draft.validate.is_empty() {
            members.push(("anonymous".to_owned(), Yaml::Bool(true)));
        } else {
            let mut validate = draft.validate.clone();
            validate.extend(roles.map(|roles| ("roles".to_owned(), roles)));
            members.push(("validate".to_owned(), Yaml::Object(validate)));
        }
        let mut add = |name: &str, value: Yaml, is_there: bool| {
            if is_there {
                members.push((name.to_owned(), value));
            }
        };
        add("require_headers", Yaml::List(draft.require_headers.clone()), !draft.require_headers.is_empty());
        add("attach", Yaml::List(draft.attach.clone()), !draft.attach.is_empty());
        let mut headers = Vec::new();
        // What is attached over a header need not be removed first.
        let removed: Vec<_> = draft.remove.iter().filter(|name| !attaches(draft, name)).cloned().collect();
        if !draft.set.is_empty() {
            headers.push(("set".to_owned(), Yaml::Object(draft.set.clone())));
        }
        if !removed.is_empty() {
            headers.push(("remove".to_owned(), Yaml::texts(removed)));
        }
        let is_there = !headers.is_empty();
        add("headers", Yaml::Object(headers), is_there);
        add("on_failure", Yaml::Object(draft.on_failure.clone()), !draft.on_failure.is_empty());
        self.operations.push(Yaml::Object(members));
    }

    /// The configuration of Gatepass, notes as comments above it.
    fn configuration(&self) -> String {
        let mut text = String::new();
        for (file, note) in &self.notes {
            let _ = writeln!(text, "# {}", line_of(file, note));
        }
        let mut members = Vec::new();
        let mut add = |name: &str, entries: Vec<(String, Yaml)>| {
            if !entries.is_empty() {
                members.push((name.to_owned(), Yaml::Object(entries)));
            }
        };
        add("values", self.shared.names.values());
        add("issuers", self.shared.issuers.clone());
        add("secrets", self.shared.names.secrets());
        add("identities", self.shared.identities.clone());
        if !self.operations.is_empty() {
            members.push(("operations".to_owned(), Yaml::List(self.operations.clone())));
        }
        if members.is_empty() { text } else { text + &Yaml::Object(members).block(0) }
    }

    fn envoy(&self) -> String {
        if self.routes.is_empty() && self.shared.clusters.is_empty() {
            return String::new();
        }
        let mut text = "---\n# For Envoy: routes, in the order of the policies".to_owned();
        text += if self.routes.is_empty() { "\nroutes: []\n" } else { "\n" };
        if !self.routes.is_empty() {
            text += &Yaml::Object(vec![("routes".to_owned(), Yaml::List(self.routes.clone()))]).block(0);
        }
        text += "# Clusters that have to be there (with verified TLS, see envoy/envoy.yaml):\n";
        for (name, url) in &self.shared.clusters {
            let _ = writeln!(text, "#   {name}: {url}");
        }
        text
    }

    /// Says on standard error what became of it all.
    fn report(&self, configuration: &str) -> Outcome {
        for (file, note) in &self.notes {
            eprintln!("{}", line_of(file, note));
        }
        let faults = self.faults(configuration);
        for fault in &faults {
            eprintln!("the result needs your hand: {fault}");
        }
        let (operations, left_out, notes) = (self.operations.len(), self.left_out, self.notes.len());
        eprintln!(
            "{} imported, {left_out} left out because a guard is missing, {}",
            crate::counted(operations, "operation"),
            crate::counted(notes, "note")
        );
        if left_out == 0 && faults.is_empty() { Outcome::Good } else { Outcome::Bad }
    }

    /// What the filter would say to the result, every variable of the environment being there.
    fn faults(&self, configuration: &str) -> Vec<String> {
        let document = document::read(configuration).ok().and_then(|documents| documents.into_iter().next());
        let json = document.map(|document| document.to_json().to_string()).unwrap_or_default();
        let names = &self.shared.names;
        let variables =
            names.values().into_iter().chain(names.secrets()).filter_map(|(_, from)| match from {
                Yaml::Object(members) => match members.into_iter().next()? {
                    (_, Yaml::Text(variable)) => {
                        Some((variable, "00000000-0000-0000-0000-000000000000".to_owned()))
                    }
                    _ => None,
                },
                _ => None,
            });
        let environment: Environment = variables.collect();
        if self.operations.is_empty() {
            return vec!["there is no operation in it, so Gatepass would not take it".to_owned()];
        }
        let faults = Configuration::parse(json.as_bytes(), &environment).err().unwrap_or_default();
        faults.iter().map(ToString::to_string).collect()
    }
}

/// The part of a route that makes the backend's path of a request's: API Management takes the API's own path away, and
/// puts that of the backend's URL before the rest.
fn rewriting(draft: &Draft, api: &str) -> Option<(String, Yaml)> {
    let parts = [draft.base.as_deref(), draft.template.as_deref()];
    if parts == [None, None] {
        return None;
    }
    let target: String =
        parts.into_iter().flatten().filter(|part| !part.is_empty()).map(|part| format!("/{part}")).collect();
    if target == api {
        return None;
    }
    if !target.is_empty() {
        return Some(("prefix_rewrite".to_owned(), Yaml::Text(target)));
    }
    // A `prefix_rewrite` to `/` would leave two slashes.
    let escaped: String = api
        .chars()
        .flat_map(|c| if c.is_ascii_alphanumeric() || "/-_~".contains(c) { vec![c] } else { vec!['\\', c] })
        .collect();
    let pattern = Yaml::object([("regex", Yaml::Text(format!("^{escaped}/?")))]);
    let rewrite = Yaml::object([("pattern", pattern), ("substitution", Yaml::text("/"))]);
    Some(("regex_rewrite".to_owned(), rewrite))
}

fn line_of(file: &str, note: &Note) -> String {
    let Note { line, element, why, guards } = note;
    let consequence = if *guards { "; the operation is left out, its requests get 404" } else { "" };
    format!("{file}:{line}: <{element}>: {why}{consequence}")
}

fn attaches(draft: &Draft, header: &str) -> bool {
    draft.attach.iter().any(|attach| match attach {
        Yaml::Object(members) => {
            let own = members.iter().find(|(name, _)| name == "header").map(|(_, value)| value);
            own.map_or(header == "authorization", |own| *own == Yaml::text(header))
        }
        _ => false,
    })
}

/// Classes that differ in one required role alone: the draft without it, and the roles by method.
fn roles_by_method(classes: &[Class]) -> Option<(Draft, Yaml)> {
    let mut common = None;
    let mut roles = Vec::new();
    for class in classes {
        let (draft, role) = without_role(&class.draft)?;
        if common.get_or_insert_with(|| draft.clone()) != &draft {
            return None;
        }
        roles.push((class.method.clone().unwrap_or_else(|| "*".to_owned()), role));
    }
    Some((common?, Yaml::Object(roles)))
}

/// A draft without its one required claim `roles` of one value, and that value.
fn without_role(draft: &Draft) -> Option<(Draft, Yaml)> {
    let mut draft = draft.clone();
    let (_, claims) = draft.validate.iter_mut().find(|(name, _)| name == "required_claims")?;
    let Yaml::List(items) = claims else { return None };
    let is_role = |item: &Yaml| match item {
        Yaml::Object(members) => {
            members.iter().any(|(name, value)| name == "name" && *value == Yaml::text("roles"))
        }
        _ => false,
    };
    let at = items.iter().position(is_role)?;
    let Yaml::Object(members) = items.remove(at) else { return None };
    let (_, values) = members.into_iter().find(|(name, _)| name == "values")?;
    let Yaml::List(values) = values else { return None };
    let [value] = <[Yaml; 1]>::try_from(values).ok()?;
    draft.validate.retain(|(name, value)| name != "required_claims" || *value != Yaml::List(Vec::new()));
    Some((draft, value))
}
