use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use crate::{Error, tree};

/// How the filter and its configuration reach Envoy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// In the file that Envoy starts with; it cannot change afterwards.
    #[default]
    Static,
    /// With the listener, from a file that Envoy watches. A new version drains the old filter chain.
    Lds,
    /// The filter alone, from a file that Envoy watches. A new version replaces the old one at once.
    Ecds,
}

/// The file that a part of the configuration is delivered in.
#[derive(Debug)]
pub(crate) struct Delivered {
    file: PathBuf,
    resource: Value,
    version: u64,
}

impl Delivered {
    /// Takes the delivered part out of the tree, writes it to a file of its own and points Envoy to it.
    pub(crate) fn take(delivery: Delivery, tree: &mut Value, folder: &Path) -> Result<Option<Self>, Error> {
        let (name, resource) = match delivery {
            Delivery::Static => return Ok(None),
            Delivery::Lds => ("listener.json", take_listener(tree, &folder.join("listener.json"))),
            Delivery::Ecds => ("filter.json", take_filter(tree, &folder.join("filter.json"))),
        };
        let file = folder.join(name);
        let Some(resource) = resource else {
            let problem = "no listener, or no filter of Gatepass, to deliver".to_owned();
            return Err(Error::Configuration { file, problem });
        };
        if let Some(tree) = tree.as_object_mut() {
            tree.insert("node".to_owned(), json!({"id": "gateway", "cluster": "gateway"}));
        }
        let mut delivered = Self { file, resource, version: 0 };
        delivered.write()?;
        Ok(Some(delivered))
    }

    /// Delivers another configuration of the filter.
    pub(crate) fn deliver(&mut self, configuration: &str) -> Result<(), Error> {
        tree::set_configuration(&mut self.resource, configuration);
        self.write()
    }

    /// Envoy reads the file when another is renamed into its place.
    fn write(&mut self) -> Result<(), Error> {
        self.version = self.version.saturating_add(1);
        let response = json!({"version_info": self.version.to_string(), "resources": [self.resource]});
        let next = self.file.with_extension("next");
        fs::write(&next, response.to_string())
            .and_then(|()| fs::rename(&next, &self.file))
            .map_err(Error::io("delivering a configuration"))
    }
}

fn take_listener(tree: &mut Value, file: &Path) -> Option<Value> {
    let resources = tree.get_mut("static_resources")?.as_object_mut()?;
    let mut listener = resources.remove("listeners")?.as_array_mut()?.pop()?;
    let kind = "type.googleapis.com/envoy.config.listener.v3.Listener";
    listener.as_object_mut()?.insert("@type".to_owned(), json!(kind));
    tree.as_object_mut()?.insert("dynamic_resources".to_owned(), json!({"lds_config": watched(file)}));
    Some(listener)
}

fn take_filter(tree: &mut Value, file: &Path) -> Option<Value> {
    let filter = tree::filter(tree)?;
    let name = filter.get("name")?.clone();
    let config = filter.as_object_mut()?.remove("typed_config")?;
    let kind = config.get("@type")?.clone();
    filter
        .as_object_mut()?
        .insert("config_discovery".to_owned(), json!({"config_source": watched(file), "type_urls": [kind]}));
    Some(json!({
        "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
        "name": name,
        "typed_config": config,
    }))
}

fn watched(file: &Path) -> Value {
    json!({"path_config_source": {"path": file}, "resource_api_version": "V3"})
}
