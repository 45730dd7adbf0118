//! Map definitions, checked as libbpf parses them: `bpf_object__init_user_btf_maps`,
//! `parse_btf_map_def` and `init_struct_ops_maps`.

use std::collections::HashMap;

use super::{PAGE, Subject};
use crate::{
    checked::Checked,
    error::{Diagnostic, Found, JsonPath},
    object::{Btf, Kind, Linkage, MapKind, Member, TypeId, maps::is_tables},
    suggestion::near,
};

/// The members of a map definition, in the order of `parse_btf_map_def`.
const FIELDS: [&str; 11] = [
    "type",
    "max_entries",
    "map_flags",
    "numa_node",
    "key_size",
    "key",
    "value_size",
    "value",
    "values",
    "pinning",
    "map_extra",
];

pub(crate) fn check(subject: &Subject<'_>, diagnostics: &mut Found) {
    let Subject { checked, raw, .. } = subject;
    let btf = &checked.layouts.btf;
    let visible: HashMap<&str, bool> = checked
        .layouts
        .elf
        .symbols
        .iter()
        .map(|symbol| (symbol.name.as_str(), symbol.visible))
        .collect();
    let in_elf = (0..raw.headers.len()).any(|index| raw.section(index) == ".maps");
    let sections = checked.layouts.own_types().filter_map(|(_, ty)| match &ty.kind {
        Kind::Section { variables } => Some((ty.name.as_str(), variables)),
        _ => None,
    });
    for (section, slots) in sections {
        let is_table = is_tables(section);
        let is_maps = section == ".maps" && in_elf;
        if !is_table && !is_maps {
            continue;
        }
        for slot in slots {
            let variable = btf.get(slot.variable);
            let name = variable.name.as_str();
            let mut diagnostic = |what: String, todo: &str| {
                diagnostics.push(Diagnostic::new(subject.map(name), what, todo))
            };
            let Kind::Variable { ty, linkage } = variable.kind else {
                diagnostic(
                    format!("`{name}` in section `{section}` is not a variable"),
                    "the object is corrupt; compile it again",
                );
                continue;
            };
            let (_, def) = btf.resolve(ty);
            let Kind::Struct { members, .. } = &def.kind else {
                diagnostic(
                    format!(
                        "`{name}` in section `{section}` is `{}`, not a struct",
                        checked.layouts.c_name(ty)
                    ),
                    "define a struct",
                );
                continue;
            };
            if is_table {
                if def.name.is_empty() {
                    diagnostic(
                        format!("struct_ops table `{name}` has an anonymous struct type"),
                        "use a type of the kernel, for example `struct tcp_congestion_ops`",
                    );
                }
                continue;
            }
            if linkage != Linkage::Global {
                diagnostic(
                    format!("map `{name}` is static, and libbpf rejects static maps"),
                    "remove `static`",
                );
            } else if visible.get(name) == Some(&false) {
                // `btf_fixup_datasec` makes it static.
                let todo = "give it default visibility; -fvisibility=hidden hides maps too";
                diagnostic(
                    format!("map `{name}` is hidden, which libbpf treats as static and rejects"),
                    todo,
                );
            }
            let mut definition =
                Definition { checked, name, place: subject.map(name), kind: 0, diagnostics };
            definition.read(members, false);
        }
    }
    arenas(subject, in_elf, diagnostics);
}

/// The definition of a map that is checked, and its faults.
struct Definition<'a> {
    checked: &'a Checked,
    name: &'a str,
    place: JsonPath,
    kind: u32,
    diagnostics: &'a mut Found,
}

