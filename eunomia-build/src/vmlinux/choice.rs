//! The types and functions that a header has.

use std::collections::{BTreeSet, HashMap, HashSet};

use eunomia_runtime::{
    __private::{CTypes, near},
    error::{Diagnostic, JsonPath},
    object::{Btf, Kind, TypeId},
};

use super::words::Words;

/// What a header has, in its order.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) types: Vec<TypeId>,
    pub(super) functions: Vec<TypeId>,
    /// Declarations of structs and unions that only functions refer to.
    pub(super) declared: String,
}

/// Returns every type, and every function that programs may call.
pub(super) fn everything(types: &CTypes) -> Chosen {
    let btf = &types.btf;
    let ids = btf.iter().filter(|(_, ty)| {
        matches!(
            ty.kind,
            Kind::Struct { .. }
                | Kind::Union { .. }
                | Kind::Enum { .. }
                | Kind::Typedef { .. }
                | Kind::Forward
        )
    });
    let functions = callable(btf).into_values().collect();
    Chosen {
        types: sorted(btf, ids.map(|(id, _)| id)),
        functions: by_name(btf, functions),
        declared: String::new(),
    }
}

/// The types and functions that were chosen by name.
pub(super) struct Choice<'a> {
    types: &'a CTypes,
    /// Types by name, with and without `struct`, `union` and `enum`.
    named: HashMap<&'a str, Vec<TypeId>>,
    /// Types that define the constants.
    constants: HashMap<&'a str, TypeId>,
    callable: HashMap<&'a str, TypeId>,
    chosen: BTreeSet<TypeId>,
    functions: BTreeSet<TypeId>,
    declared: BTreeSet<TypeId>,
}

impl<'a> Choice<'a> {
    pub(super) fn new(types: &'a CTypes) -> Self {
        let btf = &types.btf;
        let mut named: HashMap<&str, Vec<TypeId>> = HashMap::new();
        let owners = owners(btf);
        let mut constants = HashMap::new();
        for (id, ty) in btf.iter() {
            let has_name = !ty.name.is_empty();
            match &ty.kind {
                Kind::Struct { .. }
                | Kind::Union { .. }
                | Kind::Typedef { .. }
                | Kind::Int { .. }
                | Kind::Float { .. }
                    if has_name =>
                {
                    named.entry(&ty.name).or_default().push(id);
                }
                Kind::Enum { values, .. } => {
                    if has_name {
                        named.entry(&ty.name).or_default().push(id);
                    }
                    let owner = owners.get(&id).copied().unwrap_or(id);
                    for (name, _) in values {
                        constants.entry(name.as_str()).or_insert(owner);
                    }
                }
                _ => {}
            }
        }
        let (chosen, functions, declared) = Default::default();
        Self { types, named, constants, callable: callable(btf), chosen, functions, declared }
    }

    /// Adds the types, constants and functions of one name.
    pub(super) fn add(&mut self, name: &str) -> Result<(), Diagnostic> {
        let (keyword, bare) = match name.split_once(char::is_whitespace) {
            Some((keyword @ ("struct" | "union" | "enum"), bare)) => (Some(keyword), bare.trim()),
            _ => (None, name.trim()),
        };
        let mut is_known = false;
        for id in self.named(bare, keyword) {
            self.chosen.insert(id);
            is_known = true;
        }
        if keyword.is_none() {
            is_known |= self.constant(bare) | self.function(bare);
        }
        if is_known {
            return Ok(());
        }
        let what = format!("no type, constant or kernel function `{name}`");
        // A single mistake leaves the first or the last half as it is; the comparison is slow.
        let mid = (0..=bare.len() / 2).rev().find(|at| bare.is_char_boundary(*at)).unwrap_or(0);
        let (first, last) = bare.split_at(mid);
        let known = self.named.keys().chain(self.constants.keys()).chain(self.callable.keys());
        let mut known: Vec<&str> = known
            .copied()
            .filter(|known| known.starts_with(first) || known.ends_with(last))
            .collect();
        known.sort_unstable();
        let todo =
            near(bare, known).map(|near| format!("did you mean `{near}`?")).unwrap_or_default();
        Err(Diagnostic::at(JsonPath::default(), what, todo))
    }

