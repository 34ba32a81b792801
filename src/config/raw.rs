//! The configuration as it is written: a mirror of its JSON, nothing decided yet.
//!
//! Every struct refuses unknown fields. What a field means is said here; what it does is compiled in
//! [`super::compile`].

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};

/// The whole configuration.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with `issuers`, `identities`, `defaults`, `operations`")]
pub(super) struct Configuration {
    /// Who may sign inbound tokens, by name.
    #[serde(default)]
    pub issuers: BTreeMap<String, Issuer>,
    /// Where outbound tokens come from, by name.
    #[serde(default)]
    pub identities: BTreeMap<String, Identity>,
    /// What applies to every operation that does not say otherwise.
    pub defaults: Option<Defaults>,
    /// The operations. The first that matches decides; what matches none is refused with 404.
    pub operations: Vec<Operation>,
    /// How refusals look.
    pub on_failure: Option<OnFailure>,
    /// How long a request waits for keys or a token, at the most. Default `15s`.
    pub wait: Option<String>,
    /// Whether the VMs of one Envoy share tokens. Default: where the plugin has a `vm_id` of its own.
    pub shared_cache: Option<Switch>,
}

/// One issuer: `entra`, or `discovery` with `cluster`.
#[derive(Debug, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "an issuer: an object with `entra`, or with `discovery` and `cluster`"
)]
pub(super) struct Issuer {
    /// A tenant of Microsoft Entra ID.
    pub entra: Option<Entra>,
    /// The URL of an OpenID Connect discovery document.
    pub discovery: Option<String>,
    /// What the issuer calls itself, where that is not the beginning of `discovery`.
    pub issuer: Option<String>,
    /// Envoy's cluster for the discovery document's host.
    pub cluster: Option<String>,
    /// Algorithms that its keys may sign with: RS, PS (each with 256, 384, 512), ES256, ES384, EdDSA (the same as
    /// Ed25519). Default `[RS256]`.
    pub algorithms: Option<Vec<String>>,
    /// Further hosts that the discovery document may name, each with its cluster.
    #[serde(default)]
    pub hosts: BTreeMap<String, String>,
}

/// A tenant of Microsoft Entra ID.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with `tenant` and `cluster`")]
pub(super) struct Entra {
    /// The tenant's id, a GUID.
    pub tenant: String,
    /// Envoy's cluster for the login host.
    pub cluster: String,
    /// The cloud. Default `public`.
    pub cloud: Option<Cloud>,
}

/// The clouds of Microsoft Entra ID.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case", expecting = "the name of a cloud")]
pub(super) enum Cloud {
    /// login.microsoftonline.com
    #[default]
    Public,
    /// login.microsoftonline.us
    UsGovernment,
    /// login.partner.microsoftonline.cn
    China,
}

/// Where outbound tokens come from.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an identity: an object with `managed_identity`")]
pub(super) struct Identity {
    /// A managed identity of Azure.
    pub managed_identity: Option<ManagedIdentity>,
}

/// A managed identity of Azure: system-assigned unless one of the ids is given.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with `source` and `cluster`")]
pub(super) struct ManagedIdentity {
    /// Which endpoint gives the tokens.
    pub source: ManagedIdentitySource,
    /// Envoy's cluster for that endpoint.
    pub cluster: String,
    /// The client id of a user-assigned identity.
    pub client_id: Option<String>,
    /// The object id of a user-assigned identity.
    pub object_id: Option<String>,
    /// The Azure resource id of a user-assigned identity.
    pub resource_id: Option<String>,
}

/// The endpoints that give tokens to managed identities.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case", expecting = "the source of a managed identity")]
pub(super) enum ManagedIdentitySource {
    /// The instance metadata service of virtual machines, scale sets and AKS nodes.
    Imds,
}

/// What applies to every operation that does not say otherwise.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with `validate`")]
pub(super) struct Defaults {
    /// How inbound tokens are checked.
    pub validate: Option<Validate>,
}

