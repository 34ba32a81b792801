use std::rc::Rc;

use crate::header_name::HeaderName;
use crate::secrets;

/// The subscription key that an operation asks for.
#[derive(Debug)]
pub struct SubscriptionRule {
    /// The header that carries it.
    pub header: HeaderName,
    /// Its name as the operator writes it, for the challenge.
    pub written: String,
    /// The query parameter that carries it where the header is not there.
    pub query: String,
    /// Whether the backend gets to see it.
    pub forward: bool,
    /// The keys that are good.
    pub keys: Vec<Rc<secrets::Definition>>,
}
