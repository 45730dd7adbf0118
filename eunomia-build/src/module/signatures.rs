//! Types that only the signatures of programs and global functions use: the context of a
//! `SEC("syscall")` program, an enum that a function returns. They are generated for applications
//! that run programs.
//!
//! Kernel types appear in signatures too and are left out. A type counts as a kernel type if one of
//! these is true:
//!
//! - the object has CO-RE relocations against it (`vmlinux.h` or `preserve_access_index`),
//! - its name is that of a program context,
//! - one of its pointers leads to a forward declaration, since BTF has only the name of kernel
//!   types that a program does not dereference.
//!
//! A type that holds a kernel type by value counts as one too.

use std::collections::BTreeSet;

use eunomia_runtime::{
    checked::Checked,
    object::{Kind, RelocationKind, TypeId},
};

/// The names of program contexts, from `uapi/linux/bpf.h` and `tools/lib/bpf/libbpf.c`.
const CONTEXTS: [&str; 22] = [
    "__sk_buff",
    "bpf_cgroup_dev_ctx",
    "bpf_nf_ctx",
    "bpf_perf_event_data",
    "bpf_raw_tracepoint_args",
    "bpf_redir_neigh",
    "bpf_sk_lookup",
    "bpf_sock",
    "bpf_sock_addr",
    "bpf_sock_ops",
    "bpf_sockopt",
    "bpf_sysctl",
    "pt_regs",
    "bpf_user_pt_regs_t",
    "sk_msg_md",
    "sk_reuseport_md",
    "trace_entry",
    "syscall_trace_enter",
    "syscall_trace_exit",
    "user_pt_regs",
    "user_regs_struct",
    "xdp_md",
];

/// The prefixes of context names that exist once for each iterator or tracepoint.
const CONTEXTS_OF: [&str; 4] =
    ["bpf_iter_", "btf_trace_", "trace_event_data_offsets_", "trace_event_raw_"];

/// Returns the user's types in signatures, each once.
pub(crate) fn types(checked: &Checked) -> Vec<TypeId> {
    let btf = &checked.layouts.btf;
    let relocations = checked.relocations().unwrap_or_default();
    let asked =
        relocations.iter().filter(|relocation| relocation.kind != RelocationKind::TypeIdLocal);
    let kernel =
        Kernel { checked, asked: asked.map(|relocation| btf.resolve(relocation.ty).0).collect() };
    let mut found = BTreeSet::new();
    for id in btf.signatures() {
        let mut names = Vec::new();
        let Some(id) = pointee(checked, id, &mut names) else { continue };
        if !names.iter().any(|name| is_context(name)) && !kernel.has(id, &mut BTreeSet::new()) {
            found.insert(id);
        }
    }
    found.into_iter().collect()
}

/// Returns the struct, union or enum that a parameter is or points to; `names` receives the names
/// on the way. The id is that of the last typedef, which gives a nameless type its name.
fn pointee<'a>(checked: &'a Checked, mut id: TypeId, names: &mut Vec<&'a str>) -> Option<TypeId> {
    let btf = &checked.layouts.btf;
    let mut named = None;
    // Ends, since a pointer to a pointer leads to no type.
    let mut is_pointer = false;
    loop {
        let ty = btf.get(id);
        names.push(&ty.name);
        match ty.kind {
            Kind::Typedef { to } => (named, id) = (Some(id), to),
            Kind::Modifier { to, .. } => id = to,
            Kind::Pointer { to } if !is_pointer => (named, id, is_pointer) = (None, to, true),
            Kind::Struct { .. } | Kind::Union { .. } | Kind::Enum { .. } => {
                let layout = checked.layouts.layout(id);
                return (layout.regular && layout.size > 0).then(|| named.unwrap_or(id));
            }
            _ => return None,
        }
    }
}

/// Tells kernel types of an object from the user's. `asked` has those that CO-RE relocations look
/// up in the kernel.
struct Kernel<'a> {
    checked: &'a Checked,
    asked: BTreeSet<TypeId>,
}

impl Kernel<'_> {
    /// Reports whether a type is a kernel type or holds one by value. `seen` has the types that
    /// were visited, so that each is visited once.
    fn has(&self, id: TypeId, seen: &mut BTreeSet<TypeId>) -> bool {
        let btf = &self.checked.layouts.btf;
        let (id, ty) = btf.resolve(id);
        if !seen.insert(id) {
            return false;
        }
        if self.asked.contains(&id) || is_context(&ty.name) {
            return true;
        }
        match &ty.kind {
            Kind::Array { element, .. } => self.has(*element, seen),
            Kind::Struct { members, .. } | Kind::Union { members, .. } => {
                members.iter().any(|member| self.has(member.ty, seen))
            }
            Kind::Pointer { to } => {
                let (to, pointee) = btf.resolve(*to);
                matches!(pointee.kind, Kind::Forward)
                    || self.asked.contains(&to)
                    || is_context(&pointee.name)
            }
            _ => false,
        }
    }
}

fn is_context(name: &str) -> bool {
    CONTEXTS.contains(&name) || CONTEXTS_OF.iter().any(|start| name.starts_with(start))
}
