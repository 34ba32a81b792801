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

/// How a request looks: what a browser's calls to an API have, twelve header lines with the token.
const SCRIPT: &str = r#"
local requests, last = {}, 0
init = function(arguments)
  for token in io.lines(arguments[1]) do
    requests[#requests + 1] = wrk.format("GET", "/protected", {
      ["Authorization"] = "Bearer " .. token,
      ["Accept"] = "application/json",
      ["Accept-Encoding"] = "gzip, br",
      ["Accept-Language"] = "en",
      ["Cache-Control"] = "no-cache",
      ["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64) gatepass-bench",
      ["Origin"] = "https://app.contoso.example",
      ["Referer"] = "https://app.contoso.example/orders",
    })
  end
end
request = function()
  last = last % #requests + 1
  return requests[last]
end
"#;

/// A file of tokens, one a line, and how they are sent.
pub(crate) struct Client {
    wrk: PathBuf,
    script: PathBuf,
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
        let script = folder.join("requests.lua");
        fs::write(&script, SCRIPT).map_err(|error| error.to_string())?;
        Ok(Self { wrk, script })
    }

    /// Sends for so many seconds, from sixteen connections.
    pub(crate) fn run(
        &self,
        address: SocketAddr,
        tokens: &Path,
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
                "16",
                "--latency",
                "--duration",
                &format!("{seconds}s"),
            ])
            .arg("--script")
            .arg(&self.script)
            .arg(format!("http://{address}/protected"))
            .arg("--")
            .arg(tokens)
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

/// User and system time of a process (proc(5), fields 14 and 15, in hundredths of a second).
fn cpu_microseconds(process: u32) -> Result<f64, String> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).map_err(|error| error.to_string())?;
    // The second field is the name in parentheses, which may hold spaces.
    let rest = text.rsplit_once(") ").map(|(_, rest)| rest).ok_or("the process has no times")?;
    let fields: Vec<_> = rest.split(' ').collect();
    let time = |field: usize| fields.get(field).and_then(|text| text.parse::<f64>().ok());
    let (user, system) = time(11).zip(time(12)).ok_or("the process has no times")?;
    Ok((user + system) * 10_000.0)
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
