//! Compiles and links BPF C.

use std::{
    env,
    ffi::OsString,
    fs,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use eunomia_runtime::{__private::link, checked::Checked};

use crate::{
    Error, Vmlinux,
    clang::{self, Target},
    exported, files, headers,
    records::{self, Found},
};

/// C files that are linked into one object, and how to compile them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Source {
    pub(crate) paths: Vec<PathBuf>,
    pub(crate) clang: Option<PathBuf>,
    pub(crate) args: Vec<OsString>,
    pub(crate) vmlinux: Option<Vmlinux>,
    /// Headers whose structs are export types. The first source is compiled with them.
    pub(crate) export_headers: Vec<PathBuf>,
    /// The architecture, if it is not that of the build.
    pub(crate) arch: Option<String>,
}

/// An object, every file that it was built from, and what the sources say beside it.
pub(crate) struct Compiled {
    pub(crate) object: Vec<u8>,
    pub(crate) depends_on: Vec<PathBuf>,
    /// The types of records that nobody names.
    pub(crate) records: Vec<Found>,
}

/// What each source of one object is compiled with.
struct Tools<'a> {
    dir: TempDir,
    /// The folder of `vmlinux.h`.
    made: PathBuf,
    clang: &'a Path,
    args: Vec<OsString>,
    target: Target,
}

/// The objects of sources, and the one that they are linked to.
struct Linked {
    objects: Vec<Vec<u8>>,
    object: Vec<u8>,
    depends_on: Vec<PathBuf>,
}

/// Arguments with which clang writes something other than an object.
const OTHER: [&str; 6] = ["-E", "-M", "-MM", "-S", "-emit-llvm", "-fsyntax-only"];

impl Source {
    /// Compiles and links the sources. For each source that clang accepts, `warn` receives what
    /// clang wrote to stderr; for a source that clang refuses, that text is the error. `vmlinux.h`
    /// is kept in `kept`, if that is given.
    pub(crate) fn compile(
        &self,
        kept: Option<&Path>,
        warn: &mut dyn FnMut(&str),
    ) -> Result<Compiled, Error> {
        for path in &self.paths {
            self.check(path)?;
        }
        let target = self.target()?;
        target.check()?;
        let dir = TempDir::new()?;
        let headers = dir.0.join("libbpf");
        headers::write(&headers)?;
        let mut args = self.all_args(&headers, &target);
        let made = kept.map_or_else(|| dir.0.join("include"), Path::to_owned);
        if let Some(vmlinux) = &self.vmlinux {
            fs::create_dir_all(&made).map_err(|source| Error::File {
                tried: "write",
                path: made.clone(),
                source,
            })?;
            vmlinux.cached(&made.join("vmlinux.h"))?;
            args.extend(["-I".into(), made.clone().into()]);
        }
        let clang = self.clang.as_deref().unwrap_or(Path::new("clang"));
        let tools = Tools { dir, made, clang, args, target };
        let mut exports = vec![String::new(); self.paths.len()];
        if let Some(first) = exports.first_mut() {
            *first = exported::pointers(&self.export_headers)?;
        }
        let mut linked = self.link(&tools, &exports, warn)?;
        let mut records = records::find(&linked.objects, &linked.object);
        // Ends: each round has fewer types.
        while records.iter().any(|found| !found.is_in_btf) {
            let mut declarations = exports.clone();
            for (number, found) in records.iter().filter(|found| !found.is_in_btf).enumerate() {
                if let Some(text) = declarations.get_mut(found.source) {
                    text.push_str(&found.declaration(number));
                }
            }
            // A type that is local to a function cannot be brought in from outside of it.
            let again = self.link(&tools, &declarations, &mut |_| {}).ok();
            let checked = again.as_ref().and_then(|again| records::check(&again.object));
            let before = records.len();
            records.retain(|found| {
                let has = |checked: &Checked| checked.has_type(&found.c_type);
                found.is_in_btf || checked.as_ref().is_some_and(has)
            });
            if let (Some(again), true) = (again, records.len() == before) {
                linked = again;
                break;
            }
        }
        let vmlinux = self.vmlinux.iter().flat_map(Vmlinux::depends_on);
        linked.depends_on.extend(vmlinux.cloned());
        Ok(Compiled { object: linked.object, depends_on: linked.depends_on, records })
    }

