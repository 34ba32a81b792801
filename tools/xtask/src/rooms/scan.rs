//! Reads one source file and lists all that a rule could mind, with its place. Test code is left out.

use std::collections::BTreeMap;

use proc_macro2::{Delimiter, LineColumn, Span, TokenStream, TokenTree};
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{Attribute, ImplItem, Item, Meta, TraitItem, UseTree};

/// Something in a source file that a rule could mind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Thing {
    /// A path, aliases resolved: `["std", "time", "Instant", "now"]`; a glob ends in `*`.
    Path(Vec<String>),
    Trait(String),
    Macro(String),
    Method(String),
    Unsafe,
    ExternBlock,
}

#[derive(Debug, Default)]
pub(super) struct Scan {
    pub(super) things: Vec<(Thing, LineColumn)>,
    /// Names of the file's modules that exist for tests only and stand in files of their own.
    pub(super) test_modules: Vec<String>,
}

/// Scans `file`, whose module is `module` (`["crate", "jwt", "token"]`).
pub(super) fn scan(file: &syn::File, module: &[String]) -> Scan {
    let mut visitor = Visitor {
        module: module.to_vec(),
        aliases: BTreeMap::new(),
        collecting: true,
        scan: Scan::default(),
    };
    if is_test_only(&file.attrs) {
        return visitor.scan;
    }
    // First the names that `use` brings in, then everything else: a `use` may stand below what needs it.
    visitor.visit_file(file);
    visitor.collecting = false;
    visitor.scan = Scan::default();
    visitor.visit_file(file);
    visitor.scan
}

/// Whether the attributes leave the item out of every build but a test's.
fn is_test_only(attrs: &[Attribute]) -> bool {
    attrs.iter().any(|attr| {
        let path = attr.path();
        if path.is_ident("cfg") {
            matches!(&attr.meta, Meta::List(list) if needs_test(list.tokens.clone()))
        } else {
            path.segments.last().is_some_and(|last| last.ident == "test" || last.ident == "wasm_bindgen_test")
        }
    })
}

/// Whether a `cfg` predicate is false in every build that is not a test: `test`, `all(test, …)`.
fn needs_test(predicate: TokenStream) -> bool {
    let tokens: Vec<TokenTree> = predicate.into_iter().collect();
    match tokens.as_slice() {
        [TokenTree::Ident(only)] => only == "test",
        [TokenTree::Ident(operator), TokenTree::Group(group), ..] => {
            let mut parts = split_at_commas(group.stream()).into_iter();
            if operator == "all" {
                parts.any(needs_test)
            } else {
                operator == "any" && group.stream().into_iter().next().is_some() && parts.all(needs_test)
            }
        }
        _ => false,
    }
}

