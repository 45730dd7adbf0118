//! The modules of a crate, and the items that its paths name.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use syn::{Attribute, Item, Meta, UseTree, Visibility};

/// The items of each module, by the segments of its path.
pub(crate) struct Tree(BTreeMap<Vec<String>, Vec<Item>>);

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Named {
    Module(Vec<String>),
    /// An item by its module and its name.
    Item(Vec<String>, String),
    /// A path into another crate.
    Foreign(String),
}

impl Tree {
    pub(crate) fn read(sources: &str) -> Self {
        let mut tree = Self(BTreeMap::new());
        let root = Path::new(sources);
        tree.read_file(Vec::new(), &root.join("lib.rs"), root);
        tree
    }

    /// Reads a module's file. The files of its own modules are in `folder`.
    fn read_file(&mut self, module: Vec<String>, file: &Path, folder: &Path) {
        let text = fs::read_to_string(file)
            .unwrap_or_else(|error| panic!("cannot read {}: {error}", file.display()));
        let parsed =
            syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        self.add(module, parsed.items, folder);
    }

    fn add(&mut self, module: Vec<String>, items: Vec<Item>, folder: &Path) {
        let items: Vec<_> = items.into_iter().filter(|item| !is_test(attributes(item))).collect();
        for item in &items {
            let Item::Mod(inner) = item else { continue };
            let name = inner.ident.to_string();
            let path = [module.clone(), vec![name.clone()]].concat();
            match &inner.content {
                Some((_, items)) => self.add(path, items.clone(), &folder.join(name)),
                None => {
                    let file = file_of(&inner.attrs, folder, &name);
                    let is_root = file.ends_with("mod.rs");
                    let folder = if is_root { file.parent().unwrap() } else { &folder.join(name) };
                    self.read_file(path, &file, folder);
                }
            }
        }
        self.0.insert(module, items);
    }

    pub(crate) fn modules(&self) -> impl Iterator<Item = (&[String], &[Item])> {
        self.0.iter().map(|(path, items)| (path.as_slice(), items.as_slice()))
    }

    /// Returns the items with a name in a module: a type, a function and a macro may share one.
    pub(crate) fn items<'a>(
        &'a self,
        module: &[String],
        name: &'a str,
    ) -> impl Iterator<Item = &'a Item> {
        let items = self.0.get(module).map_or(&[][..], Vec::as_slice);
        items.iter().filter(move |item| self::name(item).is_some_and(|known| known == name))
    }

    /// Returns what the path `segments` names in a module.
    pub(crate) fn resolve(&self, module: &[String], segments: &[String]) -> Named {
        let Some((first, rest)) = segments.split_first() else {
            return Named::Module(module.to_vec());
        };
        let start = match first.as_str() {
            "crate" => Named::Module(Vec::new()),
            "self" => Named::Module(module.to_vec()),
            "super" => Named::Module(module[..module.len() - 1].to_vec()),
            name => match self.find(module, name, rest.is_empty()) {
                Some(named) => named,
                None => return Named::Foreign(segments.join("::")),
            },
        };
        match start {
            Named::Module(module) if !rest.is_empty() => self.resolve(&module, rest),
            Named::Foreign(path) if !rest.is_empty() => {
                Named::Foreign(format!("{path}::{}", rest.join("::")))
            }
            named => named,
        }
    }

    /// Returns what a name means in a module. A module and an item may share a name: the last
    /// segment of a path means the item, another one the module.
    fn find(&self, module: &[String], name: &str, is_last: bool) -> Option<Named> {
        let child = [module, &[name.to_owned()]].concat();
        let child = self.0.contains_key(&child).then_some(Named::Module(child));
        if !is_last && child.is_some() {
            return child;
        }
        if self.items(module, name).next().is_some() {
            return Some(Named::Item(module.to_vec(), name.to_owned()));
        }
        let uses = self.0.get(module)?.iter().filter_map(|item| match item {
            Item::Use(item) => Some(uses(&item.tree)),
            _ => None,
        });
        // In `use quote::quote` the first segment is a crate, not the name that it brings.
        let is_crate = |path: &[String]| path[0] == name && child.is_none();
        let used = uses.flatten().find(|(known, path)| known == name && !is_crate(path));
        used.map(|(_, path)| self.resolve(module, &path)).or(child)
    }
}

/// Returns the names that a `use` brings, with their paths.
pub(crate) fn uses(tree: &UseTree) -> Vec<(String, Vec<String>)> {
    match tree {
        UseTree::Path(path) => {
            let first = path.ident.to_string();
            let inner = uses(&path.tree).into_iter();
            inner.map(|(name, rest)| (name, [vec![first.clone()], rest].concat())).collect()
        }
        UseTree::Name(name) => vec![(name.ident.to_string(), vec![name.ident.to_string()])],
        UseTree::Rename(renamed) => {
            vec![(renamed.rename.to_string(), vec![renamed.ident.to_string()])]
        }
        UseTree::Group(group) => group.items.iter().flat_map(uses).collect(),
        // The name of everything; no path resolves through it.
        UseTree::Glob(_) => vec![("*".to_owned(), vec!["*".to_owned()])],
    }
}

fn file_of(attributes: &[Attribute], folder: &Path, name: &str) -> PathBuf {
    let given = attributes.iter().find_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            syn::Expr::Lit(literal) => match &literal.lit {
                syn::Lit::Str(path) => Some(folder.join(path.value())),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    });
    let beside = folder.join(format!("{name}.rs"));
    given.unwrap_or(if beside.exists() { beside } else { folder.join(name).join("mod.rs") })
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) if list.path.is_ident("cfg") => {
            list.tokens.to_string().starts_with("test")
        }
        _ => false,
    })
}

/// Reports whether the item is left out of the documentation.
pub(crate) fn is_hidden(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) => list.path.is_ident("doc") && list.tokens.to_string() == "hidden",
        _ => false,
    })
}

pub(crate) fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

pub(crate) fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

pub(crate) fn visibility(item: &Item) -> Option<&Visibility> {
    match item {
        Item::Const(item) => Some(&item.vis),
        Item::Enum(item) => Some(&item.vis),
        Item::Fn(item) => Some(&item.vis),
        Item::Mod(item) => Some(&item.vis),
        Item::Static(item) => Some(&item.vis),
        Item::Struct(item) => Some(&item.vis),
        Item::Trait(item) => Some(&item.vis),
        Item::Type(item) => Some(&item.vis),
        Item::Union(item) => Some(&item.vis),
        Item::Use(item) => Some(&item.vis),
        _ => None,
    }
}

/// Returns the name of an item that is neither a module nor a use.
pub(crate) fn name(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(ident.to_string())
}
