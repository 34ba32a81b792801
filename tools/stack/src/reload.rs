use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::{Admin, Delivery, Error};

const LIMIT: Duration = Duration::from_secs(20);
/// Each worker takes a new version over when its event loop comes to it.
const HANDOVER: Duration = Duration::from_millis(50);

/// Envoy's counts of the versions that it took and that it refused.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    taken: u64,
    refused: u64,
}

impl Seen {
    pub(crate) async fn now(admin: &Admin, delivery: Delivery) -> Result<Self, Error> {
        let source = match delivery {
            Delivery::Static => return Ok(Self { taken: 0, refused: 0 }),
            Delivery::Lds => "listener_manager.lds",
            Delivery::Ecds => "extension_config_discovery.http_filter.gatepass",
        };
        let stats = admin.stats(source).await?;
        let stat = |name| stats.get(&format!("{source}.{name}")).copied().unwrap_or_default();
        Ok(Self { taken: stat("update_success"), refused: stat("update_rejected") })
    }

    /// Waits for Envoy's verdict on the next version: whether it took it.
    pub(crate) async fn verdict(self, admin: &Admin, delivery: Delivery) -> Result<bool, Error> {
        let started = Instant::now();
        while started.elapsed() < LIMIT {
            let now = Self::now(admin, delivery).await?;
            if now.refused > self.refused {
                return Ok(false);
            }
            if now.taken > self.taken && !warming(admin).await? {
                sleep(HANDOVER).await;
                return Ok(true);
            }
            sleep(Duration::from_millis(10)).await;
        }
        Err(Error::Timeout("Envoy's verdict on a configuration".to_owned()))
    }
}

/// A listener that Envoy has taken serves only once it is warm.
async fn warming(admin: &Admin) -> Result<bool, Error> {
    Ok(admin.stat("listener_manager.total_listeners_warming").await? > 0)
}
