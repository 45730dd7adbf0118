//! The rooms of a crate, which are its top modules, and the paths by which they use each other.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Modules that tie the rooms together.
const TIES: [&str; 3] = ["lib", "main", "private"];

/// Returns the rooms that each room uses, each with the files that do.
pub(crate) fn arrows(sources: &str) -> BTreeMap<(String, String), BTreeSet<String>> {
    let mut files = Vec::new();
    find(Path::new(sources), &mut files);
    let room = |file: &str| {
        let top = file.strip_prefix(sources).unwrap().trim_start_matches('/');
        top.split('/').next().unwrap().trim_end_matches(".rs").to_owned()
    };
    let rooms: BTreeSet<String> = files.iter().map(|file| room(file)).collect();
    // What the root exports is used as `crate::Name`.
    let exported: BTreeMap<String, String> = used(parse(&format!("{sources}/lib.rs")), "use")
        .into_iter()
        .filter_map(|path| {
            let room = path.iter().find(|step| !["crate", "self"].contains(&step.as_str()))?;
            Some((path.last()?.clone(), room.clone()))
        })
        .collect();
    let mut arrows: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for file in &files {
        let from = room(file);
        // These modules are for tests alone.
        let is_test = ["tests.rs", "fuzz.rs", "fake.rs"].iter().any(|name| file.ends_with(name));
        if is_test || TIES.contains(&&*from) {
            continue;
        }
        for path in used(parse(file), "crate") {
            let name = exported.get(&path[0]).unwrap_or(&path[0]).clone();
            if rooms.contains(&name) && !TIES.contains(&&*name) && name != from {
                let file = file.strip_prefix(sources).unwrap().to_owned();
                arrows.entry((from.clone(), name)).or_default().insert(file);
            }
        }
    }
    arrows
}

/// Returns the rooms of one circle, if there is any.
pub(crate) fn circle<'a>(arrows: impl Iterator<Item = &'a (String, String)>) -> Vec<String> {
    let mut arrows: Vec<_> = arrows.collect();
    // A room that uses no other, or that no other uses, is in no circle.
    loop {
        let before = arrows.len();
        let from: BTreeSet<_> = arrows.iter().map(|(from, _)| from).collect();
        let to: BTreeSet<_> = arrows.iter().map(|(_, to)| to).collect();
        arrows.retain(|(a, b)| to.contains(a) && from.contains(b));
        if arrows.len() == before {
            break;
        }
    }
    arrows.into_iter().map(|(from, to)| format!("{from} -> {to}")).collect()
}

fn find(folder: &Path, files: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path.to_str().unwrap().to_owned());
        }
    }
}

fn parse(file: &str) -> TokenStream {
    fs::read_to_string(file).unwrap().parse().unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Returns the paths that follow a keyword, such as `a::b` in `crate::a::b`, each alone.
fn used(tokens: TokenStream, keyword: &str) -> Vec<Vec<String>> {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Ident(ident) if *ident == keyword => {
                paths(&tokens[at + 1..], &mut Vec::new(), &mut found);
            }
            TokenTree::Group(group) if !is_test(&tokens[..at]) => {
                found.extend(used(group.stream(), keyword));
            }
            _ => {}
        }
    }
    found
}

/// Reports whether these tokens end with `#[cfg(test)] mod name`.
fn is_test(before: &[TokenTree]) -> bool {
    let [.., TokenTree::Group(condition), TokenTree::Ident(word), TokenTree::Ident(_)] = before
    else {
        return false;
    };
    *word == "mod" && condition.to_string().replace(' ', "").contains("cfg(test")
}

/// Adds the paths at the start of some tokens, of which `before` are the first steps.
fn paths(tokens: &[TokenTree], before: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    let start = before.len();
    for token in tokens {
        match token {
            TokenTree::Punct(sign) if sign.as_char() == ':' => {}
            TokenTree::Ident(name) => before.push(name.to_string()),
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                let is_comma = |token: &TokenTree| matches!(token, TokenTree::Punct(sign) if sign.as_char() == ',');
                inner.split(is_comma).for_each(|path| paths(path, before, found));
                before.truncate(start);
                return;
            }
            _ => break,
        }
    }
    if before.len() > start {
        found.push(before.clone());
    }
    before.truncate(start);
}
