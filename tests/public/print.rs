//! The public items of a crate as lines: path, kind, signature.

use std::collections::{BTreeMap, BTreeSet};

use syn::{
    Attribute, Block, Field, Fields, File, ImplItem, Item, ItemImpl, ItemTrait, Meta, TraitItem,
    Type, parse_quote,
};

use crate::tree::{Named, Tree, attributes, is_hidden, is_public, name, uses, visibility};

/// The public paths of each item, the shortest first.
type Paths = BTreeMap<Named, BTreeSet<(usize, String)>>;

/// Returns a line for each public item, field, variant, method and implementation.
pub(crate) fn lines(tree: &Tree) -> BTreeSet<String> {
    let (mut paths, mut found) = (Paths::new(), BTreeSet::new());
    walk(tree, &[], "", &mut paths);
    for (named, places) in &paths {
        let (_, path) = places.first().unwrap();
        for (_, other) in places.iter().skip(1) {
            found.insert(format!("{other} use {path}"));
        }
        match named {
            Named::Module(_) => _ = found.insert(format!("{path} mod")),
            Named::Foreign(foreign) => _ = found.insert(format!("{path} use {foreign}")),
            Named::Item(module, name) => {
                tree.items(module, name)
                    .filter(|item| !is_hidden(attributes(item)))
                    .for_each(|item| add(item, path, &mut found));
            }
        }
    }
    for (module, items) in tree.modules() {
        for item in items {
            if let Item::Impl(item) = item
                && !is_hidden(&item.attrs)
            {
                add_impl(tree, &paths, module, item, &mut found);
            }
        }
    }
    found
}

/// Collects the public paths of what a module holds. `shown` is the path by which it was reached.
fn walk(tree: &Tree, module: &[String], shown: &str, paths: &mut Paths) {
    let Some((_, items)) = tree.modules().find(|(path, _)| *path == module) else { return };
    for item in items.iter().filter(|item| !is_hidden(attributes(item))) {
        let is_exported =
            attributes(item).iter().any(|attribute| attribute.path().is_ident("macro_export"));
        if !is_exported && !visibility(item).is_some_and(is_public) {
            continue;
        }
        match item {
            Item::Use(item) => {
                for (name, path) in uses(&item.tree) {
                    reach(tree, tree.resolve(module, &path), join(shown, &name), paths);
                }
            }
            Item::Mod(item) => {
                let name = item.ident.to_string();
                let child = [module, std::slice::from_ref(&name)].concat();
                reach(tree, Named::Module(child), join(shown, &name), paths);
            }
            item => {
                let Some(name) = name(item) else { continue };
                // Exported macros are in the root.
                let path = if is_exported { name.clone() } else { join(shown, &name) };
                reach(tree, Named::Item(module.to_vec(), name), path, paths);
            }
        }
    }
}

fn reach(tree: &Tree, named: Named, path: String, paths: &mut Paths) {
    if let Named::Item(module, name) = &named
        && tree.items(module, name).all(|item| is_hidden(attributes(item)))
    {
        return;
    }
    let places = paths.entry(named.clone()).or_default();
    let is_new = places.insert((path.matches("::").count(), path.clone()));
    if let (true, Named::Module(module)) = (is_new, &named) {
        walk(tree, module, &path, paths);
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}::{name}") }
}