    fn named(&self, name: &str, keyword: Option<&str>) -> Vec<TypeId> {
        let ids = self.named.get(name).map(Vec::as_slice).unwrap_or_default().iter().copied();
        let is_it = |id: &TypeId| {
            matches!(
                (keyword, &self.types.btf.get(*id).kind),
                (None, _)
                    | (Some("struct"), Kind::Struct { .. })
                    | (Some("union"), Kind::Union { .. })
                    | (Some("enum"), Kind::Enum { .. })
            )
        };
        ids.filter(is_it).collect()
    }

    /// Adds the enum of a constant.
    fn constant(&mut self, name: &str) -> bool {
        let owner = self.constants.get(name);
        self.chosen.extend(owner);
        owner.is_some()
    }

    /// Adds a function, and the types of its parameters as far as the declaration needs them.
    fn function(&mut self, name: &str) -> bool {
        let Some(&id) = self.callable.get(name) else { return false };
        self.functions.insert(id);
        for id in self.types.signature(id) {
            let ty = self.types.btf.get(id);
            match ty.kind {
                // The function takes pointers to it.
                Kind::Struct { .. } | Kind::Union { .. } if !ty.name.is_empty() => {
                    self.declared.insert(id);
                }
                Kind::Enum { .. } | Kind::Typedef { .. } | Kind::Forward => {
                    self.chosen.insert(id);
                }
                _ => {}
            }
        }
        true
    }

    /// Adds the typedef of this name, if there is one.
    pub(super) fn add_typedef(&mut self, name: &str) {
        let btf = &self.types.btf;
        let mut ids = self.named(name, None);
        ids.retain(|id| matches!(btf.get(*id).kind, Kind::Typedef { .. }));
        self.chosen.extend(ids);
    }

    /// Adds what the files need that have these words.
    pub(super) fn add_words(&mut self, words: &Words) {
        for tag in &words.tags {
            for keyword in ["struct", "union", "enum"] {
                let ids = self.named(tag, Some(keyword));
                self.chosen.extend(ids);
            }
        }
        for name in words.names.iter().chain(&words.shared) {
            self.add_typedef(name);
            self.constant(name);
        }
        // libbpf's headers declare the functions that they call.
        for name in &words.names {
            self.function(name);
        }
        if words.names.contains("bpf_for_each") {
            self.add_iterators(words);
        }
        self.add_pointees(words);
    }

    /// Adds the iterators of `bpf_for_each(NAME, ..)`, whose names the macro puts together.
    fn add_iterators(&mut self, words: &Words) {
        for name in &words.names {
            for id in self.named(&format!("bpf_iter_{name}"), Some("struct")) {
                self.chosen.insert(id);
                for call in ["new", "next", "destroy"] {
                    self.function(&format!("bpf_iter_{name}_{call}"));
                }
            }
        }
    }

    /// Adds the types to which the members lead that the files name. A member of a type can be used
    /// only if the pointer to the type came from a variable, whose type has a name in the file, from
    /// a helper, or from a member.
    fn add_pointees(&mut self, words: &Words) {
        let btf = &self.types.btf;
        let mut waiting: Vec<TypeId> = self.chosen.iter().copied().collect();
        let mut seen: HashSet<TypeId> = self.chosen.iter().copied().collect();
        while let Some(id) = waiting.pop() {
            let ty = btf.get(id);
            let mut next = |id| {
                if seen.insert(id) {
                    waiting.push(id);
                }
            };
            match &ty.kind {
                Kind::Struct { members, .. } | Kind::Union { members, .. } => {
                    if !ty.name.is_empty() {
                        self.chosen.insert(id);
                    }
                    let used = |name: &String| name.is_empty() || words.names.contains(name);
                    members
                        .iter()
                        .filter(|member| used(&member.name))
                        .for_each(|member| next(member.ty));
                }
                Kind::Typedef { to } | Kind::Modifier { to, .. } | Kind::Pointer { to } => {
                    next(*to)
                }
                Kind::Array { element, .. } => next(*element),
                Kind::Forward => {
                    self.named.get(ty.name.as_str()).into_iter().flatten().for_each(|id| next(*id));
                }
                _ => {}
            }
        }
    }

