//! Makes a skeleton from a bare object, as the document's compiler would write it.

use super::{Checked, Payload, Stream, pointee};
use crate::{
    error::{Diagnostic, Diagnostics, Found, JsonPath, SHOWN},
    object::{DataSection, Kind, Layouts, TypeId},
    skeleton::{
        Source,
        annotations::{Annotation, Item, Items},
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
            types: Vec::new(),
            option_prefix: String::new(),
            source: Source::object(file),
        }
    }

    /// Makes a skeleton from an object.
    ///
    /// `name` is its name in libbpf, and messages call it `file`.
    ///
    /// Its export types are those that the object declares by the compiler's convention, a global
    /// `const volatile struct T *__eunomia_dummy_T_ptr`. Options, samples and descriptions are those
    /// that the object has in declaration tags (`eunomia.bpf.h`).
    ///
    /// # Errors
    /// [`Diagnostics`] if the object cannot be read, and for declaration tags whose values are not
    /// what their keys need.
    pub fn from_object(
        name: impl Into<String>,
        object: Vec<u8>,
        file: &str,
    ) -> Result<Self, Diagnostics> {
        Self::from_tagged(name.into(), object, file).map(|(skeleton, _)| skeleton)
    }

    /// Makes a skeleton from an object as [`Self::from_object`] does, and returns warnings of keys
    /// in declaration tags that mean nothing.
    #[doc(hidden)]
    pub fn from_tagged(
        name: String,
        object: Vec<u8>,
        file: &str,
    ) -> Result<(Self, Vec<Diagnostic>), Diagnostics> {
        let checked = Self::bare(name, object, file).check()?.into_contents();
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
        let annotations = annotations(&skeleton, layouts);
        let (skeleton, mut warnings) = skeleton.annotated(&annotations)?;
        warnings.extend(layouts.faulty_formats().take(SHOWN).map(|(member, why)| {
            let what = format!("the format of `{member}` is ignored: {why}");
            Diagnostic::new(JsonPath::default(), what, "correct it, or remove `EUNOMIA_FORMAT`")
        }));
        Ok((skeleton, warnings))
    }
}

/// Returns the annotations that the object has in declaration tags.
fn annotations(skeleton: &Skeleton, layouts: &Layouts) -> Vec<Annotation> {
    let licence: Vec<TypeId> =
        layouts.slots(|section| section == "license").map(|slot| slot.variable).collect();
    let items = Items::of(skeleton);
    let annotations = layouts.annotations().filter_map(|(id, ty, key, value)| {
        let item = match ty.kind {
            Kind::Function => Item::Program(ty.name.clone()),
            Kind::Variable { .. } if licence.contains(&id) => Item::Package,
            Kind::Variable { .. } => items.named(&ty.name)?,
            _ => return None,
        };
        let (key, value) = (key.to_owned(), value.to_owned());
        Some(Annotation { item, key, value, position: None })
    });
    annotations.collect()
}

impl Checked {
    /// Returns the skeleton with the record types that the application set
    /// ([`Skeleton::with_event`]), or that the definitions of maps declare, written into the
    /// document. If the format's other tools can read them, they are `export_types` or, if several
    /// maps deliver, each map's own `export_config`. Otherwise they are the key `event` of the maps
    /// that the application names, and only in the object for others.
    ///
    /// # Errors
    /// [`Diagnostics`] if the application sets a type and the document's export types have their own
    /// BTF.
    #[doc(hidden)]
    pub fn documented(&self) -> Result<Skeleton, Diagnostics> {
        let mut skeleton = self.skeleton.clone();
        let events = std::mem::take(&mut skeleton.events);
        let defines = |stream: &Stream| {
            self.maps.iter().any(|def| def.name == stream.map && def.records.is_some())
        };
        if events.is_empty() && !self.streams.iter().any(defines) {
            return Ok(skeleton);
        }
        if skeleton.export_btf.is_some() {
            if events.is_empty() {
                return Ok(skeleton);
            }
            let what = "the document's export types refer to its own BTF, which has no other types";
            let todo = "rebuild the package from the object";
            let diagnostic = Diagnostic::new(JsonPath::events(), what, todo);
            return Err(self.skeleton.diagnostics(vec![diagnostic]));
        }
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
        let is_readable =
            |stream: &Stream| matches!(stream.payload, Payload::Type(_) | Payload::Custom(_));
        if self.streams.iter().all(is_readable) {
            for stream in &self.streams {
                let map = skeleton.maps.iter_mut().find(|map| map.name == stream.map);
                if let (Some(map), Payload::Type(id)) = (map, &stream.payload) {
                    map.export = ExportConfig::BtfType(id.0);
                }
            }
            skeleton.multiple_exports = true;
            return Ok(skeleton);
        }
        for (name, event) in events {
            if let Some(map) = skeleton.maps.iter_mut().find(|map| map.name == name) {
                map.event = Some(event);
            }
        }
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
        found: None,
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