fn add(item: &Item, path: &str, found: &mut BTreeSet<String>) {
    let mut line = |path: &str, kind: &str, text: String| {
        found.insert(format!("{path} {kind} {text}").trim_end().to_owned());
    };
    let mut item = item.clone();
    match &mut item {
        Item::Struct(item) => {
            for (place, field) in shown(&item.fields) {
                line(&format!("{path}::{place}"), "field", type_text(&field.ty));
            }
            item.fields = Fields::Unit;
            keep_derives(&mut item.attrs);
            line(path, "struct", text(parse_quote!(#item)));
        }
        Item::Enum(item) => {
            for variant in std::mem::take(&mut item.variants) {
                let (place, mut one) = (format!("{path}::{}", variant.ident), item.clone());
                one.attrs.clear();
                one.variants.push(variant.clone());
                one.variants[0].attrs.clear();
                one.variants[0].fields.iter_mut().for_each(|field| field.attrs.clear());
                line(&place, "variant", inside(&text(Item::Enum(one))));
            }
            keep_derives(&mut item.attrs);
            line(path, "enum", text(Item::Enum(item.clone())));
        }
        Item::Trait(item) => add_trait(item, path, &mut line),
        Item::Fn(item) => {
            *item.block = empty();
            item.attrs.clear();
            line(path, "fn", text(Item::Fn(item.clone())));
        }
        Item::Type(item) => {
            item.attrs.clear();
            line(path, "type", text(Item::Type(item.clone())));
        }
        Item::Const(item) => {
            item.attrs.clear();
            item.expr = parse_quote!(_);
            line(path, "const", text(Item::Const(item.clone())));
        }
        Item::Macro(_) => line(path, "macro", String::new()),
        _ => line(path, "other", String::new()),
    }
}

fn add_trait(item: &mut ItemTrait, path: &str, line: &mut impl FnMut(&str, &str, String)) {
    for member in std::mem::take(&mut item.items) {
        let mut one = item.clone();
        one.items.push(member);
        let (attributes, name, kind) = match &mut one.items[0] {
            TraitItem::Fn(item) => {
                if item.default.is_some() {
                    item.default = Some(empty());
                }
                (&mut item.attrs, &item.sig.ident, "method")
            }
            TraitItem::Const(item) => (&mut item.attrs, &item.ident, "const"),
            TraitItem::Type(item) => (&mut item.attrs, &item.ident, "type"),
            _ => continue,
        };
        let place = format!("{path}::{name}");
        if !is_hidden(attributes) {
            attributes.clear();
            one.attrs.clear();
            line(&place, kind, inside(&text(Item::Trait(one))));
        }
    }
    item.attrs.clear();
    line(path, "trait", text(Item::Trait(item.clone())));
}

/// Adds the methods of a public type, or the implementation of a trait by or for it.
fn add_impl(
    tree: &Tree,
    paths: &Paths,
    module: &[String],
    item: &ItemImpl,
    found: &mut BTreeSet<String>,
) {
    let public = |path: &syn::Path| {
        let segments: Vec<_> = path.segments.iter().map(|part| part.ident.to_string()).collect();
        let named = tree.resolve(module, &segments);
        (paths.get(&named).and_then(|places| places.first()).map(|(_, path)| path), named)
    };
    let owner = match strip(&item.self_ty) {
        Type::Path(of) => public(&of.path),
        _ => (None, Named::Foreign(String::new())),
    };
    let mut header = item.clone();
    (header.items, header.attrs) = (Vec::new(), Vec::new());
    let header = text(Item::Impl(header));
    let Some((of, _)) = &item.trait_ else {
        let Some(owner) = owner.0 else { return };
        let generic = if header.contains('<') { format!(" in {header}") } else { String::new() };
        for member in &item.items {
            let mut one = item.clone();
            one.attrs.clear();
            one.items = vec![member.clone()];
            let (attributes, visibility, name, kind) = match &mut one.items[0] {
                ImplItem::Fn(item) => {
                    item.block = empty();
                    (&mut item.attrs, &item.vis, &item.sig.ident, "method")
                }
                ImplItem::Const(item) => {
                    item.expr = parse_quote!(_);
                    (&mut item.attrs, &item.vis, &item.ident, "const")
                }
                _ => continue,
            };
            if is_public(visibility) && !is_hidden(attributes) {
                let place = format!("{owner}::{name} {kind}");
                attributes.clear();
                found.insert(format!("{place} {}{generic}", inside(&text(Item::Impl(one)))));
            }
        }
        return;
    };
    let of = public(of);
    let place = match (owner, of) {
        ((_, _), (None, Named::Item(..) | Named::Module(_))) => None,
        ((Some(path), _), _) => Some(path),
        ((None, Named::Foreign(_)), (path, _)) => path,
        _ => None,
    };
    if let Some(place) = place {
        found.insert(format!("{place} impl {header}"));
    }
}

fn strip(ty: &Type) -> &Type {
    match ty {
        Type::Reference(of) => strip(&of.elem),
        ty => ty,
    }
}

fn shown(fields: &Fields) -> Vec<(String, &Field)> {
    let places = fields.iter().enumerate().map(|(index, field)| {
        (field.ident.as_ref().map_or(index.to_string(), ToString::to_string), field)
    });
    places.filter(|(_, field)| is_public(&field.vis) && !is_hidden(&field.attrs)).collect()
}

fn keep_derives(attributes: &mut Vec<Attribute>) {
    attributes.retain(|attribute| match &attribute.meta {
        Meta::List(list) => list.path.is_ident("derive"),
        Meta::Path(path) => path.is_ident("non_exhaustive"),
        _ => false,
    });
}

fn empty() -> Block {
    parse_quote!({})
}

fn type_text(ty: &Type) -> String {
    let text = text(parse_quote!(type X = #ty;));
    text.trim_start_matches("type X = ").to_owned()
}

/// Returns an item on one line, without its body.
fn text(item: Item) -> String {
    let file = File { shebang: None, frontmatter: None, attrs: Vec::new(), items: vec![item] };
    let text = prettyplease::unparse(&file);
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = line.replace(", )", ")").replace(", >", ">").replace("( ", "(").replace("< ", "<");
    line.trim_end_matches([';', ' ']).trim_end_matches("{}").trim_end().to_owned()
}

/// Returns the only member of an item that was printed.
fn inside(text: &str) -> String {
    let member = text.split_once(" { ").map_or(text, |(_, member)| member);
    let member = member.strip_suffix(" }").unwrap_or(member).trim_end_matches([',', ';', ' ']);
    member.trim_end_matches("{}").trim_end().to_owned()
}