/// One operation.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an operation: an object with `match`")]
pub(super) struct Operation {
    /// Which requests it is.
    #[serde(rename = "match")]
    pub matches: Match,
    /// Whether it asks for no token. Default false.
    #[serde(default)]
    pub anonymous: bool,
    /// How the inbound token is checked; each field given here replaces the default's; `roles` and
    /// `required_claims` add to them.
    pub validate: Option<Validate>,
    /// Tokens that are put into the request.
    pub attach: Option<Vec<Attach>>,
}

/// Which requests an operation is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with `path` and, if wanted, `methods`")]
pub(super) struct Match {
    /// Methods; without this field, all.
    pub methods: Option<Vec<String>>,
    /// The path.
    pub path: PathMatch,
    /// Whether `/Orders` is another path than `/orders`. Default false, as in API Management.
    #[serde(default)]
    pub case_sensitive: bool,
    /// Whether `/orders/` is another path than `/orders`. Default false, as in API Management.
    #[serde(default)]
    pub trailing_slash: bool,
}

/// How a path is matched.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with `exact`, `prefix` or `template`")]
pub(super) struct PathMatch {
    /// This path.
    pub exact: Option<String>,
    /// This path and all below it, by segment.
    pub prefix: Option<String>,
    /// Paths of this form: each segment is literal text, or one whole `{parameter}` that takes any one segment which
    /// is not empty. Names of parameters are letters, digits and `_`, without a digit first, each name once.
    pub template: Option<String>,
}

/// How inbound tokens are checked.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "an object with `issuer`, `audiences`, `roles` or `required_claims`"
)]
pub(super) struct Validate {
    /// The name of the issuer.
    pub issuer: Option<String>,
    /// The audiences, any of which the token must have; or the word `any`.
    pub audiences: Option<Audiences>,
    /// Roles, any of which the token must have: one, a list, or by method with `"*"` for all others.
    pub roles: Option<Roles>,
    /// What is asked of other claims; every entry must be satisfied.
    pub required_claims: Option<Vec<RequiredClaim>>,
    /// How far clocks may differ. Default `0s`.
    pub clock_skew: Option<String>,
    /// Whether a token must have an end. Default true.
    pub require_expiration: Option<bool>,
}

/// What is asked of one claim: `values`, `equals_parameter`, or with neither that the claim is there and not empty.
/// Values are compared exactly; those of a claim are its text, its number or boolean as JSON text, or such items of
/// a list.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a required claim: an object with `name` or `path`")]
pub(super) struct RequiredClaim {
    /// The name of the claim, whatever characters it has. A dot does not lead into the claim: that is `path`.
    pub name: Option<String>,
    /// The name of a claim that is an object, and the names of the members that lead to the value within it.
    pub path: Option<Vec<String>>,
    /// How `values` and the claim's values must be to each other. Default `all`, as in API Management.
    #[serde(rename = "match")]
    pub matches: Option<ClaimMatch>,
    /// What splits a claim that is one string into values: `" "` for `scp`. It does not split the items of a list.
    pub separator: Option<String>,
    /// Values, as strings also where the claim has numbers or booleans.
    pub values: Option<Vec<String>>,
    /// The name of a parameter of the path's `template`, whose value must be among the claim's values: a caller
    /// reaches what belongs to it alone. It is compared exactly, also in case; one that is percent-encoded, or
    /// longer than 1 KiB, equals nothing.
    pub equals_parameter: Option<String>,
}

/// How the listed values and a claim's values must be to each other.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case", expecting = "`all`, `any` or `not`")]
pub(super) enum ClaimMatch {
    /// Every listed value is among the claim's.
    #[default]
    All,
    /// At least one listed value is among the claim's.
    Any,
    /// No listed value is among the claim's, and the claim holds no object and no list within a list. A claim that
    /// is missing passes.
    Not,
}

