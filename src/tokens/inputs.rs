use std::time::Duration;

use crate::fingerprint::Fingerprint;
use crate::jwt::Random;
use crate::secret::SecretString;
use crate::time::Now;

/// What token requests are made of beside their definitions.
pub trait Inputs: Random {
    /// The secret that is known by `of`; else after how long to ask again, or nothing while it is being fetched.
    ///
    /// # Errors
    /// It is not at hand.
    fn secret(&mut self, of: Fingerprint, now: Now) -> Result<SecretString, Option<Duration>>;
}
