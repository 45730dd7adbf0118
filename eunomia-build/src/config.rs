//! The configuration of a build script, and the generation of its files.

use std::{
    env,
    path::{Path, PathBuf},
};

use eunomia_runtime::{
    __private::one_line,
    checked::{Checked, Payload},
    skeleton::model::EventType,
};

use crate::{
    Embed, Error,
    cargo::{warn, watch},
    files::{self, claim},
};

mod input;

#[cfg(feature = "cli")]
pub(crate) use input::stem;

/// A builder that generates a module in a build script.
///
/// ```no_run
/// // build.rs
/// fn main() -> Result<(), eunomia_build::Error> {
///     eunomia_build::Config::new().skeleton("bpf/bootstrap.json").generate()
/// }
/// ```
///
/// Include the module with `include!(concat!(env!("OUT_DIR"), "/bootstrap.rs"));`.
#[derive(Debug, Clone, Default)]
pub struct Config {
    skeleton: Vec<PathBuf>,
    object: Vec<PathBuf>,
    stale: bool,
    #[cfg(feature = "compile")]
    source: Option<crate::source::Source>,
    module: Option<String>,
    events: Vec<(String, EventType)>,
    types: Vec<String>,
    programs: Vec<(String, String)>,
    args_prefix: String,
    out_dir: Option<PathBuf>,
}

impl Config {
    /// Creates a configuration with nothing set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the JSON skeleton, of any generation of the format.
    pub fn skeleton(mut self, path: impl AsRef<Path>) -> Self {
        self.skeleton.push(path.as_ref().to_owned());
        self
    }

    /// Sets the BPF object: that of the skeleton or, if there is no skeleton, the only input.
    pub fn object(mut self, path: impl AsRef<Path>) -> Self {
        self.object.push(path.as_ref().to_owned());
        self
    }

    /// Accepts a skeleton even if its C source has changed since it was built. Without this a
    /// change is a fault, if the source lies beside the skeleton and the skeleton was built by
    /// [`Self::package`] or `cargo eunomia build`.
    pub fn stale(mut self, accepted: bool) -> Self {
        self.stale = accepted;
        self
    }

    /// Compiles a C file (`.bpf.c`) with clang and links it with libbpf's linker. clang's warnings
    /// become warnings of cargo.
    ///
    /// If it is called several times, the files are linked into one object, as `bpftool gen object`
    /// does, and [`Self::module`] names the module. For one module per file, use one `Config` per
    /// file.
    #[cfg(feature = "compile")]
    pub fn source(mut self, path: impl AsRef<Path>) -> Self {
        self.compiler().paths.push(path.as_ref().to_owned());
        self
    }

    /// Sets the clang to compile with; the default is `clang` from `PATH`.
    #[cfg(feature = "compile")]
    pub fn clang(mut self, path: impl AsRef<Path>) -> Self {
        self.compiler().clang = Some(path.as_ref().to_owned());
        self
    }

    /// Adds an argument for clang.
    #[cfg(feature = "compile")]
    pub fn clang_arg(mut self, arg: impl Into<std::ffi::OsString>) -> Self {
        self.compiler().args.push(arg.into());
        self
    }

    /// Adds a directory in which clang looks for headers.
    #[cfg(feature = "compile")]
    pub fn include(self, dir: impl AsRef<Path>) -> Self {
        let mut arg = std::ffi::OsString::from("-I");
        arg.push(dir.as_ref());
        self.clang_arg(arg)
    }

    /// Writes `vmlinux.h` for the C files, which find it with `#include "vmlinux.h"` or
    /// `<vmlinux.h>`. The header is kept in the folder of the generated files, and is made anew only
    /// if the BTF or the choice changes.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), eunomia_build::Error> {
    /// use eunomia_build::{Config, Vmlinux};
    ///
    /// let header = Vmlinux::new().source("bpf/files.bpf.c");
    /// Config::new().source("bpf/files.bpf.c").vmlinux(header).generate()
    /// # }
    /// ```
    ///
    /// A change of the running kernel does not make cargo run the build script again; a change of a
    /// file that [`Vmlinux::btf`](crate::Vmlinux::btf) names does.
    #[cfg(feature = "compile")]
    pub fn vmlinux(mut self, header: crate::Vmlinux) -> Self {
        self.compiler().vmlinux = Some(header);
        self
    }

    /// Adds a header whose structs are export types, as the second argument of eunomia-bpf's compiler
    /// is. The source must include it. Structs inside others and those without a tag are left out.
    #[cfg(feature = "compile")]
    pub fn export_header(mut self, path: impl AsRef<Path>) -> Self {
        self.compiler().export_headers.push(path.as_ref().to_owned());
        self
    }