/// The audiences that are accepted.
#[derive(Clone, Debug)]
pub(super) enum Audiences {
    /// Whatever the token says.
    Any,
    /// One of these.
    OneOf(Vec<String>),
}

/// `on` or `off`; YAML readers turn both words into booleans, so these are taken too.
#[derive(Clone, Copy, Debug)]
pub(super) struct Switch(pub bool);

/// Roles that are required.
#[derive(Clone, Debug)]
pub(super) enum Roles {
    /// The same for every method.
    Same(Vec<String>),
    /// By method; `*` is every method that is not named.
    ByMethod(BTreeMap<String, Vec<String>>),
}

/// A token that is put into the request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with `identity` and `resource`")]
pub(super) struct Attach {
    /// The name of the identity.
    pub identity: String,
    /// The resource that the token is for: its App ID URI or client id.
    pub resource: String,
}

/// How refusals look.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with `status`, `forbidden_status`, `message`")]
pub(super) struct OnFailure {
    /// The status of a refused token. Default 401, as in API Management.
    pub status: Option<u16>,
    /// The status where a role or claim is missing. Default: `status`.
    pub forbidden_status: Option<u16>,
    /// Replaces the message in the body.
    pub message: Option<String>,
}

impl<'de> Deserialize<'de> for Audiences {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AudiencesVisitor;
        impl<'de> Visitor<'de> for AudiencesVisitor {
            type Value = Audiences;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of audiences, or the word `any`")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Audiences, E> {
                match word {
                    "any" => Ok(Audiences::Any),
                    _ => Err(E::invalid_type(de::Unexpected::Str(""), &self)),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Audiences, A::Error> {
                Vec::deserialize(de::value::SeqAccessDeserializer::new(items)).map(Audiences::OneOf)
            }
        }
        deserializer.deserialize_any(AudiencesVisitor)
    }
}

impl<'de> Deserialize<'de> for Switch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SwitchVisitor;
        impl Visitor<'_> for SwitchVisitor {
            type Value = Switch;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`on` or `off`")
            }

            fn visit_bool<E: de::Error>(self, on: bool) -> Result<Switch, E> {
                Ok(Switch(on))
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Switch, E> {
                match word {
                    "on" => Ok(Switch(true)),
                    "off" => Ok(Switch(false)),
                    _ => Err(E::invalid_value(de::Unexpected::Str(""), &self)),
                }
            }
        }
        deserializer.deserialize_any(SwitchVisitor)
    }
}

impl<'de> Deserialize<'de> for Roles {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RolesVisitor;
        impl<'de> Visitor<'de> for RolesVisitor {
            type Value = Roles;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a role, a list of roles, or an object with roles by method")
            }

            fn visit_str<E: de::Error>(self, role: &str) -> Result<Roles, E> {
                Ok(Roles::Same(vec![role.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Roles, A::Error> {
                Vec::deserialize(de::value::SeqAccessDeserializer::new(items)).map(Roles::Same)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Roles, A::Error> {
                let mut by_method = BTreeMap::new();
                while let Some((method, OneOrMany(roles))) = entries.next_entry()? {
                    by_method.insert(method, roles);
                }
                Ok(Roles::ByMethod(by_method))
            }
        }
        deserializer.deserialize_any(RolesVisitor)
    }
}

struct OneOrMany(Vec<String>);

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrManyVisitor;
        impl<'de> Visitor<'de> for OneOrManyVisitor {
            type Value = OneOrMany;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a role or a list of roles")
            }

            fn visit_str<E: de::Error>(self, role: &str) -> Result<OneOrMany, E> {
                Ok(OneOrMany(vec![role.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<OneOrMany, A::Error> {
                Vec::deserialize(de::value::SeqAccessDeserializer::new(items)).map(OneOrMany)
            }
        }
        deserializer.deserialize_any(OneOrManyVisitor)
    }
}
