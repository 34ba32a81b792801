//! The load: `wrk` on a core of its own, and what it and the kernel say afterwards.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

/// The client and the worker each have a core.
const WORKER_CORE: &str = "0";
const CLIENT_CORE: &str = "1";

/// What is sent, and where.
pub(crate) struct Request<'r> {
    pub(crate) address: SocketAddr,
    /// A file of tokens, which are sent in turn.
    pub(crate) tokens: &'r Path,
    /// How many headers are sent beside the usual ones.
    pub(crate) headers: usize,
}

/// How a request looks: what a browser's calls to an API have, twelve header lines with the token.
const SCRIPT: &str = r#"
local requests, last = {}, 0
init = function(arguments)
  local headers = {
    ["Accept"] = "application/json",
    ["Accept-Encoding"] = "gzip, br",
    ["Accept-Language"] = "en",
    ["Cache-Control"] = "no-cache",
    ["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64) gatepass-bench",
    ["Origin"] = "https://app.contoso.example",
    ["Referer"] = "https://app.contoso.example/orders",
  }
  for number = 1, tonumber(arguments[2]) do
    headers["X-Further-" .. number] = "value " .. number .. " of a further header"
  end
  for token in io.lines(arguments[1]) do
    headers["Authorization"] = "Bearer " .. token
    requests[#requests + 1] = wrk.format("GET", "/protected", headers)
  end
end
request = function()
  last = last % #requests + 1
  return requests[last]
end
"#;

/// Milliseconds between an answer and the next request of a connection, so that Envoy is mostly idle.
const PAUSE: &str = "delay = function() return 1 end\n";

/// How quickly requests follow each other.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// As quickly as Envoy answers.
    Full,
    /// With a pause: latencies are of requests that meet few others.
    Paused,
}

impl Pace {
    /// Few where there are pauses: `wrk` ends those of a millisecond all at once.
    const fn connections(self) -> &'static str {
        match self {
            Self::Full => "16",
            Self::Paused => "4",
        }
    }

    fn script(self, folder: &Path) -> PathBuf {
        folder.join(match self {
            Self::Full => "requests.lua",
            Self::Paused => "paused-requests.lua",
        })
    }

    fn text(self) -> String {
        match self {
            Self::Full => SCRIPT.to_owned(),
            Self::Paused => [SCRIPT, PAUSE].concat(),
        }
    }
}

/// The load generator, and where its scripts are.
pub(crate) struct Client {
    wrk: PathBuf,
    folder: PathBuf,
}

/// What a run of the client showed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// Requests in a second.
    pub(crate) rate: f64,
    /// CPU time of Envoy for a request, in microseconds.
    pub(crate) cpu: f64,
    /// Latency with the connections that there were, in microseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

impl Client {
    pub(crate) fn new(wrk: PathBuf, folder: &Path) -> Result<Self, String> {
        for pace in [Pace::Full, Pace::Paused] {
            fs::write(pace.script(folder), pace.text()).map_err(|error| error.to_string())?;
        }
        Ok(Self { wrk, folder: folder.to_owned() })
    }

    /// Sends for so many seconds.
    pub(crate) fn run(
        &self,
        request: &Request<'_>,
        pace: Pace,
        seconds: u32,
        process: u32,
    ) -> Result<Run, String> {
        let before = cpu_microseconds(process)?;
        let output = Command::new("taskset")
            .args(["-c", CLIENT_CORE])
            .arg(&self.wrk)
            .args([
                "--threads",
                "1",
                "--connections",
                pace.connections(),
                "--latency",
                "--duration",
                &format!("{seconds}s"),
            ])
            .arg("--script")
            .arg(pace.script(&self.folder))
            .arg(format!("http://{}/protected", request.address))
            .arg("--")
            .arg(request.tokens)
            .arg(request.headers.to_string())
            .output()
            .map_err(|error| format!("wrk: {error}"))?;
        let after = cpu_microseconds(process)?;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() || text.contains("Non-2xx") || text.contains("Socket errors") {
            return Err(format!("{text}{}", String::from_utf8_lossy(&output.stderr)));
        }
        let line = |name: &str| text.lines().find_map(|line| line.trim().strip_prefix(name)).map(str::trim);
        let rate: f64 = line("Requests/sec:").and_then(|text| text.parse().ok()).ok_or("wrk says no rate")?;
        let requests =
            text.lines().find_map(|line| line.trim().split_once(" requests in ")?.0.parse::<f64>().ok());
        let requests = requests.ok_or("wrk says no number of requests")?;
        let latency = |name| line(name).and_then(microseconds).unwrap_or(f64::NAN);
        Ok(Run { rate, cpu: (after - before) / requests, p50: latency("50%"), p99: latency("99%") })
    }
}

/// `1.23ms` as wrk writes it.
fn microseconds(text: &str) -> Option<f64> {
    let at = text.find(|letter: char| letter.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(at);
    let factor = match unit {
        "us" => 1.0,
        "ms" => 1e3,
        "s" => 1e6,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * factor)
}

/// Time that the threads of a process have run (proc(5), `schedstat`: the first figure, in nanoseconds).
fn cpu_microseconds(process: u32) -> Result<f64, String> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).map_err(|error| error.to_string())?;
    let time = |thread: fs::DirEntry| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<f64>().ok()
    };
    Ok(threads.filter_map(|thread| time(thread.ok()?)).sum::<f64>() / 1_000.0)
}

/// Puts all threads of Envoy on its core.
pub(crate) fn pin(process: u32) -> Result<(), String> {
    pin_to(process, WORKER_CORE)
}

/// Puts all threads of a process on the client's core.
pub(crate) fn pin_to_client(process: u32) -> Result<(), String> {
    pin_to(process, CLIENT_CORE)
}

fn pin_to(process: u32, core: &str) -> Result<(), String> {
    let output = Command::new("taskset").args(["-acp", core, &process.to_string()]).output();
    let output = output.map_err(|error| format!("taskset: {error}"))?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

#[cfg(test)]
mod tests {
    use super::microseconds;

    #[test]
    fn latencies_are_read_in_each_unit() {
        assert_eq!(microseconds("312.00us"), Some(312.0));
        assert_eq!(microseconds("1.50ms"), Some(1500.0));
        assert_eq!(microseconds("2.00s"), Some(2e6));
        assert_eq!(microseconds("2.00h"), None);
    }
}
