use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    net::{SocketAddr, TcpStream},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use tokio::time::sleep;

use crate::{Admin, Error};

/// Generous: several Envoys may start at once on a small machine, and each compiles the module.
const START: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

/// How to start an Envoy.
#[derive(Debug)]
pub(crate) struct Launch<'a> {
    pub(crate) binary: &'a Path,
    pub(crate) configuration: &'a Path,
    /// The folder that relative paths of the configuration start from.
    pub(crate) folder: &'a Path,
    pub(crate) concurrency: u32,
    pub(crate) log_level: &'a str,
    pub(crate) component_log_level: &'a str,
    pub(crate) drain_seconds: u32,
    pub(crate) log: PathBuf,
    pub(crate) admin_address: PathBuf,
    /// Variables that the filter may read.
    pub(crate) environment: BTreeMap<String, String>,
}

/// A running Envoy; it ends with the value.
#[derive(Debug)]
pub(crate) struct Envoy {
    child: Child,
    guard: Child,
    log: PathBuf,
    admin_address: PathBuf,
}

impl Envoy {
    pub(crate) fn spawn(launch: &Launch<'_>) -> Result<Self, Error> {
        // The address of an earlier run would be taken for this one's.
        let _ = fs::remove_file(&launch.admin_address);
        let log = File::create(&launch.log).map_err(Error::io("Envoy's log file"))?;
        let other = log.try_clone().map_err(Error::io("Envoy's log file"))?;
        let child = Command::new(launch.binary)
            .arg("--config-path")
            .arg(launch.configuration)
            .args(["--concurrency", &launch.concurrency.to_string()])
            .args(["--log-level", launch.log_level])
            // `main` lists every extension that Envoy has.
            .args(["--component-log-level", &format!("main:warning,{}", launch.component_log_level)])
            .args(["--drain-time-s", &launch.drain_seconds.to_string()])
            .args(["--drain-strategy", "immediate"])
            // Access logs are written every ten seconds otherwise.
            .args(["--file-flush-interval-msec", "100"])
            .arg("--admin-address-path")
            .arg(&launch.admin_address)
            .arg("--disable-hot-restart")
            .envs(&launch.environment)
            .current_dir(launch.folder)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(other)
            // A Ctrl-C in the terminal is for the stack, which then ends Envoy.
            .process_group(0)
            .spawn()
            .map_err(Error::io(format!("starting {}", launch.binary.display())))?;
        let guard = guard(child.id())?;
        let admin_address = launch.admin_address.clone();
        Ok(Self { child, guard, log: launch.log.clone(), admin_address })
    }

    /// Waits until Envoy takes requests on its listeners; says where its administration listens.
    pub(crate) async fn ready(
        &mut self,
        listeners: &BTreeMap<String, SocketAddr>,
        http: &reqwest::Client,
    ) -> Result<Admin, Error> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.ended() {
                return Err(self.failure(format!("ended at once ({status})")));
            }
            if let Some(address) = self.admin_address() {
                let admin = Admin::new(address, http.clone());
                let wait = Duration::from_millis(200);
                let listens = |address| TcpStream::connect_timeout(address, wait).is_ok();
                if admin.is_ready().await && listeners.values().all(listens) {
                    return Ok(admin);
                }
            }
            if started.elapsed() > START {
                return Err(self.failure(format!("was not ready after {} s", START.as_secs())));
            }
            sleep(POLL).await;
        }
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// The status that it ended with, if it has ended.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    pub(crate) fn log(&self) -> String {
        read_lossy(&self.log)
    }

    fn admin_address(&self) -> Option<SocketAddr> {
        fs::read_to_string(&self.admin_address).ok()?.trim().parse().ok()
    }

    fn failure(&self, what: String) -> Error {
        Error::Envoy { what, log: tail(&self.log) }
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        // First the guard, so that it cannot shoot at a process id that has a new owner.
        for process in [&mut self.guard, &mut self.child] {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// Ends Envoy when this process ends in a way that runs no destructor: the shell waits for its standard
/// input to close, which the kernel sees to.
fn guard(envoy: u32) -> Result<Child, Error> {
    Command::new("sh")
        .args(["-c", r#"cat >/dev/null; kill -9 "$0" 2>/dev/null"#, &envoy.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(Error::io("starting sh"))
}

/// What `envoy --mode validate` says of a configuration; it runs the plugin's configuration too.
#[derive(Clone, Debug)]
pub struct Validation {
    /// Whether Envoy would start with it.
    pub accepted: bool,
    /// Everything that Envoy and the filter wrote.
    pub log: String,
}

/// Asks Envoy whether it would start with this configuration.
pub fn validate(binary: &Path, configuration: &Path, folder: &Path) -> Result<Validation, Error> {
    let output = Command::new(binary)
        .args(["--mode", "validate", "--log-level", "info", "--disable-hot-restart"])
        .arg("--config-path")
        .arg(configuration)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .map_err(Error::io(format!("starting {}", binary.display())))?;
    let log = [output.stdout, output.stderr].concat();
    Ok(Validation { accepted: output.status.success(), log: String::from_utf8_lossy(&log).into_owned() })
}

fn read_lossy(file: &Path) -> String {
    fs::read(file).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

/// The last lines of a log that may be long.
fn tail(file: &Path) -> String {
    const BYTES: u64 = 6000;
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(file)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(BYTES)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
}
