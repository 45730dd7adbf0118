//! Names that the object does not define: `bpf_object__collect_externs` of libbpf.

use std::collections::HashMap;

use elf::abi::{STB_GLOBAL, STB_WEAK, STT_NOTYPE};

use super::Subject;
use crate::{
    fault::{Fault, Found, Place},
    object::{Btf, Kind, Linkage, TypeId},
};

pub(super) fn check(Subject { checked, raw, .. }: &Subject<'_>, faults: &mut Found) {
    let btf = &checked.layouts.btf;
    let (mut named, mut sections) = (HashMap::new(), HashMap::new());
    for (id, ty) in checked.layouts.own_types() {
        match &ty.kind {
            Kind::Variable { .. } | Kind::Function => _ = named.entry(ty.name.as_str()).or_insert((id, &ty.kind)),
            Kind::Section { variables } => {
                for slot in variables {
                    sections.entry(slot.variable).or_insert(ty.name.as_str());
                }
            }
            _ => {}
        }
    }
    let is_extern = |symbol: &&elf::symbol::Symbol| {
        symbol.st_shndx == 0 && matches!(symbol.st_bind(), STB_GLOBAL | STB_WEAK) && symbol.st_symtype() == STT_NOTYPE
    };
    for name in raw.symbols.iter().filter(is_extern).map(|symbol| raw.name(symbol)).filter(|name| !name.is_empty()) {
        let found = named.get(name).filter(|(_, kind)| !matches!(kind, Kind::Variable { linkage, .. } if *linkage != Linkage::Extern));
        let Some((id, kind)) = found else {
            let what = format!("`{name}` is used and not defined, and BTF does not say what it is");
            faults.push(Fault::new(Place::default(), what, DEFINE));
            continue;
        };
        match (sections.get(id).copied(), kind) {
            (Some(".kconfig"), Kind::Function) => {
                let what = format!("`{name}` is a function, and the kernel's configuration (__kconfig) has values alone");
                faults.push(Fault::new(Place::default(), what, "declare it __ksym if it is one of the kernel's"));
            }
            (Some(".kconfig"), Kind::Variable { ty, .. }) if !is_setting(btf, *ty) => {
                let what = format!("`{name}` is `{}`, which no value of the kernel's configuration is", checked.layouts.c_name(*ty));
                let todo = "declare it as an integer, bool, char, char array or enum libbpf_tristate";
                faults.push(Fault::new(Place::default(), what, todo));
            }
            (Some(".kconfig" | ".ksyms"), _) => {}
            (_, Kind::Function) => {
                let what = format!("the function `{name}` is called and not defined");
                faults.push(Fault::new(Place::default(), what, DEFINE));
            }
            (..) => {
                let what = format!("the variable `{name}` is used and not defined");
                faults.push(Fault::new(Place::default(), what, DEFINE));
            }
        }
    }
}

const DEFINE: &str = "define it, link the object that does, or declare it __ksym or __kconfig if the kernel has it";

/// `find_kcfg_type`.
fn is_setting(btf: &Btf, id: TypeId) -> bool {
    let (_, ty) = btf.resolve(id);
    match &ty.kind {
        Kind::Int { size, bool: true, .. } => *size == 1,
        Kind::Int { size, .. } => matches!(size, 1 | 2 | 4 | 8),
        Kind::Enum { size, .. } => matches!(size, 4 | 8) && ty.name == "libbpf_tristate",
        Kind::Array { element, len } => *len > 0 && matches!(btf.resolve(*element).1.kind, Kind::Int { size: 1, bool: false, .. }),
        _ => false,
    }
}