    pub(super) fn finish(self) -> Chosen {
        let btf = &self.types.btf;
        let mut declared = String::new();
        let mut names = BTreeSet::new();
        for id in self.declared.difference(&self.chosen) {
            let ty = btf.get(*id);
            let keyword = if matches!(ty.kind, Kind::Union { .. }) { "union" } else { "struct" };
            names.insert((keyword, ty.name.as_str()));
        }
        for (keyword, name) in names {
            declared.push_str(&format!("{keyword} {name};\n\n"));
        }
        Chosen {
            types: sorted(btf, self.chosen),
            functions: by_name(btf, self.functions.into_iter().collect()),
            declared,
        }
    }
}

/// Returns the named type that each enum without a name belongs to: libbpf prints it only there.
fn owners(btf: &Btf) -> HashMap<TypeId, TypeId> {
    let mut owners = HashMap::new();
    for (id, ty) in btf.iter().filter(|(_, ty)| !ty.name.is_empty()) {
        let mut waiting = match &ty.kind {
            Kind::Typedef { to } => vec![*to],
            Kind::Struct { members, .. } | Kind::Union { members, .. } => {
                members.iter().map(|member| member.ty).collect()
            }
            _ => continue,
        };
        let mut seen = HashSet::new();
        while let Some(part) = waiting.pop() {
            let of = btf.get(part);
            match &of.kind {
                Kind::Enum { .. } if of.name.is_empty() => {
                    owners.entry(part).or_insert(id);
                }
                Kind::Array { element: to, .. }
                | Kind::Modifier { to, .. }
                | Kind::Pointer { to } => waiting.extend(seen.insert(*to).then_some(*to)),
                Kind::Struct { members, .. } | Kind::Union { members, .. }
                    if of.name.is_empty() =>
                {
                    waiting.extend(
                        members.iter().map(|member| member.ty).filter(|to| seen.insert(*to)),
                    );
                }
                _ => {}
            }
        }
    }
    owners
}

/// Returns the functions of the kernel that programs may call (kfuncs), by name. pahole marks them.
fn callable(btf: &Btf) -> HashMap<&str, TypeId> {
    let tags = btf.iter().filter(|(_, ty)| ty.name == "bpf_kfunc");
    let mut callable = HashMap::new();
    for (_, tag) in tags {
        if let Kind::DeclTag { on, component: None } = tag.kind
            && matches!(btf.get(on).kind, Kind::Function)
        {
            callable.entry(btf.get(on).name.as_str()).or_insert(on);
        }
    }
    callable
}

/// Sorts types by kind and name, so that the headers of two builds of a kernel differ in little.
fn sorted(btf: &Btf, ids: impl IntoIterator<Item = TypeId>) -> Vec<TypeId> {
    let mut ids: Vec<TypeId> = ids.into_iter().collect();
    ids.sort_by_cached_key(|id| {
        let ty = btf.get(*id);
        match &ty.kind {
            Kind::Enum { values, .. } if ty.name.is_empty() => {
                (0, values.first().map(|(name, _)| name.as_str()).unwrap_or_default(), *id)
            }
            Kind::Enum { .. } => (1, ty.name.as_str(), *id),
            Kind::Typedef { .. } => (2, ty.name.as_str(), *id),
            _ => (3, ty.name.as_str(), *id),
        }
    });
    ids
}

fn by_name(btf: &Btf, mut functions: Vec<TypeId>) -> Vec<TypeId> {
    functions.sort_by_key(|id| &btf.get(*id).name);
    functions
}
