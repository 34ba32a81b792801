//! The audit of the built module: what it asks of its host and offers to it, held to a checked-in list.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use serde::Deserialize;
use wasmparser::{Encoding, Parser, Payload, TypeRef, Validator};

/// Holds the module `input` to the list `allowed`, and writes it, without custom sections, to `output`. If it
/// does not pass, no `output` is left: an older one would be taken for this one.
///
/// `variant` is one of the list's variants, which may export more.
pub(crate) fn audit(
    input: &Path,
    output: &Path,
    allowed: &Path,
    variant: Option<&str>,
) -> Result<Report, Failure> {
    let audited = examine(input, allowed, variant);
    match audited {
        Ok((bytes, contents)) => {
            write_at_once(output, &bytes).map_err(|error| Failure::Unwritable(output.to_owned(), error))?;
            Ok(Report { output: output.to_owned(), size: bytes.len(), contents })
        }
        Err(failure) => {
            // Gone already, or never there: either way it is not there now.
            let _ = fs::remove_file(output);
            Err(failure)
        }
    }
}

fn examine(input: &Path, allowed: &Path, variant: Option<&str>) -> Result<(Vec<u8>, Contents), Failure> {
    let text = fs::read_to_string(allowed).map_err(|error| Failure::NoList(allowed.to_owned(), error))?;
    let list: Allowed = toml::from_str(&text).map_err(|error| Failure::BadList(allowed.to_owned(), error))?;
    let list = match variant {
        Some(name) => {
            list.with_variant(name).ok_or_else(|| Failure::NoVariant(allowed.to_owned(), name.to_owned()))?
        }
        None => list,
    };
    let module = fs::read(input).map_err(|error| Failure::NoModule(input.to_owned(), error))?;
    let not_wasm = |error| Failure::NotWasm(input.to_owned(), error);
    Validator::new().validate_all(&module).map_err(not_wasm)?;
    let (bytes, contents) = read(&module).map_err(not_wasm)?;
    let faults = list.faults(&contents, bytes.len());
    if faults.is_empty() { Ok((bytes, contents)) } else { Err(Failure::Refused(allowed.to_owned(), faults)) }
}

/// The checked-in list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Allowed {
    max_bytes: usize,
    imports: BTreeMap<String, BTreeMap<String, Entry>>,
    exports: BTreeMap<String, Entry>,
    #[serde(default)]
    variants: BTreeMap<String, Variant>,
}

/// A second build of the module, with more features.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Variant {
    exports: BTreeMap<String, Entry>,
}

/// The reason why something is on the list; each has one.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Entry {
    Required(#[expect(dead_code, reason = "written for the reader of the list")] String),
    Detailed(Detailed),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Detailed {
    #[expect(dead_code, reason = "written for the reader of the list")]
    why: String,
    #[serde(default)]
    optional: bool,
}

impl Entry {
    fn is_optional(&self) -> bool {
        matches!(self, Self::Detailed(Detailed { optional: true, .. }))
    }
}

/// What stands in a module, as far as it concerns its host.
#[derive(Debug, Default)]
struct Contents {
    imports: BTreeSet<(String, String)>,
    exports: BTreeSet<String>,
    /// Pages of 64 KiB.
    memory: Vec<(u64, Option<u64>)>,
    imports_other_than_functions: BTreeSet<(String, String)>,
    has_start: bool,
    dropped: Vec<(String, usize)>,
}

/// Reads `module`, and copies it without its custom sections.
fn read(module: &[u8]) -> Result<(Vec<u8>, Contents), wasmparser::BinaryReaderError> {
    let mut bytes = Vec::with_capacity(module.len());
    let mut contents = Contents::default();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload?;
        match &payload {
            Payload::Version { encoding: Encoding::Module, range, .. } => {
                bytes.extend_from_slice(slice(module, range));
            }
            Payload::ImportSection(imports) => {
                for import in imports.clone().into_imports() {
                    let import = import?;
                    let name = (import.module.to_owned(), import.name.to_owned());
                    if !matches!(import.ty, TypeRef::Func(_)) {
                        contents.imports_other_than_functions.insert(name.clone());
                    }
                    contents.imports.insert(name);
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports.clone() {
                    contents.exports.insert(export?.name.to_owned());
                }
            }
            Payload::MemorySection(memories) => {
                for memory in memories.clone() {
                    let memory = memory?;
                    contents.memory.push((memory.initial, memory.maximum));
                }
            }
            Payload::StartSection { .. } => contents.has_start = true,
            Payload::CustomSection(custom) => {
                contents.dropped.push((custom.name().to_owned(), custom.data().len()));
                continue;
            }
            _ => {}
        }
        if let Some((id, range)) = payload.as_section() {
            let body = slice(module, &range);
            bytes.push(id);
            push_leb128(&mut bytes, body.len());
            bytes.extend_from_slice(body);
        }
    }
    Ok((bytes, contents))
}

fn slice<'a>(module: &'a [u8], range: &Range<u64>) -> &'a [u8] {
    let place = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX);
    module.get(place(range.start)..place(range.end)).unwrap_or_default()
}

