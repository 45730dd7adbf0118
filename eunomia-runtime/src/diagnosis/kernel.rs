//! What this kernel has: its types, read when they are asked for, once, and its symbols.

use std::{
    cell::OnceCell,
    fs, io,
    path::{Path, PathBuf},
};

use elf::{ElfBytes, endian::AnyEndian};

use super::{Symbols, running::release};
use crate::{
    file,
    object::{KernelTypes, Kind, Type, TypeId},
};

/// The running kernel.
#[derive(Default)]
pub(crate) struct Kernel {
    types: OnceCell<Result<(String, KernelTypes), String>>,
    /// The file that objects are opened with, in place of its types.
    file: Option<PathBuf>,
    of_file: OnceCell<Result<(String, KernelTypes), String>>,
    modules: OnceCell<Vec<KernelTypes>>,
    pub(crate) symbols: Symbols,
}

const BTF: &str = "/sys/kernel/btf";

impl Kernel {
    /// A kernel of these types and no modules.
    #[cfg(test)]
    pub(crate) fn of(types: KernelTypes) -> Self {
        Self { types: OnceCell::from(Ok((String::new(), types))), modules: OnceCell::from(Vec::new()), ..Self::default() }
    }

    /// The running kernel, with objects that are opened with a file of its BTF.
    pub(crate) fn with_file(file: Option<&Path>) -> Self {
        Self { file: file.map(Path::to_owned), ..Self::default() }
    }

    /// The file that objects are opened with.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The types that relocations are looked up in, as [`Self::types`].
    pub(crate) fn relocation_types(&self) -> Result<&(String, KernelTypes), &String> {
        let Some(file) = &self.file else { return self.types() };
        let read = || {
            let name = file.display().to_string();
            match of_file(file) {
                Ok(types) => Ok((name, types)),
                Err(why) => Err(format!("{name}: {why}")),
            }
        };
        self.of_file.get_or_init(read).as_ref()
    }

    /// Its types, and where they were read; else why they were not.
    pub(crate) fn types(&self) -> Result<&(String, KernelTypes), &String> {
        self.types.get_or_init(read_types).as_ref()
    }

    /// Its types, then those of each module until `f` is content. `None` where its types cannot be read.
    pub(crate) fn find<T>(&self, f: impl Fn(&KernelTypes) -> Option<T>) -> Option<Option<T>> {
        let (_, types) = self.types().ok()?;
        Some(f(types).or_else(|| self.modules(types).iter().find_map(f)))
    }

    /// Whether it has something of this name, as [`Self::find`].
    pub(crate) fn has(&self, name: &str, is: impl Fn(&Kind) -> bool) -> Option<bool> {
        let found = self.find(|types| types.named(name).into_iter().find(|(_, ty)| is(&ty.kind)));
        found.map(|found| found.is_some())
    }

    /// Whether its types have a function.
    pub(crate) fn has_function(&self, name: &str) -> Option<bool> {
        self.has(name, |kind| *kind == Kind::Function)
    }

    /// Whether its types have a typedef.
    pub(crate) fn has_typedef(&self, name: &str) -> Option<bool> {
        self.has(name, |kind| matches!(kind, Kind::Typedef { .. }))
    }

    /// The types that libbpf would take for one of this name and kind: those of the file, or those of the kernel and, where it has none,
    /// those of the modules.
    pub(crate) fn candidates(&self, name: &str, like: &Type) -> Vec<(&KernelTypes, TypeId)> {
        let Ok((_, types)) = self.relocation_types() else { return Vec::new() };
        let of = |types: &'_ KernelTypes| -> Vec<TypeId> {
            let same = |ty: &Type| std::mem::discriminant(&ty.kind) == std::mem::discriminant(&like.kind);
            types.essentially_named(name).into_iter().filter(|(_, ty)| same(ty)).map(|(id, _)| id).collect()
        };
        let own: Vec<_> = of(types).into_iter().map(|id| (types, id)).collect();
        if !own.is_empty() || self.file.is_some() {
            return own;
        }
        self.modules(types).iter().flat_map(|module| of(module).into_iter().map(move |id| (module, id))).collect()
    }

    /// The types of the modules that are loaded; one that cannot be read has none.
    fn modules(&self, base: &KernelTypes) -> &[KernelTypes] {
        self.modules.get_or_init(|| {
            let files = fs::read_dir(BTF).into_iter().flatten().flatten().filter(|file| file.file_name() != "vmlinux");
            files.filter_map(|module| base.parse_module(&file::read(&module.path(), file::MOST).ok()?).ok()).collect()
        })
    }
}

/// The types of the first place that has them, in the order of libbpf.
fn read_types() -> Result<(String, KernelTypes), String> {
    let sysfs = format!("{BTF}/vmlinux");
    match file::read(Path::new(&sysfs), file::MOST) {
        Ok(bytes) => return KernelTypes::parse(&bytes).map(|types| (sysfs.clone(), types)).map_err(|error| format!("{sysfs}: {error}")),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(format!("{sysfs}: {error}")),
        Err(_) => {}
    }
    let release = release();
    let places = [
        format!("/boot/vmlinux-{release}"),
        format!("/lib/modules/{release}/vmlinux-{release}"),
        format!("/lib/modules/{release}/build/vmlinux"),
        format!("/usr/lib/modules/{release}/kernel/vmlinux"),
        format!("/usr/lib/debug/boot/vmlinux-{release}"),
        format!("/usr/lib/debug/boot/vmlinux-{release}.debug"),
        format!("/usr/lib/debug/lib/modules/{release}/vmlinux"),
    ];
    let found = places.into_iter().find_map(|place| {
        let types = of_file(Path::new(&place)).ok()?;
        Some((place, types))
    });
    found.ok_or_else(|| format!("{sysfs} is missing, and no vmlinux file with BTF is where libbpf looks for one"))
}

/// The types of a file, which is BTF alone or ELF with it; else why it has none.
fn of_file(path: &Path) -> Result<KernelTypes, String> {
    /// More than a kernel has with all of its debug information.
    const MOST: u64 = 1 << 30;
    let file = file::read(path, MOST).map_err(|error| error.to_string())?;
    if !file.starts_with(b"\x7fELF") {
        return KernelTypes::parse(&file).map_err(|error| error.to_string());
    }
    let elf = ElfBytes::<AnyEndian>::minimal_parse(&file).map_err(|error| error.to_string())?;
    let section = elf.section_header_by_name(".BTF").map_err(|error| error.to_string())?.ok_or("it has no section .BTF")?;
    let (bytes, _) = elf.section_data(&section).map_err(|error| error.to_string())?;
    KernelTypes::parse(bytes).map_err(|error| error.to_string())
}