    /// Sets the architecture that the C is compiled for, for example `aarch64`. The default is that of
    /// the build (`CARGO_CFG_TARGET_ARCH`), or of this machine outside of a build script.
    ///
    /// It matters for programs that read registers (`PT_REGS_PARM1`, `BPF_KPROBE`) or a kernel's
    /// headers; others are the same on every architecture. Names are those of Rust's `target_arch`,
    /// of libbpf (`arm64`) or of Debian. Big-endian ones are refused.
    #[cfg(feature = "compile")]
    pub fn target_arch(mut self, arch: impl Into<String>) -> Self {
        self.compiler().arch = Some(arch.into());
        self
    }

    #[cfg(feature = "compile")]
    fn compiler(&mut self) -> &mut crate::source::Source {
        self.source.get_or_insert_default()
    }

    /// Sets the name of the module; the default is the input's file name up to its first dot.
    pub fn module(mut self, name: impl Into<String>) -> Self {
        self.module = Some(name.into());
        self
    }

    /// Sets the type of the records of a ring buffer or perf event array, in place of the
    /// document's: a C type of the object, for example `struct event`.
    pub fn event(mut self, map: impl Into<String>, c_type: impl Into<String>) -> Self {
        self.events.push((map.into(), EventType::One(c_type.into())));
        self
    }

    /// Sets the types of the records of a map that delivers records of several C types, otherwise
    /// as [`Self::event`]. All types have the integer or enum `member` at the same offset, which
    /// may lie in another member (`header.kind`). Its value selects the type; in `types` it is a
    /// number or the name of a constant.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), eunomia_build::Error> {
    /// let types = [("KIND_OPEN", "struct open_event"), ("2", "struct close_event")];
    /// let config = eunomia_build::Config::new().skeleton("bpf/files.json");
    /// config.tagged_event("rb", "kind", types).generate()
    /// # }
    /// ```
    ///
    /// `Export::Rb` then holds the enum `RbRecord`, with a variant for each type, and `Unknown` for
    /// the bytes of any other record.
    pub fn tagged_event<V: Into<String>, T: Into<String>>(
        mut self,
        map: impl Into<String>,
        member: impl Into<String>,
        types: impl IntoIterator<Item = (V, T)>,
    ) -> Self {
        let types =
            types.into_iter().map(|(value, c_type)| (value.into(), c_type.into())).collect();
        self.events.push((map.into(), EventType::Tagged { member: member.into(), types }));
        self
    }

    /// Adds C types of the object's BTF that the module defines although no event, variable or map
    /// has them, each with all types that it holds: `struct config`, `enum kind`.
    ///
    /// The context of a `SEC("syscall")` program and the parameters of global functions are defined
    /// without being named. clang leaves out of BTF what only function bodies use; `const struct
    /// config *unused __attribute__((unused));` brings it in.
    pub fn types<T: Into<String>>(mut self, types: impl IntoIterator<Item = T>) -> Self {
        self.types.extend(types.into_iter().map(Into::into));
        self
    }

    /// Sets the type of a program whose section names none, for example `SEC("ext/hook")`. The
    /// program is treated as if it were in `section`, for example `xdp`, and `open` of the module
    /// sets the type. Without a type such a program is a fault, because libbpf does not load it.
    pub fn program(mut self, program: impl Into<String>, section: impl Into<String>) -> Self {
        self.programs.push((program.into(), section.into()));
        self
    }

