use std::{
    env,
    path::{Path, PathBuf},
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
    skeleton: Option<PathBuf>,
    object: Option<PathBuf>,
    #[cfg(feature = "compile")]
    source: Option<crate::source::Source>,
    module: Option<String>,
    events: Vec<(String, EventType)>,
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
        self.skeleton = Some(path.as_ref().to_owned());
        self
    }

    /// Takes a BPF object: the one that the skeleton describes, or, without a skeleton, one to be described by itself.
    pub fn object(mut self, path: impl AsRef<Path>) -> Self {
        self.object = Some(path.as_ref().to_owned());
        self
    }

    /// Compiles a C file (`.bpf.c`) with clang and links it with libbpf's linker. What clang warns of, cargo says.
    #[cfg(feature = "compile")]
    pub fn source(mut self, path: impl AsRef<Path>) -> Self {
        self.compiler().path = path.as_ref().to_owned();
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
    /// [`Error::Input`] with every fault of the input. Nothing has been written then.
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
        files::write(&[(&dir.join(object_file), object), (&dir.join(format!("{name}.rs")), module.as_bytes())])?;
        watch(&input.depends_on);
        note(&input.file, &checked);
        Ok(())
    }

    /// Reads the input, checks it against its object and writes it as a current package (JSON), which needs no clang to be built from.
    ///
    /// # Errors
    /// As [`Self::generate`].
    pub fn package(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let (text, depends_on) = self.packed(&mut warn)?;
        files::write(&[(path.as_ref(), text.as_bytes())])?;
        watch(&depends_on);
        Ok(())
    }

    /// The text of the package, and the files that it depends on; what clang says goes to `said`.
    pub(crate) fn packed(&self, said: &mut dyn FnMut(&str)) -> Result<(String, Vec<PathBuf>), Error> {
        let input = self.input(said)?;
        Ok((input.skeleton.check(&input.file)?.skeleton.to_json(), input.depends_on))
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
        input.skeleton.option_prefix.clone_from(&self.args_prefix);
        Ok(input)
    }

    #[cfg_attr(not(feature = "compile"), expect(unused_variables, reason = "clang alone has something to say"))]
    fn read(&self, said: &mut dyn FnMut(&str)) -> Result<Input, Error> {
        #[cfg(feature = "compile")]
        if let Some(source) = &self.source {
            if self.skeleton.is_some() || self.object.is_some() {
                return Err(Error::Config("`source` makes its own object and skeleton: leave out `object` and `skeleton`".to_owned()));
            }
            let compiled = source.compile(said)?;
            let (name, file) = (stem(&source.path), source.path.display().to_string());
            let skeleton = Skeleton::from_object(name.clone(), compiled.object, &file)?;
            return Ok(Input { skeleton, name, file, depends_on: compiled.depends_on });
        }
        match (&self.skeleton, &self.object) {
            (Some(json), object) => {
                let file = json.display().to_string();
                let mut skeleton = Skeleton::from_slice(&files::read(json)?, &file)?;
                if let Some(object) = object {
                    skeleton = skeleton.with_object(files::read(object)?);
                }
                let depends_on = [Some(json), object.as_ref()].into_iter().flatten().cloned().collect();
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

struct Input {
    skeleton: Skeleton,
    name: String,
    file: String,
    depends_on: Vec<PathBuf>,
}

/// Tells cargo, where it listens, to run the build script again when a file changes.
fn watch(files: &[PathBuf]) {
    if env::var_os("OUT_DIR").is_some() {
        files.iter().for_each(|file| println!("cargo::rerun-if-changed={}", file.display()));
    }
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