fn split_at_commas(tokens: TokenStream) -> Vec<TokenStream> {
    let mut parts = vec![TokenStream::new()];
    for token in tokens {
        match &token {
            TokenTree::Punct(punct) if punct.as_char() == ',' => parts.push(TokenStream::new()),
            _ => {
                if let Some(last) = parts.last_mut() {
                    last.extend([token]);
                }
            }
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

struct Visitor {
    /// The module that is being read, inner modules included.
    module: Vec<String>,
    /// What a name that begins a path stands for; a name may be used for several things in one file.
    aliases: BTreeMap<String, Vec<Vec<String>>>,
    collecting: bool,
    scan: Scan,
}

impl Visitor {
    fn add(&mut self, thing: Thing, span: Span) {
        self.scan.things.push((thing, span.start()));
    }

    /// A path as it is written in an expression, a type, a pattern or a macro.
    fn add_path(&mut self, words: &[String], rooted: bool, span: Span) {
        let Some(first) = words.first() else { return };
        match self.aliases.get(first).filter(|_| !rooted) {
            Some(meanings) => {
                for meaning in meanings.clone() {
                    let full = meaning.iter().chain(words.iter().skip(1)).cloned().collect();
                    self.add(Thing::Path(full), span);
                }
            }
            // A single word that no `use` has brought in is a variable or something of this module.
            None if words.len() == 1 => {}
            None => {
                let full = self.absolute(words, rooted);
                self.add(Thing::Path(full), span);
            }
        }
        if let [_, .., last] = words {
            self.add(Thing::Method(last.clone()), span);
        }
    }

    /// `self::` and `super::` resolved; `core::` and `alloc::` named `std::`.
    fn absolute(&self, words: &[String], rooted: bool) -> Vec<String> {
        let mut base: Vec<String> = Vec::new();
        let mut rest = words;
        while let [first, tail @ ..] = rest {
            match first.as_str() {
                "self" if !rooted && base.is_empty() => base = self.module.clone(),
                "super" if !rooted => {
                    if base.is_empty() {
                        base = self.module.clone();
                    }
                    base.pop();
                }
                "core" | "alloc" if base.is_empty() => base.push("std".to_owned()),
                _ => break,
            }
            rest = tail;
        }
        base.extend(rest.iter().cloned());
        base
    }

    fn add_alias(&mut self, name: String, meaning: Vec<String>) {
        let meanings = self.aliases.entry(name).or_default();
        if !meanings.contains(&meaning) {
            meanings.push(meaning);
        }
    }

    fn add_use(&mut self, tree: &UseTree, before: &[String], rooted: bool) {
        match tree {
            UseTree::Path(path) => {
                let mut words = before.to_vec();
                words.push(path.ident.to_string());
                self.add_use(&path.tree, &words, rooted);
            }
            UseTree::Name(name) => self.add_import(before, &name.ident, &name.ident, rooted),
            UseTree::Rename(rename) => self.add_import(before, &rename.ident, &rename.rename, rooted),
            UseTree::Glob(glob) => {
                let mut words = before.to_vec();
                words.push("*".to_owned());
                let full = self.absolute(&words, rooted);
                self.add(Thing::Path(full), glob.span());
            }
            UseTree::Group(group) => {
                for item in &group.items {
                    self.add_use(item, before, rooted);
                }
            }
        }
    }

    fn add_import(&mut self, before: &[String], name: &syn::Ident, known_as: &syn::Ident, rooted: bool) {
        let mut words = before.to_vec();
        if name == "self" {
            // `use std::time::{self}`
            if let (Some(last), true) = (before.last(), known_as == name) {
                let full = self.absolute(&words, rooted);
                self.add_alias(last.clone(), full.clone());
                self.add(Thing::Path(full), name.span());
                return;
            }
        } else {
            words.push(name.to_string());
        }
        let full = self.absolute(&words, rooted);
        self.add_alias(known_as.to_string(), full.clone());
        self.add(Thing::Path(full), name.span());
    }

    /// The body of a macro or of an attribute, which is not parsed: paths, methods, macros and `unsafe` in it.
    fn add_tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut rest = tokens.as_slice();
        let mut after_dot = false;
        while let [token, tail @ ..] = rest {
            rest = tail;
            match token {
                TokenTree::Group(group) => self.add_tokens(group.stream()),
                TokenTree::Ident(first) => {
                    let mut words = vec![first.to_string()];
                    while let [TokenTree::Punct(a), TokenTree::Punct(b), TokenTree::Ident(next), more @ ..] =
                        rest
                    {
                        if a.as_char() != ':' || b.as_char() != ':' {
                            break;
                        }
                        words.push(next.to_string());
                        rest = more;
                    }
                    match rest.first() {
                        _ if first == "unsafe" => self.add(Thing::Unsafe, first.span()),
                        Some(TokenTree::Group(group))
                            if after_dot && group.delimiter() == Delimiter::Parenthesis =>
                        {
                            self.add(Thing::Method(first.to_string()), first.span());
                        }
                        Some(TokenTree::Group(group)) if first == "derive" => {
                            self.add_derives(&group.stream())
                        }
                        Some(TokenTree::Punct(bang)) if bang.as_char() == '!' => {
                            self.add_macro(&words, first.span());
                        }
                        _ if after_dot => {}
                        _ => self.add_path(&words, false, first.span()),
                    }
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
            after_dot = matches!(token, TokenTree::Punct(punct) if punct.as_char() == '.');
        }
    }

    fn add_derives(&mut self, list: &TokenStream) {
        for derive in split_at_commas(list.clone()) {
            if let Some(TokenTree::Ident(name)) = derive.into_iter().last() {
                self.add(Thing::Trait(name.to_string()), name.span());
            }
        }
    }

    fn add_macro(&mut self, words: &[String], span: Span) {
        if let Some(name) = words.last() {
            self.add(Thing::Macro(name.clone()), span);
        }
        self.add_path(words, false, span);
    }
}

impl<'ast> Visit<'ast> for Visitor {
    fn visit_item(&mut self, item: &'ast Item) {
        if is_test_only(item_attrs(item)) {
            if let Item::Mod(module) = item
                && module.content.is_none()
            {
                self.scan.test_modules.push(module.ident.to_string());
            }
            return;
        }
        visit::visit_item(self, item);
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        if !matches!(item, ImplItem::Fn(function) if is_test_only(&function.attrs)) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_trait_item(&mut self, item: &'ast TraitItem) {
        if !matches!(item, TraitItem::Fn(function) if is_test_only(&function.attrs)) {
            visit::visit_trait_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let name = item.ident.to_string();
        let mut inner = self.module.clone();
        inner.push(name.clone());
        if self.collecting {
            self.add_alias(name, inner.clone());
        }
        let outer = std::mem::replace(&mut self.module, inner);
        visit::visit_item_mod(self, item);
        self.module = outer;
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.add_use(&item.tree, &[], item.leading_colon.is_some());
    }

    fn visit_item_extern_crate(&mut self, item: &'ast syn::ItemExternCrate) {
        let name = item.ident.to_string();
        if let Some((_, known_as)) = &item.rename {
            self.add_alias(known_as.to_string(), vec![name.clone()]);
        }
        self.add(Thing::Path(vec![name]), item.ident.span());
    }

    fn visit_item_foreign_mod(&mut self, item: &'ast syn::ItemForeignMod) {
        self.add(Thing::ExternBlock, item.abi.extern_token.span());
        visit::visit_item_foreign_mod(self, item);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if let Some(token) = &item.unsafety {
            self.add(Thing::Unsafe, token.span());
        }
        if let Some((path, _)) = &item.trait_
            && let Some(last) = path.segments.last()
        {
            self.add(Thing::Trait(last.ident.to_string()), last.ident.span());
        }
        visit::visit_item_impl(self, item);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        if let Some(token) = &item.unsafety {
            self.add(Thing::Unsafe, token.span());
        }
        visit::visit_item_trait(self, item);
    }

    fn visit_attribute(&mut self, attr: &'ast Attribute) {
        if attr.path().is_ident("unsafe") {
            self.add(Thing::Unsafe, attr.path().span());
        }
        match &attr.meta {
            Meta::List(list) if list.path.is_ident("derive") => {
                self.add_derives(&list.tokens);
                self.add_tokens(list.tokens.clone());
            }
            Meta::List(list) => self.add_tokens(list.tokens.clone()),
            Meta::Path(_) | Meta::NameValue(_) => {}
        }
        visit::visit_attribute(self, attr);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let words: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.add_path(&words, path.leading_colon.is_some(), path.span());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, mac: &'ast syn::Macro) {
        if let Some(name) = mac.path.segments.last() {
            self.add(Thing::Macro(name.ident.to_string()), mac.path.span());
        }
        self.add_tokens(mac.tokens.clone());
        visit::visit_macro(self, mac);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        self.add(Thing::Method(call.method.to_string()), call.method.span());
        visit::visit_expr_method_call(self, call);
    }

    fn visit_expr_unsafe(&mut self, block: &'ast syn::ExprUnsafe) {
        self.add(Thing::Unsafe, block.unsafe_token.span());
        visit::visit_expr_unsafe(self, block);
    }

    fn visit_safety(&mut self, safety: &'ast syn::Safety) {
        if let syn::Safety::Unsafe(token) = safety {
            self.add(Thing::Unsafe, token.span());
        }
    }
}

fn item_attrs(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
