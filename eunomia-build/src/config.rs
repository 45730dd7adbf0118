use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use eunomia_runtime::{
    __private::one_line,
    Skeleton,
    fault::{Fault, Faults, Place},
    object::{Checked, Payload},
    skeleton::{model::EventType, object_name},
};

use crate::{Embed, Error, files};

/// Generates a module from a build script.
///
/// ```no_run
/// // build.rs
/// fn main() -> Result<(), eunomia_build::Error> {
///     eunomia_build::Config::new().skeleton("bpf/bootstrap.json").generate()
/// }
/// ```
///
/// The module is then included with `include!(concat!(env!("OUT_DIR"), "/bootstrap.rs"));`.
#[derive(Debug, Clone, Default)]
pub struct Config {
    skeleton: Vec<PathBuf>,
    object: Vec<PathBuf>,
    stale: bool,
    #[cfg(feature = "compile")]
    source: Option<crate::source::Source>,
    module: Option<String>,
    events: Vec<(String, EventType)>,
    programs: Vec<(String, String)>,
    args_prefix: String,
    out_dir: Option<PathBuf>,
}

impl Config {
    /// Nothing is set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a JSON skeleton of any generation.
    pub fn skeleton(mut self, path: impl AsRef<Path>) -> Self {
        self.skeleton.push(path.as_ref().to_owned());
        self
    }

    /// Takes a BPF object: the one that the skeleton describes, or, without a skeleton, one to be described by itself.
    pub fn object(mut self, path: impl AsRef<Path>) -> Self {
        self.object.push(path.as_ref().to_owned());
        self
    }

    /// Takes a skeleton although the C that it was made from has changed since. Otherwise that is a fault, if the C stands beside the
    /// skeleton and the skeleton was made by [`Self::package`] or `cargo eunomia build`.
    pub fn stale(mut self, accepted: bool) -> Self {
        self.stale = accepted;
        self
    }

    /// Compiles a C file (`.bpf.c`) with clang and links it with libbpf's linker. What clang warns of, cargo says.
    ///
    /// Called several times, it links the files into one object, as `bpftool gen object` does; [`Self::module`] then names it. For a module
    /// of each file make a `Config` for each.
    #[cfg(feature = "compile")]
    pub fn source(mut self, path: impl AsRef<Path>) -> Self {
        self.compiler().paths.push(path.as_ref().to_owned());
        self
    }

    /// The clang to compile with; else `clang` in the search path.
    #[cfg(feature = "compile")]
    pub fn clang(mut self, path: impl AsRef<Path>) -> Self {
        self.compiler().clang = Some(path.as_ref().to_owned());
        self
    }

    /// One more argument for clang.
    #[cfg(feature = "compile")]
    pub fn clang_arg(mut self, arg: impl Into<std::ffi::OsString>) -> Self {
        self.compiler().args.push(arg.into());
        self
    }

    /// One more folder in which clang looks for headers.
    #[cfg(feature = "compile")]
    pub fn include(self, dir: impl AsRef<Path>) -> Self {
        let mut arg = std::ffi::OsString::from("-I");
        arg.push(dir.as_ref());
        self.clang_arg(arg)
    }

    #[cfg(feature = "compile")]
    fn compiler(&mut self) -> &mut crate::source::Source {
        self.source.get_or_insert_default()
    }

    /// The module's name; else the input's file name up to its first dot.
    pub fn module(mut self, name: impl Into<String>) -> Self {
        self.module = Some(name.into());
        self
    }

    /// Says what the records of a ring buffer or perf event array hold, where the document does not: a C type of the object,
    /// `struct event` for example.
    pub fn event(mut self, map: impl Into<String>, c_type: impl Into<String>) -> Self {
        self.events.push((map.into(), EventType::One(c_type.into())));
        self
    }

    /// As [`Self::event`], for a map with records of several C types. All have the integer or enum `member` at one place, which may be
    /// inside of another (`header.kind`); its value, a number or the name of a constant, tells the type.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), eunomia_build::Error> {
    /// let types = [("KIND_OPEN", "struct open_event"), ("2", "struct close_event")];
    /// eunomia_build::Config::new().skeleton("bpf/files.json").tagged_event("rb", "kind", types).generate()
    /// # }
    /// ```
    ///
    /// `Export::Rb` then holds the enum `RbRecord`, with a variant for each type and `Unknown` for the bytes of any other record.
    pub fn tagged_event<V: Into<String>, T: Into<String>>(
        mut self,
        map: impl Into<String>,
        member: impl Into<String>,
        types: impl IntoIterator<Item = (V, T)>,
    ) -> Self {
        let types = types.into_iter().map(|(value, c_type)| (value.into(), c_type.into())).collect();
        self.events.push((map.into(), EventType::Tagged { member: member.into(), types }));
        self
    }

    /// Names the type of a program whose section does not, as that of `SEC("ext/hook")`: the program is typed as if it were in `section`,
    /// `xdp` for example. `open` of the module gives it the type. Without a type such a program is a fault, since libbpf does not load it.
    pub fn program(mut self, program: impl Into<String>, section: impl Into<String>) -> Self {
        self.programs.push((program.into(), section.into()));
        self
    }