impl Definition<'_> {
    fn diagnostic(&mut self, what: &str, todo: impl Into<String>) {
        self.diagnostics.push(Diagnostic::new(
            self.place.clone(),
            format!("map `{}`: {what}", self.name),
            todo,
        ));
    }

    fn read(&mut self, members: &[Member], inner: bool) {
        let checked = self.checked;
        let (btf, layouts) = (&checked.layouts.btf, &checked.layouts);
        let before = self.diagnostics.len();
        let (mut key, mut value) = (0, 0);
        self.kind = 0;
        for (at, member) in members.iter().enumerate() {
            let field = member.name.as_str();
            match field {
                "key" | "value" => {
                    let size = match btf.unmodified(member.ty).1.kind {
                        Kind::Pointer { to } if is_sized(btf, to) => layouts.layout(to).size,
                        _ => {
                            self.diagnostic(
                                &format!("`{field}` is not a complete type"),
                                format!("write __type({field}, T) with a complete type"),
                            );
                            continue;
                        }
                    };
                    let known = if field == "key" { &mut key } else { &mut value };
                    let conflict = *known != 0 && *known != size;
                    *known = size;
                    if conflict {
                        self.diagnostic(
                            &format!("{field} has two different sizes"),
                            format!("remove `{field}` or `{field}_size`"),
                        );
                    }
                }
                "values" => self.values(members, at, inner, value),
                // An integer, or since libbpf 1.6 an enum with a single constant.
                "map_extra" if matches!(btf.resolve(member.ty).1.kind, Kind::Enum { .. }) => {}
                _ if FIELDS.contains(&field) => {
                    let Some(number) = number(btf, member.ty) else {
                        self.diagnostic(
                            &format!("`{field}` is not a number"),
                            format!("write __uint({field}, N)"),
                        );
                        continue;
                    };
                    match field {
                        "type" => self.kind = number,
                        "key_size" | "value_size" => {
                            let known = if field == "key_size" { &mut key } else { &mut value };
                            let conflict = *known != 0 && *known != u64::from(number);
                            *known = number.into();
                            if conflict {
                                let ty = field.trim_end_matches("_size");
                                self.diagnostic(
                                    &format!("{ty} has two different sizes"),
                                    format!("remove `{ty}` or `{field}`"),
                                );
                            }
                        }
                        "pinning" if inner => {
                            self.diagnostic("inner maps cannot be pinned", "remove `pinning`")
                        }
                        "pinning" if number > 1 => {
                            self.diagnostic(
                                &format!("`pinning` is {number}"),
                                "write LIBBPF_PIN_NONE (0) or LIBBPF_PIN_BY_NAME (1)",
                            );
                        }
                        _ => {}
                    }
                }
                _ => {
                    let todo = near(field, FIELDS).map_or_else(
                        || "remove it".to_owned(),
                        |near| format!("did you mean `{near}`?"),
                    );
                    self.diagnostic(&format!("unknown field `{field}`"), todo);
                }
            }
        }
        if self.kind == 0 && self.diagnostics.len() == before {
            let what =
                if inner { "the type of the inner map is missing" } else { "the type is missing" };
            self.diagnostic(what, "add __uint(type, BPF_MAP_TYPE_..)");
        }
        if MapKind(self.kind) == MapKind::STRUCT_OPS && !inner {
            // libbpf 1.7 crashes on such a definition.
            let what =
                "BPF_MAP_TYPE_STRUCT_OPS is for struct_ops tables, which are not defined as maps";
            self.diagnostic(what, "define a variable of a kernel type in SEC(\".struct_ops\")");
        }
    }

    /// Checks `__array(values, T)`: the inner maps, or the programs of a program array.
    fn values(&mut self, members: &[Member], at: usize, inner: bool, value: u64) {
        let checked = self.checked;
        let btf = &checked.layouts.btf;
        let is_nested =
            matches!(MapKind(self.kind), MapKind::ARRAY_OF_MAPS | MapKind::HASH_OF_MAPS);
        let Some(member) = members.get(at) else { return };
        if inner {
            return self
                .diagnostic("inner maps cannot hold maps", "remove `values` from the inner map");
        }
        if at + 1 != members.len() {
            return self.diagnostic("`values` is not the last member", "move it to the end");
        }
        if !is_nested && MapKind(self.kind) != MapKind::PROG_ARRAY {
            return self.diagnostic(
                "`values` needs a map of maps or a program array",
                "set such a `type` before it, or remove it",
            );
        }
        if !matches!(value, 0 | 4) {
            return self.diagnostic(
                &format!("value size is {value}, expected 4"),
                "remove the value size",
            );
        }
        let to = match btf.get(member.ty).kind {
            Kind::Array { element, len: 0 } => match btf.resolve(element).1.kind {
                Kind::Pointer { to } => Some(btf.resolve(to).1),
                _ => None,
            },
            _ => None,
        };
        match to.map(|to| &to.kind) {
            Some(Kind::Struct { members, .. }) if is_nested => {
                let outer = self.kind;
                self.read(members, true);
                self.kind = outer;
            }
            Some(Kind::Prototype) if !is_nested => {}
            _ => self.diagnostic(
                "`values` has an unsupported type",
                "write __array(values, T), where T is the inner map or a function",
            ),
        }
    }
}

