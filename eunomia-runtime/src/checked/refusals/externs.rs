//! Symbols that the object does not define, checked as in libbpf's `bpf_object__collect_externs`.

use std::collections::HashMap;

use elf::abi::STB_WEAK;

use super::Subject;
use crate::{
    error::{Diagnostic, Found, JsonPath},
    object::{Btf, Kind, Linkage, TypeId},
};

pub(crate) fn check(Subject { checked, raw, .. }: &Subject<'_>, diagnostics: &mut Found) {
    let btf = &checked.layouts.btf;
    let (mut named, mut sections) = (HashMap::new(), HashMap::new());
    for (id, ty) in checked.layouts.own_types() {
        match &ty.kind {
            Kind::Variable { .. } | Kind::Function => {
                _ = named.entry(ty.name.as_str()).or_insert((id, &ty.kind))
            }
            Kind::Section { variables } => {
                for slot in variables {
                    sections.entry(slot.variable).or_insert(ty.name.as_str());
                }
            }
            _ => {}
        }
    }
    for name in raw.externs().map(|symbol| raw.name(symbol)).filter(|name| !name.is_empty()) {
        let found = named.get(name).filter(|(_, kind)| !matches!(kind, Kind::Variable { linkage, .. } if *linkage != Linkage::Extern));
        let Some((id, kind)) = found else {
            let what = format!("`{name}` is used but not defined, and BTF does not describe it");
            diagnostics.push(Diagnostic::new(JsonPath::default(), what, DEFINE));
            continue;
        };
        match (sections.get(id).copied(), kind) {
            (Some(".kconfig"), Kind::Function) => {
                let what = format!(
                    "`{name}` is a function, but the kernel configuration (__kconfig) contains only values"
                );
                diagnostics.push(Diagnostic::new(
                    JsonPath::default(),
                    what,
                    "declare it __ksym if it is a kernel function",
                ));
            }
            (Some(".kconfig"), Kind::Variable { ty, .. }) if !is_setting(btf, *ty) => {
                let what = format!(
                    "`{name}` has type `{}`, which __kconfig does not support",
                    checked.layouts.c_name(*ty)
                );
                let todo =
                    "declare it as an integer, bool, char, char array or enum libbpf_tristate";
                diagnostics.push(Diagnostic::new(JsonPath::default(), what, todo));
            }
            (Some(".kconfig"), Kind::Variable { ty, .. }) => {
                let weak = raw.symbols.iter().any(|symbol| {
                    symbol.st_bind() == STB_WEAK && symbol.st_shndx == 0 && raw.name(symbol) == name
                });
                if let Some((what, todo)) = unset(btf, name, *ty, weak) {
                    diagnostics.push(Diagnostic::new(
                        JsonPath::default(),
                        format!("`{name}` {what}"),
                        todo,
                    ));
                }
            }
            (Some(".ksyms"), _) => {}
            (_, Kind::Function) => {
                let what = format!("function `{name}` is called but not defined");
                diagnostics.push(Diagnostic::new(JsonPath::default(), what, DEFINE));
            }
            (..) => {
                let what = format!("variable `{name}` is used but not defined");
                diagnostics.push(Diagnostic::new(JsonPath::default(), what, DEFINE));
            }
        }
    }
}

const DEFINE: &str = "define it, link the object that defines it, or declare it __ksym or __kconfig if the kernel has it";

/// Reports whether libbpf's `find_kcfg_type` supports the type.
fn is_setting(btf: &Btf, id: TypeId) -> bool {
    let (_, ty) = btf.resolve(id);
    match &ty.kind {
        Kind::Int { size, bool: true, .. } => *size == 1,
        Kind::Int { size, .. } => matches!(size, 1 | 2 | 4 | 8),
        Kind::Enum { size, .. } => matches!(size, 4 | 8) && ty.name == "libbpf_tristate",
        Kind::Array { element, len } => {
            *len > 0
                && matches!(btf.resolve(*element).1.kind, Kind::Int { size: 1, bool: false, .. })
        }
        _ => false,
    }
}

/// Returns the reason why libbpf cannot set a `__kconfig` value: `bpf_object__resolve_externs`,
/// `set_kcfg_value_num`. libbpf provides some values that are in no kernel configuration.
fn unset(btf: &Btf, name: &str, id: TypeId, weak: bool) -> Option<(&'static str, &'static str)> {
    let kind = &btf.resolve(id).1.kind;
    match name {
        _ if name.starts_with("CONFIG_") => None,
        "LINUX_KERNEL_VERSION" => match kind {
            Kind::Int { size: 4 | 8, bool: false, .. } => None,
            _ => Some((
                "is the kernel version, an integer of 4 or 8 bytes",
                "declare it `extern int LINUX_KERNEL_VERSION __kconfig;`",
            )),
        },
        "LINUX_HAS_BPF_COOKIE" | "LINUX_HAS_SYSCALL_WRAPPER" => match kind {
            Kind::Int { .. } => None,
            _ => Some(("is a boolean", "declare it as `bool`")),
        },
        _ if name.starts_with("LINUX_") && weak => None,
        _ if name.starts_with("LINUX_") => Some((
            "is not a value that libbpf provides",
            "did you mean LINUX_KERNEL_VERSION, LINUX_HAS_BPF_COOKIE or LINUX_HAS_SYSCALL_WRAPPER? An unknown value is 0 if it is declared `__weak`",
        )),
        _ => Some((
            "is not a kernel configuration option",
            "use the name of an option, for example `CONFIG_HZ`",
        )),
    }
}
