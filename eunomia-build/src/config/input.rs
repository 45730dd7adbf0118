//! The input of a [`Config`]: the skeleton that it is about, and the files that this is made of.

use std::path::{Path, PathBuf};

use eunomia_runtime::{
    Skeleton,
    error::{Diagnostic, Diagnostics, JsonPath},
    skeleton::object_name,
};

use super::Config;
use crate::{
    Error,
    cargo::{self, watch},
    files,
};

/// The skeleton to generate a module for, the name of the module, and the files that cargo watches.
pub(super) struct Input {
    pub(super) skeleton: Skeleton,
    pub(super) name: String,
    pub(super) depends_on: Vec<PathBuf>,
}

impl Config {
    pub(super) fn input(&self, warn: &mut dyn FnMut(&str)) -> Result<Input, Error> {
        for (at, (map, _)) in self.events.iter().enumerate() {
            if self.events.iter().take(at).any(|(known, _)| known == map) {
                return Err(Error::Config(format!(
                    "the type of the records of `{map}` is set twice; call `event` or `tagged_event` once for each map"
                )));
            }
        }
        let mut input = self.read(warn)?;
        input.skeleton.events.extend(self.events.iter().cloned());
        for (program, section) in &self.programs {
            input.skeleton = input.skeleton.with_program(program, section);
        }
        input.skeleton.types.clone_from(&self.types);
        input.skeleton.option_prefix.clone_from(&self.args_prefix);
        Ok(input)
    }

    fn read(&self, warn: &mut dyn FnMut(&str)) -> Result<Input, Error> {
        for (input, paths) in [("skeleton", &self.skeleton), ("object", &self.object)] {
            if let [first, second, ..] = paths.as_slice() {
                let message = format!(
                    "`{input}` takes one file, but was called with {} and {}; use one `Config` for each",
                    first.display(),
                    second.display()
                );
                return Err(Error::Config(message));
            }
        }
        #[cfg(feature = "compile")]
        if let Some(source) = &self.source {
            if !self.skeleton.is_empty() || !self.object.is_empty() {
                return Err(Error::Config(
                    "`source` builds its own object and skeleton; remove `object` and `skeleton`"
                        .to_owned(),
                ));
            }
            let name = match (source.paths.as_slice(), &self.module) {
                ([], _) => return Err(Error::Config("no C file; call `source`".to_owned())),
                ([path], _) => stem(path),
                (_, Some(module)) => object_name(module),
                ([first, ..], None) => {
                    let message = format!(
                        "{} and {} more are linked into one object; name its module with `module`, or use one `Config` for each file",
                        first.display(),
                        source.paths.len() - 1
                    );
                    return Err(Error::Config(message));
                }
            };
            // Modules may have different headers.
            let kept = self.folder().map(|folder| {
                folder.join(format!("{}.include", self.module.as_ref().unwrap_or(&name)))
            });
            let compiled = source.compile(kept.as_deref(), warn)?;
            let file = source
                .paths
                .iter()
                .map(|path| path.display().to_string())
                .collect::<Vec<_>>()
                .join(", ");
            let skeleton = from_object(&name, compiled.object, &file, warn)?;
            let mut skeleton = crate::annotations::apply(skeleton, &source.paths, warn)?;
            crate::records::apply(&mut skeleton, compiled.records);
            return Ok(Input { skeleton, name, depends_on: compiled.depends_on });
        }
        for path in self.skeleton.iter().chain(&self.object) {
            if path.as_os_str().to_string_lossy().ends_with(".bpf.c") {
                return Err(Error::Config(format!(
                    "{}: {}",
                    path.display(),
                    crate::stale::C_SOURCE
                )));
            }
        }
        match (self.skeleton.first(), self.object.first()) {
            (Some(json), object) => {
                let file = json.display().to_string();
                let mut skeleton =
                    Skeleton::from_slice_for(&files::read(json)?, &file, &cargo::target_arch())?;
                if let Some(object) = object {
                    // Faults of the object alone are reported with the object's name.
                    skeleton = skeleton
                        .with_object(files::read(object)?, &object.display().to_string())?;
                }
                let stale = crate::stale(&skeleton, json);
                if let Some(diagnostics) = stale.diagnostics.filter(|_| !self.stale) {
                    // The build script must run again if the source is changed back.
                    watch(&stale.depends_on);
                    return Err(diagnostics.into());
                }
                let mut depends_on: Vec<_> =
                    [Some(json), object].into_iter().flatten().cloned().collect();
                depends_on.extend(stale.depends_on);
                Ok(Input { skeleton, name: stem(json), depends_on })
            }
            (None, Some(object)) => {
                let (name, file) = (stem(object), object.display().to_string());
                let skeleton = from_object(&name, files::read(object)?, &file, warn)?;
                Ok(Input { skeleton, name, depends_on: vec![object.clone()] })
            }
            (None, None) => {
                let what = "no input; call `skeleton`, `object` or `source` (feature `compile`)";
                Err(Diagnostics::one(
                    "eunomia_build::Config",
                    Diagnostic::at(JsonPath::default(), what, ""),
                )
                .into())
            }
        }
    }
}

/// Makes a skeleton from an object. `warn` receives a line for each key in its declaration tags that
/// means nothing.
fn from_object(
    name: &str,
    object: Vec<u8>,
    file: &str,
    warn: &mut dyn FnMut(&str),
) -> Result<Skeleton, Error> {
    let (skeleton, warnings) = Skeleton::from_tagged(name.to_owned(), object, file)?;
    cargo::report(&skeleton, warnings, warn);
    Ok(skeleton)
}

pub(crate) fn stem(path: &Path) -> String {
    object_name(&path.file_name().unwrap_or_default().to_string_lossy())
}