    /// Has the options of the module's `Args` begin with a text: with `net-` the variable `rate` has the option `--net-rate`. So the `Args`
    /// of several modules can be parts of one parser. Short options are left out.
    pub fn args_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.args_prefix = prefix.into();
        self
    }

    /// The folder for the generated files, else `$OUT_DIR`: `<module>.rs`, and `<module>.bpf.o`, which it includes.
    pub fn out_dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.out_dir = Some(dir.as_ref().to_owned());
        self
    }

    /// Reads the input, checks it and writes the module; tells cargo which files it depends on.
    ///
    /// # Errors
    /// [`Error::Input`] with every fault of the input; [`Error::Config`] if this process wrote the module from another input before, as for
    /// `net.ingress.bpf.c` and `net.egress.bpf.c`, whose names begin alike. Nothing has been written then.
    pub fn generate(&self) -> Result<(), Error> {
        let Some(dir) = self.out_dir.clone().or_else(|| env::var_os("OUT_DIR").map(PathBuf::from)) else {
            let what = "there is no folder for the generated module: call `out_dir`, or run from a build script";
            return Err(Error::Config(what.to_owned()));
        };
        let input = self.input(&mut warn)?;
        let name = self.module.as_ref().unwrap_or(&input.name);
        let object_file = format!("{name}.bpf.o");
        let checked = input.skeleton.check(&input.file)?;
        let module = text(crate::tokens::of(&checked, &input.file, name, &Embed::File(object_file.clone()))?)?;
        let object = checked.skeleton.object.as_deref().unwrap_or_default();
        let path = dir.join(format!("{name}.rs"));
        claim(&path, &input.file, "name one of the modules by `module`")?;
        files::write(&[(&dir.join(object_file), object), (&path, module.as_bytes())])?;
        watch(&input.depends_on);
        note(&input.file, &checked);
        Ok(())
    }

    /// Reads the input, checks it against its object and writes it as a current package (JSON), which needs no clang to be built from.
    ///
    /// # Errors
    /// As [`Self::generate`].
    pub fn package(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let (text, file, depends_on) = self.packed(&mut warn)?;
        claim(path.as_ref(), &file, "give each a file of its own")?;
        files::write(&[(path.as_ref(), text.as_bytes())])?;
        watch(&depends_on);
        Ok(())
    }

    /// The text of the package, what it is made from, and the files that it depends on; what clang says goes to `said`.
    pub(crate) fn packed(&self, said: &mut dyn FnMut(&str)) -> Result<(String, String, Vec<PathBuf>), Error> {
        #[cfg_attr(not(feature = "compile"), expect(unused_mut, reason = "what is compiled here alone lists its sources"))]
        let mut input = self.input(said)?;
        #[cfg(feature = "compile")]
        if let Some(source) = &self.source {
            crate::stale::list(&mut input.skeleton, &source.paths, &input.depends_on);
        }
        let checked = input.skeleton.check(&input.file)?;
        checked.loadable(&input.file)?;
        Ok((checked.documented(&input.file)?.to_json(), input.file, input.depends_on))
    }

    fn input(&self, said: &mut dyn FnMut(&str)) -> Result<Input, Error> {
        for (at, (map, _)) in self.events.iter().enumerate() {
            if self.events.iter().take(at).any(|(known, _)| known == map) {
                return Err(Error::Config(format!(
                    "what the records of `{map}` hold is said twice: call `event` or `tagged_event` once for each map"
                )));
            }
        }
        let mut input = self.read(said)?;
        input.skeleton.events.extend(self.events.iter().cloned());
        for (program, section) in &self.programs {
            input.skeleton = input.skeleton.with_program(program, section);
        }
        input.skeleton.option_prefix.clone_from(&self.args_prefix);
        Ok(input)
    }

    #[cfg_attr(not(feature = "compile"), expect(unused_variables, reason = "clang alone has something to say"))]
    fn read(&self, said: &mut dyn FnMut(&str)) -> Result<Input, Error> {
        for (what, paths) in [("skeleton", &self.skeleton), ("object", &self.object)] {
            if let [first, second, ..] = paths.as_slice() {
                let what = format!(
                    "`{what}` takes one file, and was given {} and {}: make a `Config` for each",
                    first.display(),
                    second.display()
                );
                return Err(Error::Config(what));
            }
        }
        #[cfg(feature = "compile")]
        if let Some(source) = &self.source {
            if !self.skeleton.is_empty() || !self.object.is_empty() {
                return Err(Error::Config("`source` makes its own object and skeleton: leave out `object` and `skeleton`".to_owned()));
            }
            let name = match (source.paths.as_slice(), &self.module) {
                ([], _) => return Err(Error::Config("there is no C file: call `source`".to_owned())),
                ([path], _) => stem(path),
                (_, Some(module)) => object_name(module),
                ([first, ..], None) => {
                    let what = format!(
                        "{} and {} other files are linked into one object: name it by `module`; for a module of each make a `Config` for each",
                        first.display(),
                        source.paths.len() - 1
                    );
                    return Err(Error::Config(what));
                }
            };
            let compiled = source.compile(said)?;
            let file = source.paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
            let skeleton = Skeleton::from_object(name.clone(), compiled.object, &file)?;
            return Ok(Input { skeleton, name, file, depends_on: compiled.depends_on });
        }
        for path in self.skeleton.iter().chain(&self.object) {
            if path.as_os_str().to_string_lossy().ends_with(".bpf.c") {
                return Err(Error::Config(format!("{}: {}", path.display(), crate::stale::C_SOURCE)));
            }
        }
        match (self.skeleton.first(), self.object.first()) {
            (Some(json), object) => {
                let file = json.display().to_string();
                let mut skeleton = Skeleton::from_slice(&files::read(json)?, &file)?;
                let stale = crate::stale(&skeleton, json, &file);
                if let Some(fault) = stale.fault.filter(|_| !self.stale) {
                    // A build script runs again when the C is what it was.
                    watch(&stale.depends_on);
                    return Err(Faults::one(file, fault).into());
                }
                if let Some(object) = object {
                    skeleton = skeleton.with_object(files::read(object)?);
                }
                let mut depends_on: Vec<_> = [Some(json), object].into_iter().flatten().cloned().collect();
                depends_on.extend(stale.depends_on);
                Ok(Input { skeleton, name: stem(json), file, depends_on })
            }
            (None, Some(object)) => {
                let (name, file) = (stem(object), object.display().to_string());
                let skeleton = Skeleton::from_object(name.clone(), files::read(object)?, &file)?;
                Ok(Input { skeleton, name, file, depends_on: vec![object.clone()] })
            }
            (None, None) => {
                let what = "there is no input: call `skeleton`, `object` or `source` (feature `compile`)";
                Err(Faults::one("eunomia_build::Config", Fault::at(Place::default(), what, "")).into())
            }
        }
    }
}

