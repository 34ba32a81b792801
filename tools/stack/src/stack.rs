use std::{
    collections::BTreeMap,
    fmt, fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use gatepass_emulator::{Emulator, Options};
use reqwest::Method;
use serde_json::Value;
use tempfile::TempDir;
use tokio::{task::JoinSet, time::sleep};

use crate::{
    Admin, Answer, Build, Checkout, Delivery, Error, Example, Validation,
    delivery::Delivered,
    envoy::{self, Envoy, Launch},
    older,
    ports::{self, Reservation},
    reload::Seen,
    tree,
};

type Edit = Box<dyn FnOnce(&mut Value) + Send>;
type Prepare = Box<dyn FnOnce(&Emulator) + Send>;

/// What a stack shall be; by default the reference configuration on free ports.
pub struct Builder {
    example: Option<String>,
    build: Build,
    concurrency: u32,
    delivery: Delivery,
    log_level: String,
    component_log_level: String,
    drain_seconds: u32,
    edits: Vec<Edit>,
    prepare: Vec<Prepare>,
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("concurrency", &self.concurrency)
            .field("delivery", &self.delivery)
            .finish_non_exhaustive()
    }
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            example: None,
            build: Build::Default,
            concurrency: 2,
            delivery: Delivery::Static,
            log_level: "info".to_owned(),
            component_log_level: "wasm:debug".to_owned(),
            drain_seconds: 5,
            edits: Vec::new(),
            prepare: Vec::new(),
        }
    }
}

impl Builder {
    /// Starts from an example instead of the reference configuration.
    #[must_use]
    pub fn example(mut self, name: &str) -> Self {
        self.example = Some(name.to_owned());
        self
    }

    /// Which build of the filter Envoy loads.
    #[must_use]
    pub fn build(mut self, build: Build) -> Self {
        self.build = build;
        self
    }

    /// How many workers Envoy has; 2 by default.
    #[must_use]
    pub fn concurrency(mut self, workers: u32) -> Self {
        self.concurrency = workers;
        self
    }

    /// How the filter reaches Envoy.
    #[must_use]
    pub fn delivery(mut self, delivery: Delivery) -> Self {
        self.delivery = delivery;
        self
    }

    /// Envoy's log level, and that of single components (`wasm:debug`).
    #[must_use]
    pub fn log_level(mut self, level: &str, components: &str) -> Self {
        self.log_level = level.to_owned();
        self.component_log_level = components.to_owned();
        self
    }

    /// How long Envoy lets connections of an old listener live on after a reload; 5 s by default.
    #[must_use]
    pub fn drain_seconds(mut self, seconds: u32) -> Self {
        self.drain_seconds = seconds;
        self
    }

    /// Changes Envoy's configuration; the ports and files of this run are already in it.
    #[must_use]
    pub fn edit(mut self, edit: impl FnOnce(&mut Value) + Send + 'static) -> Self {
        self.edits.push(Box::new(edit));
        self
    }

    /// Changes the filter's configuration.
    #[must_use]
    pub fn configure(self, change: impl FnOnce(&mut Value) + Send + 'static) -> Self {
        self.edit(|tree| {
            let text = tree::configuration(tree).unwrap_or_default();
            let mut configuration = serde_json::from_str(&text).unwrap_or_default();
            change(&mut configuration);
            tree::set_configuration(tree, &configuration.to_string());
        })
    }

    /// Gives the filter another configuration: any text.
    #[must_use]
    pub fn configuration(self, text: &str) -> Self {
        let text = text.to_owned();
        self.edit(move |tree| tree::set_configuration(tree, &text))
    }

    /// Prepares the emulator before Envoy starts, such as with faults for the first requests.
    #[must_use]
    pub fn prepare(mut self, prepare: impl FnOnce(&Emulator) + Send + 'static) -> Self {
        self.prepare.push(Box::new(prepare));
        self
    }

