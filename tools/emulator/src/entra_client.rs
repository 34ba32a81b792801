//! Who asks Entra for a token, and whether it is them.

use crate::{
    Algorithm,
    assertion::Assertion,
    clock,
    directory::{
        APPLICATIONS, Api, Application, CALLER, CLUSTER_ISSUER, LOGIN, MANAGED_IDENTITIES, ManagedIdentity,
        READER, SERVICE_ACCOUNT, TENANT, TENANT_DOMAIN,
    },
    entra_error::Error,
    mint::{Subject, TOKEN_EXCHANGE},
    shared::Shared,
    token_request::{NoProof, Proof, TokenRequest},
};

/// An application, or a user-assigned identity that has federated credentials.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    principal: Principal,
    /// Whether a secret was enough.
    by_secret: bool,
}

#[derive(Clone, Copy, Debug)]
enum Principal {
    Application(Application),
    Identity(ManagedIdentity),
}

impl Client {
    /// The one with that client id.
    pub(crate) fn find(client_id: &str) -> Option<Self> {
        let application = APPLICATIONS
            .into_iter()
            .find(|application| application.client_id.eq_ignore_ascii_case(client_id))
            .map(Principal::Application);
        let identity = || {
            MANAGED_IDENTITIES
                .into_iter()
                .find(|identity| identity.client_id.eq_ignore_ascii_case(client_id))
                .map(Principal::Identity)
        };
        Some(Self { principal: application.or_else(identity)?, by_secret: true })
    }

    pub(crate) fn client_id(&self) -> &'static str {
        match self.principal {
            Principal::Application(application) => application.client_id,
            Principal::Identity(identity) => identity.client_id,
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        match self.principal {
            Principal::Application(application) => application.name,
            Principal::Identity(identity) => identity.name,
        }
    }

    pub(crate) fn roles_on(&self, api: &Api) -> &'static [&'static str] {
        match self.principal {
            Principal::Application(application) => application.roles_on(api),
            Principal::Identity(identity) => identity.roles_on(api),
        }
    }

    /// The subject of its token for an API that it has asked for under that name.
    pub(crate) fn subject(&self, api: &Api, resource: &str) -> Subject {
        match self.principal {
            Principal::Identity(identity) => Subject::identity(&identity, api, resource),
            Principal::Application(application) => {
                let subject = Subject::application(&application, api, resource);
                if self.by_secret { subject } else { subject.without_secret() }
            }
        }
    }

    /// The client, if the request shows that it has sent it. `tenant` is the segment of the path.
    pub(crate) fn proven(self, shared: &Shared, request: &TokenRequest, tenant: &str) -> Result<Self, Error> {
        match request.proof() {
            Ok(Proof::Secret(secret)) => self.with_secret(shared, secret),
            Ok(Proof::Assertion(text)) => self.with_assertion(shared, text, tenant),
            Err(NoProof::Missing) => {
                let text = "The request body must contain the following parameter: \
                            'client_assertion' or 'client_secret'.";
                Err(Error::new("invalid_client", 7_000_218, text).unauthorized())
            }
            Err(NoProof::AssertionType) => {
                let text = "The request body must contain the following parameter: \
                            'client_assertion_type' with the value for JWTs.";
                Err(Error::new("invalid_request", 900_144, text))
            }
            Err(NoProof::Several) => {
                let text = "The request carries more than one kind of client credentials.";
                Err(Error::new("invalid_request", 90_023, text))
            }
        }
    }

    fn with_secret(self, shared: &Shared, secret: &str) -> Result<Self, Error> {
        if shared.client_secret(self.client_id()) == Some(secret) {
            return Ok(self);
        }
        let text = format!(
            "Invalid client secret provided. Ensure the secret being sent in the request is the \
             client secret value, not the client secret ID, for a secret added to app '{}'.",
            self.client_id()
        );
        Err(Error::new("invalid_client", 7_000_215, text).unauthorized())
    }

    fn with_assertion(self, shared: &Shared, text: &str, tenant: &str) -> Result<Self, Error> {
        let assertion = Assertion::parse(text)
            .ok_or_else(|| Error::new("invalid_request", 50_027, "JWT token is invalid or malformed."))?;
        let client_id = self.client_id();
        if !assertion.claim("iss").eq_ignore_ascii_case(client_id) {
            self.federated(shared, &assertion)?;
        } else if !assertion.claim("sub").eq_ignore_ascii_case(client_id) {
            let text = "Client assertion application identifier doesn't match 'client_id' parameter.";
            return Err(Error::new("invalid_client", 700_021, text).unauthorized());
        } else {
            self.certified(shared, &assertion, tenant)?;
        }
        if !assertion.is_timely(clock::now()) {
            let text = "Client assertion is not within its valid time range.";
            return Err(Error::new("invalid_client", 700_024, text).unauthorized());
        }
        Ok(Self { by_secret: false, ..self })
    }

    /// An assertion that the client has signed itself (Entra: certificate-credentials).
    fn certified(&self, shared: &Shared, assertion: &Assertion<'_>, tenant: &str) -> Result<(), Error> {
        let keys = shared.keys();
        let caller = &keys.fixed.caller;
        if self.client_id() != CALLER.client_id || !assertion.names(&caller.rsa.certificate) {
            let text = "The certificate used to sign the client assertion is not registered on \
                        application. [Reason - The key was not found.]";
            return Err(Error::new("invalid_client", 700_027, text).unauthorized());
        }
        if !assertion.is_signed_by(caller, &[Algorithm::Rs256, Algorithm::Ps256]) {
            return Err(bad_signature());
        }
        let audiences = [tenant, TENANT, TENANT_DOMAIN].map(|tenant| {
            ["oauth2/v2.0/token", "oauth2/token", "v2.0"].map(|path| format!("{LOGIN}/{tenant}/{path}"))
        });
        let audiences: Vec<_> = audiences.iter().flatten().map(String::as_str).collect();
        if !assertion.is_for(&audiences) {
            let text = "Client assertion audience claim does not match Realm issuer.";
            return Err(Error::new("invalid_client", 700_023, text).unauthorized());
        }
        if !shared.used_assertions.first_use(assertion) {
            let text = "JWT token is invalid: its 'jti' is missing or was used before.";
            return Err(Error::new("invalid_client", 50_027, text).unauthorized());
        }
        Ok(())
    }

    /// An assertion of somebody whom a federated credential trusts: the cluster.
    fn federated(&self, shared: &Shared, assertion: &Assertion<'_>) -> Result<(), Error> {
        let trusted = [CALLER.client_id, READER.client_id].contains(&self.client_id())
            && assertion.claim("iss") == CLUSTER_ISSUER
            && assertion.claim("sub") == SERVICE_ACCOUNT
            && assertion.is_for(&[TOKEN_EXCHANGE]);
        if !trusted {
            let text = format!(
                "No matching federated identity record found for presented assertion. Assertion \
                 Issuer: '{}'. Assertion Subject: '{}'. Assertion Audience: '{}'.",
                assertion.claim("iss"),
                assertion.claim("sub"),
                assertion.claim("aud"),
            );
            return Err(Error::new("invalid_request", 70_021, text));
        }
        if !assertion.is_signed_by(&shared.keys().fixed.cluster, &[Algorithm::Rs256]) {
            return Err(bad_signature());
        }
        Ok(())
    }
}

fn bad_signature() -> Error {
    let text = "Client assertion failed signature validation.";
    Error::new("invalid_client", 700_027, text).unauthorized()
}
