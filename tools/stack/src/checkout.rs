use std::{
    env, fs,
    path::{Path, PathBuf},
};

use crate::Error;

/// The checkout that the stack runs from: the reference configuration, the module and Envoy.
#[derive(Clone, Debug)]
pub struct Checkout {
    root: PathBuf,
}

/// Which build of the filter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Build {
    /// The one for most uses.
    #[default]
    Default,
    /// The one that looks at the answers of backends.
    ResponseHeaders,
    /// That one, with failures that a request can cause: for tests alone.
    TestOnly,
}

impl Build {
    const fn suffix(self) -> &'static str {
        match self {
            Self::Default => "",
            Self::ResponseHeaders => "-response-headers",
            Self::TestOnly => "-test-only",
        }
    }
}

impl Checkout {
    /// Looks upwards from the package that cargo runs, else from the current folder.
    pub fn find() -> Result<Self, Error> {
        let start = match env::var_os("CARGO_MANIFEST_DIR") {
            Some(folder) => PathBuf::from(folder),
            None => env::current_dir().map_err(Error::io("the current folder"))?,
        };
        let root = start.ancestors().find(|folder| folder.join("envoy/envoy.yaml").is_file());
        match root {
            Some(root) => Ok(Self { root: root.to_owned() }),
            None => Err(Error::NoCheckout(start)),
        }
    }

    /// The root of the checkout.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The reference configuration of Envoy.
    pub fn envoy_yaml(&self) -> PathBuf {
        self.root.join("envoy/envoy.yaml")
    }

    /// Where `demo` and `up` keep their files.
    pub fn state(&self) -> PathBuf {
        self.root.join("target/stack")
    }

    /// A build of the filter: `GATEPASS_MODULE`, else what `make build` makes; the others lie beside it.
    pub fn module(&self, build: Build) -> Result<PathBuf, Error> {
        let module = match env::var_os("GATEPASS_MODULE") {
            Some(path) => self.resolve(Path::new(&path)),
            None => self.root.join("target/gatepass.wasm"),
        };
        let stem = module.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        existing(module.with_file_name(format!("{stem}{}.wasm", build.suffix())))
    }

    /// The filter that the reference configuration names.
    pub fn reference_module(&self) -> Result<PathBuf, Error> {
        existing(self.root.join("target/gatepass.wasm"))
    }

    /// Envoy: `ENVOY`, else the one that `make envoy` installed.
    pub fn envoy(&self) -> Result<PathBuf, Error> {
        if let Some(path) = env::var_os("ENVOY") {
            let path = self.resolve(Path::new(&path));
            return if path.is_file() { Ok(path) } else { Err(Error::NoEnvoy(path)) };
        }
        let tools = self.root.join(".tools");
        let mut found = Vec::new();
        collect_envoys(&tools, 9, &mut found);
        found.sort();
        // The highest version, when there are several.
        found.pop().ok_or(Error::NoEnvoy(tools))
    }

    /// A relative path as the caller of make or cargo meant it: from where they stand, else from the root.
    fn resolve(&self, path: &Path) -> PathBuf {
        fs::canonicalize(path).unwrap_or_else(|_| self.root.join(path))
    }
}

fn existing(module: PathBuf) -> Result<PathBuf, Error> {
    if module.is_file() { Ok(module) } else { Err(Error::NoModule(module)) }
}

fn collect_envoys(folder: &Path, depth: u32, found: &mut Vec<PathBuf>) {
    let Some(depth) = depth.checked_sub(1) else { return };
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect_envoys(&path, depth, found);
        } else if path.ends_with("envoy/_bin/envoy") {
            found.push(path);
        }
    }
}