    /// Starts the emulator and Envoy on free ports, with their files in a folder of their own.
    pub async fn start(self) -> Result<Stack, Error> {
        let checkout = Checkout::find()?;
        let (binary, module) = (checkout.envoy()?, checkout.module(self.build)?);
        let folder = TempDir::with_prefix("gatepass-").map_err(Error::io("a temporary folder"))?;
        let mut options = Options::on_free_ports(folder.path().to_owned());
        // Gatepass reads Arc's files nowhere else; Envoy serves them under that path.
        options.arc_tokens_path = Some(PathBuf::from("/var/opt/azcmagent/tokens"));
        let emulator = start_emulator(options).await?;
        for prepare in self.prepare {
            prepare(&emulator);
        }

        let (file, environment) = match &self.example {
            None => (checkout.envoy_yaml(), BTreeMap::new()),
            Some(name) => {
                let example = Example::find(&checkout, name)?;
                (example.envoy_yaml(), example.scenario()?.environment)
            }
        };
        let mut tree = tree::read(&file)?;
        let ports = ports::Replacements::from([
            (ports::ADMIN, 0),
            (ports::IMDS, emulator.imds().port()),
            (ports::LOGIN, emulator.login().port()),
            (ports::BACKEND, emulator.backend().port()),
        ]);
        tree::replace_ports(&mut tree, &ports);
        tree::replace_files(&mut tree, "target/stack", folder.path());
        tree::replace_files(&mut tree, "target/gatepass.wasm", &module);
        older::adapt(&mut tree, &binary)?;
        for edit in self.edits {
            edit(&mut tree);
        }
        let reservations = reserve(&mut tree)?;
        let addresses = reservations.iter().map(|(name, place)| (name.clone(), place.address())).collect();
        let delivered = Delivered::take(self.delivery, &mut tree, folder.path())?;
        let configuration = folder.path().join("envoy.json");
        fs::write(&configuration, tree.to_string()).map_err(Error::io("Envoy's configuration"))?;

        let launch = Launch {
            binary: &binary,
            configuration: &configuration,
            folder: folder.path(),
            concurrency: self.concurrency,
            log_level: &self.log_level,
            component_log_level: &self.component_log_level,
            drain_seconds: self.drain_seconds,
            log: folder.path().join("envoy.log"),
            admin_address: folder.path().join("admin-address"),
            environment,
        };
        let mut stack = Stack::launch(&launch, addresses, emulator).await?;
        stack.delivery = self.delivery;
        stack.delivered = delivered;
        stack.reservations = reservations;
        stack.folder = Some(folder);
        Ok(stack)
    }

    /// Does not start anything: asks Envoy whether it would take the configuration.
    pub fn validate(self) -> Result<Validation, Error> {
        let checkout = Checkout::find()?;
        let (binary, module) = (checkout.envoy()?, checkout.module(self.build)?);
        let folder = TempDir::with_prefix("gatepass-").map_err(Error::io("a temporary folder"))?;
        let mut tree = tree::read(&checkout.envoy_yaml())?;
        tree::replace_files(&mut tree, "target/gatepass.wasm", &module);
        older::adapt(&mut tree, &binary)?;
        without_tls(&mut tree);
        for edit in self.edits {
            edit(&mut tree);
        }
        let configuration = folder.path().join("envoy.json");
        fs::write(&configuration, tree.to_string()).map_err(Error::io("Envoy's configuration"))?;
        envoy::validate(&binary, &configuration, folder.path())
    }
}

/// Nobody has made certificates for a configuration that is only looked at.
fn without_tls(tree: &mut Value) {
    for cluster in tree::clusters(tree).into_iter().flatten() {
        if let Some(cluster) = cluster.as_object_mut() {
            cluster.remove("transport_socket");
        }
    }
}

/// A running Envoy with Gatepass, and the emulator that it talks to. Both end with the value.
#[derive(Debug)]
pub struct Stack {
    // In the order in which they end: Envoy before what it talks to.
    envoy: Envoy,
    emulator: Emulator,
    gateway: SocketAddr,
    listeners: Listeners,
    admin: Admin,
    http: reqwest::Client,
    delivery: Delivery,
    delivered: Option<Delivered>,
    reservations: Vec<(String, Reservation)>,
    folder: Option<TempDir>,
}

