//! `up`, `down` and `status`: a stack that runs in the background.
//!
//! The background process holds a lock on its pid file for as long as it lives, so that a pid file that
//! was left behind is never taken for a running stack, nor its number for a process of ours.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use gatepass_emulator::directory::{CALLER, CONTOSO_API};
use gatepass_stack::{
    Checkout, Error, Example,
    ports::{self, ADMIN, CONTROL, GATEWAY},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::time::sleep;

use crate::{checkout, terminal::Terminal};

const START: Duration = Duration::from_secs(90);
const STOP: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(50);

pub(crate) async fn up(terminal: &Terminal, example: &str) -> Result<ExitCode, Error> {
    let checkout = checkout()?;
    if let Some(pid) = running(&checkout)? {
        println!("Gatepass is already up (process {pid}).");
        explain();
        return Ok(ExitCode::SUCCESS);
    }
    Example::find(&checkout, example)?;
    ports::all_free()?;
    let child = spawn(&checkout, example)?;
    terminal.step("Starting the emulator and Envoy", started(&checkout, child)).await?;
    explain();
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn down() -> Result<ExitCode, Error> {
    let checkout = Checkout::find()?;
    let Some(pid) = running(&checkout)? else {
        println!("Gatepass is not up; there is nothing to stop.");
        return Ok(ExitCode::SUCCESS);
    };
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        // It may end before the signal arrives; the lock tells.
        let _ = kill(Pid::from_raw(pid), signal);
        let sent = Instant::now();
        while sent.elapsed() < STOP {
            if running(&checkout)?.is_none() {
                println!("Stopped.");
                return Ok(ExitCode::SUCCESS);
            }
            sleep(POLL).await;
        }
    }
    Err(Error::Timeout(format!("process {pid} to end")))
}

pub(crate) fn status() -> Result<ExitCode, Error> {
    match running(&Checkout::find()?)? {
        Some(pid) => {
            println!("Gatepass is up (process {pid}).");
            explain();
            Ok(ExitCode::SUCCESS)
        }
        None => {
            println!("Gatepass is not up; `make up` starts it.");
            Ok(ExitCode::from(3))
        }
    }
}

/// The background process's claim to be the one: the lock on the pid file, and its number in it.
pub(crate) fn claim(state: &Path) -> Result<File, Error> {
    fs::create_dir_all(state).map_err(problem("the state folder"))?;
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(state.join(PID))
        .map_err(problem("the pid file"))?;
    file.try_lock().map_err(|error| problem("the lock on the pid file")(error.into()))?;
    file.set_len(0).and_then(|()| write!(file, "{}", std::process::id())).map_err(problem("the pid file"))?;
    Ok(file)
}

/// Tells `up` that everything listens.
pub(crate) fn announce(state: &Path) -> Result<(), Error> {
    fs::write(state.join(READY), "").map_err(problem("the state folder"))
}

const PID: &str = "stack.pid";
const READY: &str = "stack.ready";
const LOG: &str = "stack.log";

/// The number of the background process, if there is one.
fn running(checkout: &Checkout) -> Result<Option<i32>, Error> {
    let path = checkout.state().join(PID);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(problem("the pid file")(error)),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => {
            let text = fs::read_to_string(&path).map_err(problem("the pid file"))?;
            Ok(text.trim().parse().ok().filter(|pid| *pid > 1))
        }
        Err(TryLockError::Error(error)) => Err(problem("the lock on the pid file")(error)),
    }
}

fn spawn(checkout: &Checkout, example: &str) -> Result<Child, Error> {
    let state = checkout.state();
    fs::create_dir_all(&state).map_err(problem("the state folder"))?;
    let _ = fs::remove_file(state.join(READY));
    let log = File::create(state.join(LOG)).map_err(problem("the log"))?;
    let other = log.try_clone().map_err(problem("the log"))?;
    let itself = std::env::current_exe().map_err(problem("this program's own path"))?;
    Command::new(itself)
        .args(["serve", example])
        .current_dir(checkout.root())
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(other)
        // A Ctrl-C in the terminal, or its end, is not for it.
        .process_group(0)
        .spawn()
        .map_err(problem("starting the background process"))
}

async fn started(checkout: &Checkout, mut child: Child) -> Result<(), Error> {
    let state = checkout.state();
    let begun = Instant::now();
    while begun.elapsed() < START {
        if state.join(READY).exists() {
            return Ok(());
        }
        if child.try_wait().is_ok_and(|status| status.is_some()) {
            let log = fs::read_to_string(state.join(LOG)).unwrap_or_default();
            return Err(Error::Envoy { what: "or the emulator did not start".to_owned(), log });
        }
        sleep(POLL).await;
    }
    // Whatever it hangs at: nothing stays behind.
    let _ = child.kill();
    let _ = child.wait();
    Err(Error::Timeout("the emulator and Envoy to start".to_owned()))
}

fn explain() {
    let (caller, resource) = (CALLER.name, CONTOSO_API.identifier_uri);
    println!(
        r#"
The gateway (Envoy)       http://127.0.0.1:{GATEWAY}
Envoy's administration    http://127.0.0.1:{ADMIN}
The emulator's control    http://127.0.0.1:{CONTROL}
Logs                      target/stack/envoy.log, target/stack/stack.log

Try (every example has requests of its own: examples/*/README.md; these are those of the first):

    # 200: the gateway attaches its own token, for {resource}
    curl -i http://127.0.0.1:{GATEWAY}/unprotected

    # 401: no token
    curl -i http://127.0.0.1:{GATEWAY}/protected

    # 200: a token of the application "{caller}"
    TOKEN=$(curl -s http://127.0.0.1:{CONTROL}/tokens -H 'content-type: application/json' -d '{{}}')
    curl -i http://127.0.0.1:{GATEWAY}/protected -H "Authorization: Bearer $TOKEN"

`make down` stops it."#
    );
}

fn problem(what: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Io { what: what.to_owned(), source }
}
