use std::{collections::BTreeMap, net::SocketAddr};

use serde_json::Value;

use crate::Error;

/// Envoy's administration interface.
#[derive(Clone, Debug)]
pub struct Admin {
    address: SocketAddr,
    http: reqwest::Client,
}

impl Admin {
    pub(crate) fn new(address: SocketAddr, http: reqwest::Client) -> Self {
        Self { address, http }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The text of a page, whatever its status.
    pub async fn get(&self, path: &str) -> Result<String, Error> {
        Ok(self.http.get(self.url(path)).send().await?.text().await?)
    }

    /// Does what a page does on POST, such as `/reset_counters`.
    pub async fn post(&self, path: &str) -> Result<String, Error> {
        Ok(self.http.post(self.url(path)).send().await?.text().await?)
    }

    /// Whether Envoy says that it takes requests.
    pub async fn is_ready(&self) -> bool {
        let answer = self.http.get(self.url("/ready")).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// The counters and gauges whose names begin with `prefix`.
    pub async fn stats(&self, prefix: &str) -> Result<BTreeMap<String, u64>, Error> {
        let filter = format!("^{}", prefix.replace('.', "\\."));
        let answer = self.http.get(self.url("/stats")).query(&[("filter", filter)]).send().await?.text();
        Ok(parse_stats(&answer.await?))
    }

    /// One counter or gauge; 0 for one that is not there (yet).
    pub async fn stat(&self, name: &str) -> Result<u64, Error> {
        Ok(self.stats(name).await?.get(name).copied().unwrap_or_default())
    }

    /// The sum of the counters or gauges of that name, at the root or below a scope such as `cluster.backend`.
    pub async fn stat_in_any_scope(&self, name: &str) -> Result<u64, Error> {
        let filter = format!("(^|\\.){}$", name.replace('.', "\\."));
        let answer = self.http.get(self.url("/stats")).query(&[("filter", filter)]).send().await?.text();
        Ok(parse_stats(&answer.await?).values().sum())
    }

    /// The whole configuration that Envoy runs with.
    pub async fn config_dump(&self) -> Result<Value, Error> {
        Ok(self.http.get(self.url("/config_dump")).send().await?.json().await?)
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// Lines of `name: number`; histograms and text values are left out.
fn parse_stats(text: &str) -> BTreeMap<String, u64> {
    text.lines()
        .filter_map(|line| line.split_once(": "))
        .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::parse_stats;

    #[test]
    fn counters_and_gauges_are_read_and_histograms_left_out() {
        let stats = parse_stats("a.b: 3\na.c: P0(nan,1) P25(nan,2)\na.d: \"text\"\na.e: 0\n");
        assert_eq!(stats.into_iter().collect::<Vec<_>>(), [("a.b".to_owned(), 3), ("a.e".to_owned(), 0)]);
    }
}