/// Envoy's listeners by name, and where they listen.
pub type Listeners = BTreeMap<String, SocketAddr>;

impl Stack {
    /// A stack of its own, for a test.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Starts the emulator on the ports of the reference configuration.
    pub async fn reference_emulator(checkout: &Checkout) -> Result<Emulator, Error> {
        ports::all_free()?;
        start_emulator(Options { state_dir: checkout.state(), ..Options::default() }).await
    }

    /// Starts Envoy with an example's configuration exactly as it is.
    pub async fn fixed(checkout: &Checkout, example: &Example, emulator: Emulator) -> Result<Self, Error> {
        let binary = checkout.envoy()?;
        checkout.reference_module()?;
        let listeners = tree::listeners(&tree::read(&example.envoy_yaml())?);
        let listeners = listeners.into_iter().map(|(name, port)| (name, (Ipv4Addr::LOCALHOST, port).into()));
        let launch = Launch {
            binary: &binary,
            configuration: &example.envoy_yaml(),
            folder: checkout.root(),
            concurrency: 2,
            log_level: "info",
            component_log_level: "wasm:info",
            drain_seconds: 5,
            log: checkout.state().join("envoy.log"),
            admin_address: checkout.state().join("admin-address"),
            environment: example.scenario()?.environment,
        };
        Self::launch(&launch, listeners.collect(), emulator).await
    }

    /// The first of the listeners is the gateway.
    async fn launch(
        launch: &Launch<'_>,
        listeners: Vec<(String, SocketAddr)>,
        emulator: Emulator,
    ) -> Result<Self, Error> {
        let http = client()?;
        let mut envoy = Envoy::spawn(launch)?;
        let gateway = listeners.first().map(|(_, address)| *address);
        let listeners = Listeners::from_iter(listeners);
        let admin = envoy.ready(&listeners, &http).await?;
        Ok(Self {
            envoy,
            emulator,
            gateway: gateway.unwrap_or_else(|| (Ipv4Addr::LOCALHOST, ports::GATEWAY).into()),
            listeners,
            admin,
            http,
            delivery: Delivery::Static,
            delivered: None,
            reservations: Vec::new(),
            folder: None,
        })
    }

    /// Where the gateway listens: the first listener of the configuration.
    pub fn gateway(&self) -> SocketAddr {
        self.gateway
    }

    /// Where the listeners listen.
    pub fn listeners(&self) -> &Listeners {
        &self.listeners
    }

