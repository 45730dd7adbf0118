//! Makes a skeleton from a bare object, as the document's compiler would write it.

use super::{Checked, Payload, pointee};
use crate::{
    error::{Diagnostic, Diagnostics, Found, JsonPath},
    object::{DataSection, Kind, Layouts},
    skeleton::{
        Source,
        model::{
            ExportConfig, Format, Interpreter, Map, Program, Section, Settings, Skeleton, Variable,
        },
        write::export_of,
    },
};

impl Skeleton {
    /// Returns a skeleton of an object without any description. Messages call it `file`.
    pub(crate) fn bare(name: String, object: Vec<u8>, file: &str) -> Self {
        Self {
            format: Format::Object,
            name,
            doc: None,
            sections: Vec::new(),
            maps: Vec::new(),
            programs: Vec::new(),
            exports: Vec::new(),
            export_btf: None,
            multiple_exports: false,
            settings: Settings::default(),
            version: None,
            object: Some(object),
            other: Default::default(),
            skel_other: Default::default(),
            package_other: Default::default(),
            events: Default::default(),
            option_prefix: String::new(),
            source: Source::object(file),
        }
    }

    /// Makes a skeleton from an object.
    ///
    /// `name` is its name in libbpf, and messages call it `file`.
    ///
    /// Its export types are those that the object declares by the compiler's convention, a global
    /// `const volatile struct T *__eunomia_dummy_T_ptr`.
    ///
    /// # Errors
    /// [`Diagnostics`] if the object cannot be read.
    pub fn from_object(
        name: impl Into<String>,
        object: Vec<u8>,
        file: &str,
    ) -> Result<Self, Diagnostics> {
        let checked = Self::bare(name.into(), object, file).check()?;
        let layouts = &checked.layouts;
        let mut diagnostics = Found::default();
        let mut skeleton = checked.skeleton;
        let declared =
            checked.maps.iter().map(|def| plain_map(def.name.clone(), def.name.clone(), false));
        let internal =
            checked.sections.iter().filter(|section| !section.is_arena()).map(|section| {
                let ident: String = section
                    .name
                    .trim_start_matches('.')
                    .replace(|c: char| !c.is_ascii_alphanumeric(), "_");
                plain_map(internal_map_name(&skeleton.name, &section.name), ident, true)
            });
        skeleton.maps = declared.chain(internal).collect();
        skeleton.programs = checked
            .programs
            .iter()
            .map(|(name, section)| Program {
                name: name.clone(),
                attach: Some(section.clone()),
                link: true,
                description: None,
                other: Default::default(),
            })
            .collect();
        skeleton.sections = checked
            .sections
            .iter()
            .filter(|section| !section.is_kconfig())
            .map(|section| section_of(section, layouts))
            .collect();
        let dummies = checked
            .sections
            .iter()
            .flat_map(|section| &section.variables)
            .filter(|variable| variable.is_dummy());
        for dummy in dummies {
            match pointee(layouts, dummy.ty) {
                Some(id) => skeleton.exports.push(export_of(layouts, id)),
                None => diagnostics.push(Diagnostic::new(
                    JsonPath::default(),
                    format!(
                        "`{}` is `{}`, not a pointer to a complete struct or union that has a tag",
                        dummy.name,
                        layouts.c_name(dummy.ty)
                    ),
                    "give the struct a tag, and declare it with its members before the pointer",
                )),
            }
        }
        skeleton.verdict(diagnostics)?;
        Ok(skeleton)
    }
}