    /// Compiles each source, with declarations after it, and links the objects.
    fn link(
        &self,
        tools: &Tools<'_>,
        declarations: &[String],
        warn: &mut dyn FnMut(&str),
    ) -> Result<Linked, Error> {
        let dir = &tools.dir.0;
        let mut depends_on: Vec<PathBuf> =
            self.paths.iter().chain(&self.export_headers).cloned().collect();
        let mut objects = Vec::new();
        for (index, (path, declarations)) in self.paths.iter().zip(declarations).enumerate() {
            let (object, deps) = (dir.join(format!("{index}.o")), dir.join(format!("{index}.d")));
            let wrapper = dir.join(path.file_name().unwrap_or_default());
            let compiled = if declarations.is_empty() {
                path
            } else {
                let text = exported::wrapped(path, declarations)?;
                files::write(&[(&wrapper, text.as_bytes())])?;
                &wrapper
            };
            let Tools { clang, args, target, .. } = tools;
            let text = clang::run(clang, args, compiled, &object, &deps, target)?;
            if !text.is_empty() {
                warn(&text);
            }
            let included = clang::dependencies(&files::read(&deps)?);
            // Clang reads a source with declarations by its absolute path.
            let own = std::path::absolute(path).unwrap_or_default();
            // The headers are part of this crate, and `vmlinux.h` is an output.
            let is_input = |file: &PathBuf| {
                !file.starts_with(dir) && !file.starts_with(&tools.made) && *file != own
            };
            for file in included.into_iter().filter(is_input) {
                if !depends_on.contains(&file) {
                    depends_on.push(file);
                }
            }
            objects.push(object);
        }
        let linked = dir.join("linked.o");
        let all: Vec<&Path> = objects.iter().map(PathBuf::as_path).collect();
        link(&all, &linked).map_err(|(index, why)| {
            // libbpf names the objects by their temporary paths.
            let named = |text: String, (object, path): (&PathBuf, &PathBuf)| {
                text.replace(&object.display().to_string(), &path.display().to_string())
            };
            let why = objects.iter().zip(&self.paths).fold(why, named);
            let path = index.and_then(|index| self.paths.get(index)).or(self.paths.first());
            Error::Link { path: path.cloned().unwrap_or_default(), message: why }
        })?;
        let objects = objects.iter().map(|object| files::read(object));
        Ok(Linked {
            objects: objects.collect::<Result<_, _>>()?,
            object: files::read(&linked)?,
            depends_on,
        })
    }

    fn target(&self) -> Result<Target, Error> {
        self.arch.as_deref().map_or_else(|| Ok(Target::of_build()), Target::named)
    }

    fn check(&self, path: &Path) -> Result<(), Error> {
        if !path.file_name().unwrap_or_default().to_string_lossy().ends_with(".c") {
            // clang would take other files for objects, headers or other languages.
            let message = format!(
                "cannot compile {}: the name of a BPF C file must end with `.c`; rename the file",
                path.display()
            );
            return Err(Error::Config(message));
        }
        if path.to_str().is_none() {
            // BTF names the file, and its names are UTF-8.
            return Err(Error::Config(format!(
                "cannot compile {}: the path is not UTF-8; rename the file",
                path.display()
            )));
        }
        let other = |arg: &&OsString| {
            OTHER.iter().any(|other| arg == other) || arg.to_string_lossy().starts_with("-flto")
        };
        if let Some(arg) = self.args.iter().find(other) {
            let message = format!(
                "cannot compile {}: clang writes no object with `{}`; remove the argument",
                path.display(),
                arg.display()
            );
            return Err(Error::Config(message));
        }
        Ok(())
    }

    fn all_args(&self, headers: &Path, target: &Target) -> Vec<OsString> {
        let mut args = self.args.clone();
        for folder in target.system_folders() {
            args.extend(["-idirafter".into(), folder.into()]);
        }
        // Paths of this machine must not get into BTF line information, so that equal sources give
        // equal objects.
        let map = |path: &Path, to: &str| {
            let mut map = OsString::from("-ffile-prefix-map=");
            map.push(path);
            map.push(to);
            map
        };
        args.extend(env::current_dir().ok().map(|here| match is_mapped(&here) {
            true => map(&here, "=."),
            false => "-fdebug-compilation-dir=.".into(),
        }));
        args.extend(["-I".into(), headers.into(), map(headers, "=libbpf")]);
        args
    }
}

/// Reports whether clang can replace the path: it takes what follows the first `=` for the
/// replacement.
fn is_mapped(path: &Path) -> bool {
    !path.as_os_str().as_encoded_bytes().contains(&b'=')
}

/// A temporary directory that is removed on drop.
struct TempDir(PathBuf);

impl TempDir {
    fn new() -> Result<Self, Error> {
        let out = env::var_os("OUT_DIR").map(PathBuf::from).filter(|out| is_mapped(out));
        let base = out.unwrap_or_else(env::temp_dir);
        for attempt in 0u32.. {
            let path = base.join(format!("eunomia-{}-{attempt}", std::process::id()));
            // Whoever can write to it decides what is compiled, whatever the umask is.
            match fs::DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(Error::File { tried: "write", path, source }),
            }
        }
        Err(Error::Config(format!(
            "cannot create a temporary directory in {}: no free name",
            base.display()
        )))
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
