//! What an operation asks for beside a token: subscription keys and headers.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::Compiler;
use crate::access::RequiredHeader;
use crate::config::SubscriptionRule;
use crate::config::fault::{FaultKind, Path};
use crate::config::raw;
use crate::secrets::Definition as Secret;

const HEADER: &str = "Ocp-Apim-Subscription-Key";
const QUERY: &str = "subscription-key";

impl Compiler {
    pub(super) fn subscriptions(&mut self, path: &Path, raw: BTreeMap<String, raw::Subscription>) {
        for (name, raw) in raw {
            let path = path.member(&name);
            let why = "name the products that the keys open";
            let products = self.words(&path.member("products"), &raw.products, why);
            let primary = self.secret_position(&path.member("primary"), raw.primary);
            let secondary =
                raw.secondary.and_then(|key| self.secret_position(&path.member("secondary"), key));
            for product in products.into_iter().flatten() {
                // A product is known also where one of its keys has a fault, which has been told.
                let keys = self.products.entry(product).or_default();
                keys.extend(primary.iter().chain(&secondary).cloned());
            }
        }
    }

    pub(super) fn subscription_key(
        &mut self,
        path: &Path,
        raw: raw::SubscriptionKey,
    ) -> Option<SubscriptionRule> {
        let written = raw.header.unwrap_or_else(|| HEADER.to_owned());
        let header = self.header_name(&path.member("header"), &written);
        let query = raw.query.unwrap_or_else(|| QUERY.to_owned());
        let query = self.text(&path.member("query"), query);
        let keys = self.keys_of(&path.member("products"), &raw.products);
        Some(SubscriptionRule { header: header?, written, query: query?, forward: raw.forward, keys: keys? })
    }

    fn keys_of(&mut self, path: &Path, products: &[String]) -> Option<Vec<Rc<Secret>>> {
        let products = self.words(path, products, "name the products, any of which the key must open")?;
        let mut keys: Vec<Rc<Secret>> = Vec::new();
        for (index, product) in products.into_iter().enumerate() {
            let Some(of_product) = self.products.get(&product) else {
                let defined = self.products.keys().cloned().collect();
                let kind = FaultKind::UnknownName { what: "product", name: product, defined };
                return self.fault(&path.item(index), kind);
            };
            keys.extend(of_product.iter().cloned());
        }
        let mut seen = BTreeSet::new();
        keys.retain(|key| seen.insert(key.fingerprint));
        Some(keys)
    }

    pub(super) fn required_headers(
        &mut self,
        path: &Path,
        raw: Option<Vec<raw::RequiredHeader>>,
    ) -> Option<Vec<RequiredHeader>> {
        let Some(raw) = raw else { return Some(Vec::new()) };
        if raw.is_empty() {
            return self.fault(path, FaultKind::Empty("leave it out where no header is required"));
        }
        let headers = raw.into_iter().enumerate();
        let headers: Vec<_> =
            headers.map(|(index, raw)| self.required_header(&path.item(index), raw)).collect();
        headers.into_iter().collect()
    }

    fn required_header(&mut self, path: &Path, raw: raw::RequiredHeader) -> Option<RequiredHeader> {
        let name = self.header_name(&path.member("name"), &raw.name);
        let status = self.status(&path.member("status"), raw.status);
        let values = match raw.values {
            Some(values) => {
                let why = "name the values, or leave it out where the header must merely be there";
                self.words(&path.member("values"), &values, why)
            }
            None => Some(Vec::new()),
        };
        let message = raw.message;
        Some(RequiredHeader {
            name: name?,
            written: raw.name,
            values: values?,
            ignore_case: raw.ignore_case,
            status: status?,
            message,
        })
    }
}
