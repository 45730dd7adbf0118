//! The running kernel: its BTF types, each source read once on first use, and its symbols.

use std::{
    cell::OnceCell,
    fs, io,
    path::{Path, PathBuf},
};

use elf::{ElfBytes, endian::AnyEndian};

use super::{Symbols, binaries::Binaries};
use crate::{
    file,
    host::running::release,
    object::{KernelTypes, Kind, Type, TypeId},
};

/// The running kernel.
#[derive(Default)]
pub(crate) struct Kernel {
    types: OnceCell<Result<(String, KernelTypes), String>>,
    /// The BTF file that objects are opened with in place of the kernel's own BTF.
    file: Option<PathBuf>,
    of_file: OnceCell<Result<(String, KernelTypes), String>>,
    modules: OnceCell<Vec<KernelTypes>>,
    pub(crate) symbols: Symbols,
    pub(crate) binaries: Binaries,
}

const BTF: &str = "/sys/kernel/btf";

impl Kernel {
    /// Creates a kernel with these types and no modules.
    #[cfg(test)]
    pub(crate) fn of(types: KernelTypes) -> Self {
        Self {
            types: OnceCell::from(Ok((String::new(), types))),
            modules: OnceCell::from(Vec::new()),
            ..Self::default()
        }
    }

    /// The running kernel, with objects that are opened with a BTF file.
    pub(crate) fn with_file(file: Option<&Path>) -> Self {
        Self { file: file.map(Path::to_owned), ..Self::default() }
    }

    /// Returns the file that objects are opened with.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Returns the types that relocations are resolved against, as [`Self::types`].
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

    /// Returns the kernel's types and the path they were read from; otherwise why they were not
    /// read.
    pub(crate) fn types(&self) -> Result<&(String, KernelTypes), &String> {
        self.types.get_or_init(read_types).as_ref()
    }

    /// Searches the kernel's types, then those of each module, until `f` returns a value. The outer
    /// `None` means that the types cannot be read.
    pub(crate) fn find<T>(&self, f: impl Fn(&KernelTypes) -> Option<T>) -> Option<Option<T>> {
        let (_, types) = self.types().ok()?;
        Some(f(types).or_else(|| self.modules(types).iter().find_map(f)))
    }

    /// Returns whether the kernel has a type of this name that satisfies the predicate, as
    /// [`Self::find`].
    pub(crate) fn has(&self, name: &str, is: impl Fn(&Kind) -> bool) -> Option<bool> {
        let found = self.find(|types| types.named(name).into_iter().find(|(_, ty)| is(&ty.kind)));
        found.map(|found| found.is_some())
    }

    /// Returns whether the kernel's types include a function.
    pub(crate) fn has_function(&self, name: &str) -> Option<bool> {
        self.has(name, |kind| *kind == Kind::Function)
    }

    /// Returns whether the kernel's types include a typedef.
    pub(crate) fn has_typedef(&self, name: &str) -> Option<bool> {
        self.has(name, |kind| matches!(kind, Kind::Typedef { .. }))
    }

    /// Returns the types that libbpf would consider for this name and kind: those of the file, or
    /// those of the kernel and, if it has none, those of the modules.
    pub(crate) fn candidates(&self, name: &str, like: &Type) -> Vec<(&KernelTypes, TypeId)> {
        let Ok((_, types)) = self.relocation_types() else { return Vec::new() };
        let of = |types: &'_ KernelTypes| -> Vec<TypeId> {
            let same =
                |ty: &Type| std::mem::discriminant(&ty.kind) == std::mem::discriminant(&like.kind);
            types
                .essentially_named(name)
                .into_iter()
                .filter(|(_, ty)| same(ty))
                .map(|(id, _)| id)
                .collect()
        };
        let own: Vec<_> = of(types).into_iter().map(|id| (types, id)).collect();
        if !own.is_empty() || self.file.is_some() {
            return own;
        }
        self.modules(types)
            .iter()
            .flat_map(|module| of(module).into_iter().map(move |id| (module, id)))
            .collect()
    }

    /// Returns the types of the loaded modules; a module that cannot be read is skipped.
    fn modules(&self, base: &KernelTypes) -> &[KernelTypes] {
        self.modules.get_or_init(|| {
            let files = fs::read_dir(BTF)
                .into_iter()
                .flatten()
                .flatten()
                .filter(|file| file.file_name() != "vmlinux");
            files
                .filter_map(|module| {
                    base.parse_module(&file::read(&module.path(), file::MOST).ok()?).ok()
                })
                .collect()
        })
    }
}

/// Reads the types from the first path that has them, in libbpf's order.
fn read_types() -> Result<(String, KernelTypes), String> {
    let sysfs = format!("{BTF}/vmlinux");
    match file::read(Path::new(&sysfs), file::MOST) {
        Ok(bytes) => {
            return KernelTypes::parse(&bytes)
                .map(|types| (sysfs.clone(), types))
                .map_err(|error| format!("{sysfs}: {error}"));
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(format!("{sysfs}: {error}"));
        }
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
    found.ok_or_else(|| {
        format!("{sysfs} is missing, and libbpf's search path has no vmlinux file with BTF")
    })
}

/// Reads the types of a file, which is raw BTF or an ELF file with a BTF section.
fn of_file(path: &Path) -> Result<KernelTypes, String> {
    /// More than a kernel has with all of its debug information.
    const MOST: u64 = 1 << 30;
    let file = file::read(path, MOST).map_err(|error| error.to_string())?;
    if !file.starts_with(b"\x7fELF") {
        return KernelTypes::parse(&file).map_err(|error| error.to_string());
    }
    let elf = ElfBytes::<AnyEndian>::minimal_parse(&file).map_err(|error| error.to_string())?;
    let section = elf
        .section_header_by_name(".BTF")
        .map_err(|error| error.to_string())?
        .ok_or("the file has no section .BTF")?;
    let (bytes, _) = elf.section_data(&section).map_err(|error| error.to_string())?;
    KernelTypes::parse(bytes).map_err(|error| error.to_string())
}