fn push_leb128(bytes: &mut Vec<u8>, mut value: usize) {
    loop {
        let low = u8::try_from(value & 0x7f).unwrap_or_default();
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}

impl Allowed {
    /// The list for the variant `name`.
    fn with_variant(mut self, name: &str) -> Option<Self> {
        self.exports.append(&mut self.variants.remove(name)?.exports);
        Some(self)
    }

    fn faults(&self, contents: &Contents, size: usize) -> Vec<Fault> {
        let mut faults = Vec::new();
        for (module, name) in &contents.imports {
            if !self.imports.get(module).is_some_and(|names| names.contains_key(name)) {
                faults.push(Fault::NewImport(module.clone(), name.clone()));
            }
        }
        for (module, name) in &contents.imports_other_than_functions {
            faults.push(Fault::NoFunction(module.clone(), name.clone()));
        }
        for (module, names) in &self.imports {
            for (name, entry) in names {
                if !entry.is_optional() && !contents.imports.contains(&(module.clone(), name.clone())) {
                    faults.push(Fault::UnusedImport(module.clone(), name.clone()));
                }
            }
        }
        for name in &contents.exports {
            if !self.exports.contains_key(name) {
                faults.push(Fault::NewExport(name.clone()));
            }
        }
        for (name, entry) in &self.exports {
            if !entry.is_optional() && !contents.exports.contains(name) {
                faults.push(Fault::MissingExport(name.clone()));
            }
        }
        if contents.has_start {
            faults.push(Fault::Start);
        }
        if size > self.max_bytes {
            faults.push(Fault::TooLarge { size, most: self.max_bytes });
        }
        faults
    }
}

/// One thing that the list does not allow, and what to do about it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error(
        "import {0}.{1} is new: the module asks more of its host. If that is meant, add it to [imports.{0}] \
         with the reason; if not, find what brought it in"
    )]
    NewImport(String, String),
    #[error(
        "import {0}.{1} is not a function: Envoy has nothing else to give. Look at the linker's arguments"
    )]
    NoFunction(String, String),
    #[error(
        "import {0}.{1} is listed but the module does not use it: take it off the list, so that it cannot come \
         back unseen (or mark it optional = true, if some builds use it)"
    )]
    UnusedImport(String, String),
    #[error(
        "export {0} is new: Envoy calls every callback that a module exports, for every request. If that is \
         meant, add it to [exports] with the reason; if not, drop its #[unsafe(no_mangle)]"
    )]
    NewExport(String),
    #[error(
        "export {0} is listed but missing: Envoy would not call it. Give it back its #[unsafe(no_mangle)], or \
         take it off the list"
    )]
    MissingExport(String),
    #[error(
        "there is a start section: it would run before Envoy has called _initialize. Build a cdylib, not a bin"
    )]
    Start,
    #[error(
        "{size} bytes are more than {most} (max_bytes). See what grew, for instance with `cargo tree --target wasm32-wasip1`"
    )]
    TooLarge { size: usize, most: usize },
}

/// Why there is no module to load.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{path}: {1}; `make build` makes it", path = .0.display())]
    NoModule(PathBuf, #[source] io::Error),
    #[error("{path}: not a WebAssembly module that Envoy could load: {1}", path = .0.display())]
    NotWasm(PathBuf, #[source] wasmparser::BinaryReaderError),
    #[error("{path}: {1}; this list says what the module may import and export", path = .0.display())]
    NoList(PathBuf, #[source] io::Error),
    #[error("{path}: {1}", path = .0.display())]
    BadList(PathBuf, #[source] toml::de::Error),
    #[error("{path}: there is no variant {1:?}", path = .0.display())]
    NoVariant(PathBuf, String),
    #[error("the module is not what {} allows:\n{}", .0.display(), Bullets(.1))]
    Refused(PathBuf, Vec<Fault>),
    #[error("{path}: {1}", path = .0.display())]
    Unwritable(PathBuf, #[source] io::Error),
}

struct Bullets<'a>(&'a [Fault]);

impl fmt::Display for Bullets<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|fault| write!(f, "\n  * {fault}"))
    }
}

/// Writes a file so that it is either there as a whole or not at all.
fn write_at_once(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    fs::write(&partial, bytes)?;
    fs::rename(&partial, path)
}

/// A module that has passed, in few words.
#[derive(Debug)]
pub(crate) struct Report {
    output: PathBuf,
    size: usize,
    contents: Contents,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Contents { imports, exports, memory, dropped, .. } = &self.contents;
        let from = |wanted: &str| imports.iter().filter(|(module, _)| module == wanted).count();
        let modules: BTreeSet<&str> = imports.iter().map(|(module, _)| module.as_str()).collect();
        writeln!(f, "{}", self.output.display())?;
        writeln!(f, "  size     {} ({} bytes)", Kib(self.size), self.size)?;
        write!(f, "  imports  {}", imports.len())?;
        for (index, module) in modules.iter().enumerate() {
            let before = if index == 0 { ": " } else { ", " };
            write!(f, "{before}{} from {module}", from(module))?;
        }
        let callbacks: Vec<&str> = exports.iter().filter_map(|name| name.strip_prefix("proxy_on_")).collect();
        writeln!(f, "\n  exports  {}, with on_{}", exports.len(), callbacks.join(", on_"))?;
        for (initial, maximum) in memory {
            let most = maximum.map_or_else(
                || "no limit of its own".to_owned(),
                |pages| format!("at most {}", Pages(pages)),
            );
            writeln!(f, "  memory   {} at the start, {most}", Pages(*initial))?;
        }
        let names: Vec<String> =
            dropped.iter().map(|(name, size)| format!("{name} ({size} bytes)")).collect();
        write!(f, "  dropped  {}", if names.is_empty() { "nothing".to_owned() } else { names.join(", ") })
    }
}

struct Kib(usize);

impl fmt::Display for Kib {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} KiB", self.0.div_ceil(1024))
    }
}

struct Pages(u64);

impl fmt::Display for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} KiB", self.0.saturating_mul(64))
    }
}

#[cfg(test)]
mod tests;
