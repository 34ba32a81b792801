//! The examples: an Envoy configuration that is put together from parts, and requests with what must come of them.

use std::{collections::BTreeMap, fs, path::PathBuf};

use clap::ValueEnum;
use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value, context};

use crate::{Checkout, Error, Scenario, ports, tree};

/// The examples by name, in the order in which they are told.
pub const NAMES: [&str; 7] = [
    "protected-and-unprotected",
    "credential-manager",
    "client-certificate",
    "sidecar-egress",
    "passwordless-gateway",
    "workflow-trigger",
    "aks-workload-identity",
];

/// Where an example runs; nothing but addresses and places of files depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Place {
    /// On this machine, from the root of the checkout, beside the emulator.
    Local,
    /// With docker compose, in a container beside the emulator's.
    Compose,
}

/// One of the examples.
#[derive(Clone, Debug)]
pub struct Example {
    name: String,
    folder: PathBuf,
}

impl Example {
    /// The example of that name.
    pub fn find(checkout: &Checkout, name: &str) -> Result<Self, Error> {
        let folder = checkout.root().join("examples").join(name);
        if NAMES.contains(&name) {
            return Ok(Self { name: name.to_owned(), folder });
        }
        let problem = format!("there is no example of that name; there are {}", NAMES.join(", "));
        Err(Error::Configuration { file: folder, problem })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The Envoy configuration as it is checked in: what [`render`](Self::render) gives for this machine.
    pub fn envoy_yaml(&self) -> PathBuf {
        self.folder.join("envoy.yaml")
    }

    /// Its requests, and what must come of them.
    pub fn scenario(&self) -> Result<Scenario, Error> {
        Scenario::read(&self.folder.join("scenario.yaml"))
    }

    /// Puts its Envoy configuration together.
    pub fn render(&self, place: Place) -> Result<String, Error> {
        let template = self.folder.join("envoy.yaml.j2");
        let failed = |error: &minijinja::Error| Error::Configuration {
            file: template.clone(),
            problem: format!("{error:#}"),
        };
        let mut parts = self.parts(place);
        let text = tree::text(&template)?;
        parts.add_template("envoy.yaml", &text).map_err(|error| failed(&error))?;
        let rendered = parts.get_template("envoy.yaml").and_then(|template| template.render(context! {}));
        let rendered = rendered.map_err(|error| failed(&error))?;
        let lines: Vec<_> = rendered.lines().map(str::trim_end).collect();
        Ok(lines.join("\n") + "\n")
    }

    /// The templates, with what depends on the place.
    fn parts(&self, place: Place) -> Environment<'static> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        let shared = self.folder.with_file_name("");
        environment.set_loader(move |name| Ok(fs::read_to_string(shared.join(name)).ok()));
        for (name, value) in place.values() {
            environment.add_global(name, value);
        }
        environment.add_function("own_address", move |name: &str| own_address(place, name));
        environment.add_function("loopback_address", |name: &str| listener_address(LOOPBACK, name));
        environment.add_function("emulator", move |name: &str| emulator_address(place, name));
        let folder = self.folder.clone();
        environment.add_function("plugin_configuration", move |file: &str| {
            let text = fs::read_to_string(folder.join(file));
            let text = text.map(|text| text.strip_prefix(EDITORS_LINE).unwrap_or(&text).to_owned());
            text.map_err(|error| {
                minijinja::Error::new(ErrorKind::InvalidOperation, format!("{file}: {error}"))
            })
        });
        environment
    }
}

/// The line by which editors know what a plugin's configuration may hold; Envoy's configuration is another document.
const EDITORS_LINE: &str = "# yaml-language-server: $schema=../../docs/gatepass.schema.json\n";

const LOOPBACK: &str = "127.0.0.1";

impl Place {
    /// What the templates may say.
    fn values(self) -> BTreeMap<&'static str, &'static str> {
        let (module, state, socket, note) = match self {
            Self::Local => ("target/gatepass.wasm", "target/stack", "target/stack/files.sock", LOCAL_NOTE),
            Self::Compose => ("/etc/envoy/gatepass.wasm", "/run/gatepass", "/tmp/files.sock", COMPOSE_NOTE),
        };
        BTreeMap::from([("module", module), ("state", state), ("socket", socket), ("note", note)])
    }
}

const LOCAL_NOTE: &str = "\
# It runs as it is, against the emulator of the Azure endpoints (README.md). Paths are relative to the folder that
# Envoy is started in, the root of the checkout. Lines marked \"Azure:\" say what to write there instead when the
# real endpoints are used. Rendered by `make render` from envoy.yaml.j2: change that, not this.";

const COMPOSE_NOTE: &str = "\
# Rendered for docker compose by `gatepass-stack render --for compose`.";

/// Where a listener of Envoy listens, as an object of YAML.
fn own_address(place: Place, name: &str) -> Result<String, minijinja::Error> {
    let everywhere = place == Place::Compose && name != "admin";
    listener_address(if everywhere { "0.0.0.0" } else { LOOPBACK }, name)
}

fn listener_address(host: &str, name: &str) -> Result<String, minijinja::Error> {
    let port = match name {
        "admin" => ports::ADMIN,
        "gateway" => ports::GATEWAY,
        "sidecar" | "frontend" => ports::SIDECAR,
        "backend-sidecar" | "workflow" => ports::BEHIND,
        other => {
            return Err(minijinja::Error::new(ErrorKind::InvalidOperation, format!("no port for {other}")));
        }
    };
    Ok(address(host, port))
}

fn emulator_address(place: Place, name: &str) -> Result<Value, minijinja::Error> {
    let port = match name {
        "imds" => ports::IMDS,
        "login" => ports::LOGIN,
        "backend" => ports::BACKEND,
        other => {
            return Err(minijinja::Error::new(ErrorKind::InvalidOperation, format!("no emulator {other}")));
        }
    };
    let (kind, host) = match place {
        Place::Local => ("STATIC", LOOPBACK),
        Place::Compose => ("STRICT_DNS", "emulator"),
    };
    let socket = format!("{{socket_address: {}}}", address(host, port));
    Ok(context! { type => kind, address => socket })
}

fn address(host: &str, port: u16) -> String {
    format!("{{address: {host}, port_value: {port}}}")
}