    /// Sets a prefix for the options of the module's `Args`: with `net-` the variable `rate` has
    /// the option `--net-rate`. This makes the `Args` of several modules fit into one parser. Short
    /// options are left out.
    pub fn args_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.args_prefix = prefix.into();
        self
    }

    /// Sets the directory for the generated files `<module>.rs` and `<module>.bpf.o`, which the
    /// module includes; the default is `$OUT_DIR`.
    pub fn out_dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.out_dir = Some(dir.as_ref().to_owned());
        self
    }

    /// Reads and checks the input, writes the module, and tells cargo which files the module
    /// depends on.
    ///
    /// # Errors
    /// [`Error::Input`] with every fault of the input. [`Error::Config`] if this process wrote the
    /// module from another input before, for example for `net.ingress.bpf.c` and
    /// `net.egress.bpf.c`, whose names share the part before the first dot. In both cases nothing
    /// is written.
    pub fn generate(&self) -> Result<(), Error> {
        let Some(dir) = self.folder() else {
            let message =
                "no directory for the generated module; call `out_dir`, or run from a build script";
            return Err(Error::Config(message.to_owned()));
        };
        let input = self.input(&mut warn)?;
        let name = self.module.as_ref().unwrap_or(&input.name);
        let object_file = format!("{name}.bpf.o");
        let checked = input.skeleton.check()?;
        let module = text(crate::tokens::of(&checked, name, &Embed::File(object_file.clone()))?)?;
        let object = checked.skeleton.object.as_deref().unwrap_or_default();
        let path = dir.join(format!("{name}.rs"));
        claim(&path, checked.skeleton.file(), "name one of the modules with `module`")?;
        files::write(&[(&dir.join(object_file), object), (&path, module.as_bytes())])?;
        self.watch(&input.depends_on);
        // Only cargo reads it.
        if env::var_os("OUT_DIR").is_some() {
            // A message for cargo ends with its line.
            notes(&checked).for_each(|note| println!("cargo::warning={}", one_line(&note)));
        }
        Ok(())
    }

    /// Reads the input, checks it against its object and writes it as a package (JSON) of the
    /// current format. Building from a package needs no clang.
    ///
    /// # Errors
    /// The errors of [`Self::generate`].
    pub fn package(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let packed = self.packed(&mut warn)?;
        claim(path.as_ref(), &packed.file, "use a file for each")?;
        files::write(&[(path.as_ref(), packed.text.as_bytes())])?;
        self.watch(&packed.depends_on);
        Ok(())
    }

    /// Returns the package. `warn` receives clang's warnings.
    pub(crate) fn packed(&self, warn: &mut dyn FnMut(&str)) -> Result<Packed, Error> {
        #[cfg_attr(
            not(feature = "compile"),
            expect(unused_mut, reason = "only a compiled package lists its sources")
        )]
        let mut input = self.input(warn)?;
        #[cfg(feature = "compile")]
        if let Some(source) = &self.source {
            crate::stale::list(&mut input.skeleton, &source.paths, &input.depends_on);
        }
        let checked = input.skeleton.check()?;
        checked.loadable()?;
        checked.setup()?;
        let file = checked.skeleton.file().to_owned();
        let notes = notes(&checked).collect();
        let text = checked.documented()?.to_json();
        Ok(Packed { text, file, depends_on: input.depends_on, notes })
    }

    /// Returns the folder of the generated files.
    fn folder(&self) -> Option<PathBuf> {
        self.out_dir.clone().or_else(|| env::var_os("OUT_DIR").map(PathBuf::from))
    }

    /// Tells cargo what the output depends on.
    fn watch(&self, files: &[PathBuf]) {
        watch(files);
        #[cfg(feature = "compile")]
        if self.source.is_some() {
            crate::cargo::watch_environment(&crate::clang::ENVIRONMENT);
        }
    }
}

/// A package, and what is known of it.
pub(crate) struct Packed {
    pub(crate) text: String,
    /// The name of its input.
    pub(crate) file: String,
    pub(crate) depends_on: Vec<PathBuf>,
    /// Notes about records that are delivered as bytes.
    #[cfg_attr(not(feature = "cli"), expect(dead_code, reason = "the command prints them"))]
    pub(crate) notes: Vec<String>,
}

/// Returns a note about each map whose records are delivered as bytes: why, and how to name their
/// type.
pub(crate) fn notes(checked: &Checked) -> impl Iterator<Item = String> {
    checked.streams.iter().filter_map(|stream| {
        let (Payload::Bytes { why }, None) = (&stream.payload, &stream.sampled) else {
            return None;
        };
        Some(format!(
            "{}: the records of `{map}` are delivered as bytes: {why}; name their type: `Config::event(\"{map}\", \"struct NAME\")`, \
             `events({map} = \"struct NAME\")` in the macro, `--event '{map}=struct NAME'`, or `{}` of eunomia.bpf.h in \
             the map's definition",
            checked.skeleton.file(),
            stream.declaration(),
            map = stream.map
        ))
    })
}

#[cfg(feature = "format")]
pub(crate) fn text(tokens: proc_macro2::TokenStream) -> Result<String, Error> {
    Ok(format!("// Generated by eunomia-build; do not edit.\n{}", crate::format(tokens)?))
}

#[cfg(not(feature = "format"))]
pub(crate) fn text(tokens: proc_macro2::TokenStream) -> Result<String, Error> {
    Ok(format!("// Generated by eunomia-build; do not edit.\n{tokens}\n"))
}
