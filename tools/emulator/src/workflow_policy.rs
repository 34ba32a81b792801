//! Who may call the workflow.

use serde::{Deserialize, Serialize};

use crate::directory::{GATEWAY, TENANT};

/// What the workflow's token must have; every claim is compared letter by letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkflowPolicy {
    /// `iss`.
    pub issuer: String,
    /// `aud`.
    pub audience: String,
    /// The client ids or object ids of those who may call; with none, everybody may who has a
    /// token.
    pub callers: Vec<String>,
}

impl Default for WorkflowPolicy {
    /// v1 tokens of the tenant for `https://management.azure.com`, of the gateway's identity.
    fn default() -> Self {
        Self {
            issuer: format!("https://sts.windows.net/{TENANT}/"),
            audience: "https://management.azure.com".to_owned(),
            callers: vec![GATEWAY.object_id.to_owned()],
        }
    }
}