    /// The gateway's address with a path, as a URL.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.gateway())
    }

    /// A client that makes a connection for every request.
    pub fn client(&self) -> &reqwest::Client {
        &self.http
    }

    /// What the gateway's tokens and keys come from.
    pub fn emulator(&self) -> &Emulator {
        &self.emulator
    }

    /// Envoy's administration.
    pub fn admin(&self) -> &Admin {
        &self.admin
    }

    /// The folder with the files of this run; none for the reference stack.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_ref().map(TempDir::path)
    }

    /// Sends a GET without credentials.
    pub async fn get(&self, path: &str) -> Result<Answer, Error> {
        self.send(Method::GET, path, None).await
    }

    /// Sends a request, with a bearer token if there is one.
    pub async fn send(&self, method: Method, path: &str, token: Option<&str>) -> Result<Answer, Error> {
        let request = self.http.request(method, self.url(path));
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        Answer::read(request.send().await?).await
    }

    /// Sends many requests at the same moment, each on a connection of its own.
    pub async fn at_once(&self, count: usize, method: &Method, path: &str) -> Vec<Result<Answer, Error>> {
        self.many(&self.http, count, method, path).await
    }

    /// Sends many requests at the same moment, as streams of one HTTP/2 connection, and so to one worker.
    pub async fn at_once_on_one_connection(
        &self,
        count: usize,
        method: &Method,
        path: &str,
    ) -> Result<Vec<Result<Answer, Error>>, Error> {
        let http = reqwest::Client::builder().http2_prior_knowledge().no_proxy().build()?;
        Ok(self.many(&http, count, method, path).await)
    }

    async fn many(
        &self,
        http: &reqwest::Client,
        count: usize,
        method: &Method,
        path: &str,
    ) -> Vec<Result<Answer, Error>> {
        let mut requests = JoinSet::new();
        for _ in 0..count {
            let request = http.request(method.clone(), self.url(path));
            requests.spawn(async move { Answer::read(request.send().await?).await });
        }
        requests.join_all().await
    }

    /// Sends a GET with these header lines.
    pub async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Result<Answer, Error> {
        let mut request = self.http.get(self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer::read(request.send().await?).await
    }

    /// The counters and gauges of Envoy whose names begin with `prefix`.
    pub async fn stats(&self, prefix: &str) -> Result<BTreeMap<String, u64>, Error> {
        self.admin.stats(prefix).await
    }

    /// A counter or gauge of the filter, by its name after `gatepass.`; 0 if it is not there. (Envoy 1.36 puts those of
    /// an upstream filter below its cluster.)
    pub async fn counter(&self, name: &str) -> Result<u64, Error> {
        self.admin.stat_in_any_scope(&format!("wasmcustom.gatepass.{name}")).await
    }

    /// Waits until a counter of the filter, which are written now and then, is at least `value`.
    pub async fn counter_reaches(&self, name: &str, value: u64) -> Result<u64, Error> {
        let started = Instant::now();
        loop {
            let found = self.counter(name).await?;
            if found >= value {
                return Ok(found);
            }
            if started.elapsed() > Duration::from_secs(5) {
                return Err(Error::Timeout(format!("{name} to reach {value}; it is {found}")));
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Envoy's process id.
    pub fn process(&self) -> u32 {
        self.envoy.process()
    }

    /// Everything that Envoy and the filter have logged so far.
    pub fn log(&self) -> String {
        self.envoy.log()
    }

    /// Whether Envoy still runs.
    pub fn is_alive(&mut self) -> bool {
        self.envoy.ended().is_none()
    }

    /// The filter's configuration in `envoy/envoy.yaml`.
    pub fn reference_configuration() -> Result<Value, Error> {
        let file = Checkout::find()?.envoy_yaml();
        let text = tree::configuration(&mut tree::read(&file)?).unwrap_or_default();
        serde_json::from_str(&text).map_err(|error| Error::Configuration { file, problem: error.to_string() })
    }

    /// Delivers another configuration of the filter and waits for Envoy's verdict: whether it took it.
    pub async fn reload_plugin(&mut self, configuration: &str) -> Result<bool, Error> {
        let Some(delivered) = self.delivered.as_mut() else {
            let problem = "a static configuration cannot be reloaded".to_owned();
            return Err(Error::Configuration { file: PathBuf::from("envoy.json"), problem });
        };
        let seen = Seen::now(&self.admin, self.delivery).await?;
        delivered.deliver(configuration)?;
        seen.verdict(&self.admin, self.delivery).await
    }
}

/// Gives every listener a free port, and whoever calls it by its fixed one.
fn reserve(tree: &mut Value) -> Result<Vec<(String, Reservation)>, Error> {
    let mut reservations = Vec::new();
    let mut ports = ports::Replacements::new();
    for (name, address) in tree::listener_addresses(tree) {
        let reservation = Reservation::new()?;
        let port = reservation.address().port();
        if let Some(fixed) =
            address.as_u64().and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0)
        {
            ports.insert(fixed, port);
        }
        *address = port.into();
        reservations.push((name, reservation));
    }
    tree::replace_ports(tree, &ports);
    Ok(reservations)
}

/// A client that makes a connection for every request, so that all workers of Envoy have their share.
pub fn client() -> Result<reqwest::Client, Error> {
    let builder = reqwest::Client::builder().pool_max_idle_per_host(0).no_proxy();
    Ok(builder.timeout(Duration::from_secs(60)).build()?)
}

async fn start_emulator(options: Options) -> Result<Emulator, Error> {
    fs::create_dir_all(&options.state_dir).map_err(Error::io("the emulator's folder"))?;
    Emulator::start(options).await.map_err(|error| Error::Emulator(error.to_string()))
}