impl Checked {
    /// Returns the skeleton with the record types that the application set
    /// ([`Skeleton::with_event`]) written into the document: as `export_types` or, if several maps
    /// deliver, as the maps' own `export_config`.
    ///
    /// # Errors
    /// [`Diagnostics`] for what a document cannot express: records of several types in one map, or
    /// a map without a type if others have one.
    #[doc(hidden)]
    pub fn documented(&self) -> Result<Skeleton, Diagnostics> {
        let mut skeleton = self.skeleton.clone();
        let events = std::mem::take(&mut skeleton.events);
        if events.is_empty() {
            return Ok(skeleton);
        }
        let mut diagnostics = Found::default();
        let refuse = |what: String, todo: &str| Diagnostic::new(JsonPath::events(), what, todo);
        if skeleton.export_btf.is_some() {
            let what = "the document's export types refer to its own BTF, which has no other types"
                .to_owned();
            let todo = "rebuild the package from the object";
            return Err(self.skeleton.diagnostics(vec![refuse(what, todo)]));
        }
        // The format's other tools can read this form, too.
        if let [stream] = self.streams.as_slice()
            && let Payload::Type(id) = stream.payload
            && matches!(&self.layouts.btf.get(id).kind, Kind::Struct { .. })
            && !self.layouts.btf.get(id).name.is_empty()
            && stream.sampled.is_none()
        {
            (skeleton.exports, skeleton.multiple_exports) =
                (vec![export_of(&self.layouts, id)], false);
            return Ok(skeleton);
        }
        for stream in &self.streams {
            let Some(map) = skeleton.maps.iter_mut().find(|map| map.name == stream.map) else {
                continue;
            };
            match &stream.payload {
                Payload::Type(id) => map.export = ExportConfig::BtfType(id.0),
                Payload::Custom(_) => {}
                Payload::Tagged(_) => {
                    let what = format!(
                        "a package cannot give several types to the records of `{}`",
                        stream.map
                    );
                    diagnostics
                        .push(refuse(what, "give the types to the program that uses the package"));
                }
                Payload::Bytes { .. } => {
                    let what = format!(
                        "the records of `{}` have no type, but those of other maps have one",
                        stream.map
                    );
                    diagnostics.push(refuse(
                        what,
                        "name it, too: a package names the types of all maps or of none",
                    ));
                }
            }
        }
        skeleton.multiple_exports = true;
        self.skeleton.verdict(diagnostics)?;
        Ok(skeleton)
    }
}

fn plain_map(name: String, ident: String, mmaped: bool) -> Map {
    Map {
        name,
        ident,
        mmaped,
        description: None,
        event: None,
        sample: None,
        export: ExportConfig::None,
        interpreter: Interpreter::Struct,
        other: Default::default(),
    }
}

fn section_of(section: &DataSection, layouts: &Layouts) -> Section {
    let variable = |variable: &crate::object::Variable| Variable {
        name: variable.name.clone(),
        ty: layouts.c_name(layouts.btf.unmodified(variable.ty).0),
        value: None,
        description: None,
        arg: None,
        other: Default::default(),
    };
    Section {
        name: section.name.clone(),
        variables: section.variables.iter().map(variable).collect(),
        other: Default::default(),
    }
}

/// Returns the name that libbpf gives a section's map (`internal_map_name`): 15 bytes, of which the
/// section takes at least 7. Custom sections keep their own name.
fn internal_map_name(object: &str, section: &str) -> String {
    if section.get(1..).is_some_and(|rest| rest.contains('.')) {
        return section.to_owned();
    }
    let prefix = 15usize.saturating_sub(section.len().max(7)).min(object.len());
    let name = format!("{}{section}", object.get(..prefix).unwrap_or(object));
    name.replace(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.'), "_")
}

#[cfg(test)]
mod tests {
    use super::internal_map_name;

    #[test]
    fn internal_maps_have_the_names_that_libbpf_gives_them() {
        for (object, section, name) in [
            ("client_bpf", ".rodata", "client_b.rodata"),
            ("client_bpf", ".bss", "client_b.bss"),
            ("client_bpf", ".data", "client_b.data"),
            ("x", ".rodata", "x.rodata"),
            ("multiple_bpf", ".data.mine", ".data.mine"),
        ] {
            assert_eq!(internal_map_name(object, section), name);
        }
    }
}