/// Returns the number in a member, as `get_map_field_int` does: `__uint(name, N)` declares
/// `int (*name)[N]`.
fn number(btf: &Btf, id: TypeId) -> Option<u32> {
    let Kind::Pointer { to } = btf.resolve(id).1.kind else { return None };
    match btf.get(to).kind {
        Kind::Array { len, .. } => Some(len),
        _ => None,
    }
}

/// Reports whether `btf__resolve_size` knows a size for the type.
fn is_sized(btf: &Btf, id: TypeId) -> bool {
    match btf.resolve(id).1.kind {
        Kind::Array { element, .. } => is_sized(btf, element),
        Kind::Int { .. }
        | Kind::Float { .. }
        | Kind::Pointer { .. }
        | Kind::Struct { .. }
        | Kind::Union { .. }
        | Kind::Enum { .. } => true,
        _ => false,
    }
}

/// Checks arenas. libbpf 1.7 supports one arena per object, and stores the variables of the address
/// space in it (`init_arena_map_data`).
fn arenas(subject: &Subject<'_>, has_maps: bool, diagnostics: &mut Found) {
    /// `BPF_F_SEGV_ON_FAULT`
    const SEGV_ON_FAULT: u32 = 1 << 17;

    let checked = subject.checked;
    let mut arenas = checked.maps.iter().filter(|def| def.kind == MapKind::ARENA);
    let data = checked
        .layouts
        .elf
        .sections
        .iter()
        .find(|section| section.name == ".addr_space.1" && section.size > 0);
    match (arenas.next(), data) {
        // Without maps, libbpf only checks the references, as `references` does.
        (None, Some(data)) if has_maps => {
            let what = format!(
                "{} bytes of variables are in an arena (__arena), but the object has no arena map",
                data.size
            );
            diagnostics.push(Diagnostic::new(
                JsonPath::default(),
                what,
                "define one in SEC(\".maps\") with __uint(type, BPF_MAP_TYPE_ARENA)",
            ));
        }
        (Some(arena), Some(data))
            if data.size > u64::from(PAGE).saturating_mul(arena.max_entries.into()) =>
        {
            let pages = data.size.div_ceil(PAGE.into());
            let what = format!(
                "max_entries of arena `{}` is {}, but its variables need {pages} pages",
                arena.name, arena.max_entries
            );
            diagnostics.push(Diagnostic::new(
                subject.map(&arena.name),
                what,
                "increase `max_entries`",
            ));
        }
        // It copies their values to pages that are not there.
        (Some(arena), Some(_)) if arena.flags & SEGV_ON_FAULT != 0 => {
            let what = format!(
                "the arena `{}` has variables and the flag BPF_F_SEGV_ON_FAULT, which ends the process that loads it",
                arena.name
            );
            diagnostics.push(Diagnostic::new(
                subject.map(&arena.name),
                what,
                "remove the flag, or allocate the memory in a program",
            ));
        }
        _ => {}
    }
    for second in arenas {
        let what = format!("arena `{}` is one too many: an object can have only one", second.name);
        diagnostics.push(Diagnostic::new(subject.map(&second.name), what, "use the first one"));
    }
}