/// Refuses an output that this process wrote from another input: a build script with two sources that are named alike would have the
/// module of one of them twice, and the other's programs nowhere.
fn claim(output: &Path, input: &str, todo: &str) -> Result<(), Error> {
    static WRITTEN: Mutex<BTreeMap<PathBuf, String>> = Mutex::new(BTreeMap::new());

    let mut written = WRITTEN.lock().unwrap_or_else(PoisonError::into_inner);
    let path = std::path::absolute(output).unwrap_or_else(|_| output.to_owned());
    match written.get(&path) {
        Some(other) if other != input => Err(Error::Config(format!("{other} and {input} both become {}; {todo}", output.display()))),
        _ => {
            written.insert(path, input.to_owned());
            Ok(())
        }
    }
}

struct Input {
    skeleton: Skeleton,
    name: String,
    file: String,
    depends_on: Vec<PathBuf>,
}

/// Tells cargo, where it listens, to run the build script again when a file changes.
fn watch(files: &[PathBuf]) {
    if env::var_os("OUT_DIR").is_some() {
        files.iter().filter_map(|file| rerun(file)).for_each(|line| println!("{line}"));
    }
}

/// The line for cargo; `None` for a file with a line break in its name, which would tell cargo something else.
fn rerun(file: &Path) -> Option<String> {
    let name = file.display().to_string();
    (!name.contains(['\n', '\r'])).then(|| format!("cargo::rerun-if-changed={name}"))
}

/// Tells cargo's user, or whoever runs this outside of a build, what clang says.
fn warn(said: &str) {
    match env::var_os("OUT_DIR") {
        Some(_) => said.lines().filter(|line| !line.trim().is_empty()).for_each(|said| println!("cargo::warning={}", one_line(said))),
        None => eprint!("{said}"),
    }
}

/// Tells cargo's user which records are delivered as bytes.
fn note(file: &str, checked: &Checked) {
    if env::var_os("OUT_DIR").is_none() {
        return;
    }
    for stream in &checked.streams {
        if let (Payload::Bytes { why }, None) = (&stream.payload, &stream.sampled) {
            let note = format!("{file}: the records of `{}` are delivered as bytes: {why}; name their type with `event`", stream.map);
            // What cargo is told ends with its line.
            println!("cargo::warning={}", one_line(&note));
        }
    }
}

pub(crate) fn stem(path: &Path) -> String {
    object_name(&path.file_name().unwrap_or_default().to_string_lossy())
}

#[cfg(feature = "format")]
pub(crate) fn text(tokens: proc_macro2::TokenStream) -> Result<String, Error> {
    Ok(format!("// Generated by eunomia-build; do not edit.\n{}", crate::format(tokens)?))
}

#[cfg(not(feature = "format"))]
pub(crate) fn text(tokens: proc_macro2::TokenStream) -> Result<String, Error> {
    Ok(format!("// Generated by eunomia-build; do not edit.\n{tokens}\n"))
}
