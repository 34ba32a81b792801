//! Secrets: where their values come from, and what their values come through.

use std::rc::Rc;
use std::time::Duration;

use super::Compiler;
use crate::config::fault::{FaultKind, Path};
use crate::config::raw;
use crate::secret::SecretString;
use crate::secrets::{self, Definition, KeyVault, Origin, Vault};

const FILE_REFRESH: Duration = Duration::from_secs(30);
const VAULT_REFRESH: Duration = Duration::from_secs(4 * 3_600);

impl Compiler {
    /// The secret in a secret position.
    pub(super) fn secret_position(
        &mut self,
        path: &Path,
        raw: raw::SecretPosition,
    ) -> Option<Rc<Definition>> {
        match raw {
            raw::SecretPosition::Ref(name) => self.secret(&path.member("ref"), name.0.expose()),
            raw::SecretPosition::Inline(value) => {
                let definition = self.inline_secret(path, &path.to_string(), &value.0)?;
                self.all_secrets.push(Rc::clone(&definition));
                Some(definition)
            }
        }
    }

    /// The secret that is called `name` at `path`. A name that is not defined is not quoted: it may be a secret that
    /// stands where its name should.
    pub(super) fn secret(&mut self, path: &Path, name: &str) -> Option<Rc<Definition>> {
        if let Some(known) = self.secrets.get(name) {
            return known.clone();
        }
        let own = Path::root().member("secrets").member(name);
        let Some(raw) = self.raw.secrets.remove(name) else {
            return match self.cycle(&own) {
                Some(cycle) => self.fault(path, cycle),
                None => {
                    let kind = FaultKind::unknown_secret(name, self.names.secrets.clone());
                    self.fault(path, kind)
                }
            };
        };
        self.under_way.push(own.clone());
        let secret = self.defined_secret(&own, name, raw);
        self.under_way.pop();
        self.all_secrets.extend(secret.clone());
        self.secrets.insert(name.to_owned(), secret.clone());
        secret
    }

    /// Compiles the secrets that nothing refers to.
    pub(super) fn other_secrets(&mut self) {
        for name in self.names.secrets.clone() {
            self.secret(&Path::root().member("secrets"), &name);
        }
    }

    fn defined_secret(&mut self, path: &Path, name: &str, raw: raw::Secret) -> Option<Rc<Definition>> {
        let origin = match (raw.inline, raw.env, raw.file, raw.key_vault) {
            (Some(value), None, None, None) => {
                return self.inline_secret(&path.member("inline"), name, &value.0);
            }
            (None, Some(variable), None, None) => self.variable(&path.member("env"), &variable),
            (None, None, Some(file), None) => self.file(&path.member("file"), file),
            (None, None, None, Some(vault)) => self.key_vault(&path.member("key_vault"), vault),
            _ => self.not_exactly_one(path, &["file", "key_vault", "env", "inline"]),
        };
        Some(Rc::new(Definition::new(name, origin?)))
    }

    fn inline_secret(&mut self, path: &Path, name: &str, value: &SecretString) -> Option<Rc<Definition>> {
        let value = self.value(path, value.expose())?;
        self.warn(format!(
            "{path}: a secret stands in the configuration, where everybody reads it who reads that; keep it in a file, \
             in Key Vault or in the environment"
        ));
        Some(Rc::new(Definition::new(name, Origin::Fixed(value))))
    }

    fn variable(&mut self, path: &Path, variable: &str) -> Option<Origin> {
        let Some(value) = self.environment.get(variable).map(ToOwned::to_owned) else {
            let why = "this environment variable is not set; name it in the plugin's \
                       `vm_config.environment_variables.host_env_keys`";
            return self.fault(path, FaultKind::Invalid(why));
        };
        self.value(path, &value).map(Origin::Fixed)
    }

    fn value(&mut self, path: &Path, value: &str) -> Option<SecretString> {
        secrets::secret(value).or_else(|| self.fault(path, FaultKind::Empty("a secret has 1 byte to 64 KiB")))
    }

    pub(super) fn file(&mut self, path: &Path, raw: raw::SecretFile) -> Option<Origin> {
        let cluster = self.text(&path.member("cluster"), raw.cluster);
        let refresh = self.refresh(path, raw.refresh.as_deref(), FILE_REFRESH);
        let file = self.file_path(&path.member("path"), raw.path);
        Some(Origin::File { cluster: cluster?, path: file?, refresh: refresh? })
    }

    fn file_path(&mut self, path: &Path, raw: String) -> Option<String> {
        let is_path = raw.starts_with('/') && raw.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
        if is_path {
            return Some(raw);
        }
        let why = "the path under which Envoy serves the file: it begins with `/`, and has no spaces";
        self.fault(path, FaultKind::Invalid(why))
    }

    fn refresh(&mut self, path: &Path, raw: Option<&str>, default: Duration) -> Option<Duration> {
        let path = path.member("refresh");
        let refresh = self.duration(&path, raw, default)?;
        if refresh < Duration::from_secs(1) || refresh > secrets::MAX_AGE {
            return self.fault(&path, FaultKind::Invalid("a secret is read again after `1s` to `24h`"));
        }
        Some(refresh)
    }

    fn key_vault(&mut self, path: &Path, raw: raw::KeyVaultSecret) -> Option<Origin> {
        let cluster = self.text(&path.member("cluster"), raw.cluster);
        let refresh = self.refresh(path, raw.refresh.as_deref(), VAULT_REFRESH);
        let name = self.vault_name(&path.member("name"), raw.name);
        let version = match raw.version {
            Some(version) => Some(self.vault_name(&path.member("version"), version)?),
            None => None,
        };
        let vault = Vault::parse(&raw.vault).or_else(|| {
            let why = "not the URL of a vault: `https://<name>.vault.azure.net`, `.vault.azure.cn` or \
                       `.vault.usgovcloudapi.net`, without a path";
            self.fault(&path.member("vault"), FaultKind::Invalid(why))
        })?;
        let token = self.token(path, &raw.identity, &path.member("identity"), &vault.target());
        Some(Origin::KeyVault(KeyVault {
            vault,
            name: name?,
            version,
            cluster: cluster?,
            token: token?,
            refresh: refresh?,
        }))
    }

    fn vault_name(&mut self, path: &Path, raw: String) -> Option<String> {
        let is_name = (1..=127).contains(&raw.len())
            && raw.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if is_name {
            return Some(raw);
        }
        self.fault(path, FaultKind::Invalid("1 to 127 letters, digits and `-`, as Key Vault has them"))
    }
}
