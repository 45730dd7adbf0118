//! Checks a skeleton against its object. Every fault is found here, before code is generated or the
//! object is loaded.

use std::{
    collections::{HashMap, HashSet},
    ops::Deref,
};

use super::exports::{self, Stream};
use crate::{
    error::{Diagnostic, Diagnostics, Found, JsonPath, SHOWN},
    object::{Calls, DataSection, Kind, Layouts, MapDef, MapKind, maps, sections},
    plain::quoted,
    skeleton::{Format, Skeleton, model},
    suggestion::near,
};

/// A skeleton that matches its object, with the information that the object provides.
///
/// It cannot be changed: libbpf gets the object because what is said of it here was checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked(Contents);

/// What a [`Checked`] holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Contents {
    /// The document.
    pub skeleton: Skeleton,
    /// The object's types, sections and symbols.
    pub layouts: Layouts,
    /// The maps that the object declares.
    pub maps: Vec<MapDef>,
    /// The data sections, which become maps as well.
    pub sections: Vec<DataSection>,
    /// The name and section of each program.
    pub programs: Vec<(String, String)>,
    /// The maps that deliver records to user space.
    pub streams: Vec<Stream>,
}

impl Deref for Checked {
    type Target = Contents;

    fn deref(&self) -> &Contents {
        &self.0
    }
}

impl Checked {
    /// Returns the contents, which are then no longer known to belong together.
    pub(crate) fn into_contents(self) -> Contents {
        self.0
    }
}

impl Skeleton {
    /// Checks the skeleton against its object.
    ///
    /// # Errors
    /// [`Diagnostics`] with every mismatch: a missing or unreadable object, maps, programs and
    /// variables that the object does not have, and export types that differ from its BTF.
    pub fn check(self) -> Result<Checked, Diagnostics> {
        let top = JsonPath::default();
        let Some(object) = &self.object else {
            let todo = "pass the object as well, or use the package that the compiler wrote";
            let what = "the document contains no BPF object";
            return Err(self.diagnostics(vec![Diagnostic::new(top, what, todo)]));
        };
        let place = match self.format {
            Format::Package | Format::EarlyV1 => top.key("bpf_object"),
            Format::Inline => top.key("bpf_skel").key("data"),
            Format::LegacyV0 => top.key("data"),
            Format::Metadata | Format::Object => top,
        };
        let layouts = Layouts::new(object, self.export_btf.as_deref())
            .map_err(|(what, todo)| self.diagnostics(vec![Diagnostic::new(place, what, todo)]))?;

        let mut diagnostics = Found::default();
        if self.name.contains('\0') {
            let what = format!(
                "object name {:?} contains a NUL byte, which libbpf does not accept",
                self.name
            );
            diagnostics.push(Diagnostic::new(
                self.skel_place().key("obj_name"),
                what,
                "rename the object",
            ));
        }
        let maps = maps::read(&layouts);
        let sections = sections::read(&layouts, &mut diagnostics);
        let programs: Vec<_> = layouts
            .elf
            .programs()
            .map(|(symbol, section)| (symbol.name.clone(), section.name.clone()))
            .collect();
        check_maps(&self, &layouts, &maps, &mut diagnostics);
        check_programs(&self, &programs, &mut diagnostics);
        check_variables(&self, &layouts, &sections, &mut diagnostics);
        // If the calls cannot be read, every perf event array is assumed to deliver records.
        let has_arrays = maps.iter().any(|map| map.kind == MapKind::PERF_EVENT_ARRAY);
        let calls = self
            .object
            .as_deref()
            .filter(|_| has_arrays)
            .and_then(|object| Calls::read(object, &layouts.elf, &maps).ok());
        let counters = calls.unwrap_or_default().counters;
        let streams =
            exports::resolve(&self, &layouts, (&maps, &counters), &sections, &mut diagnostics);
        self.verdict(diagnostics)?;
        let skeleton = self;
        Ok(Checked(Contents { skeleton, layouts, maps, sections, programs, streams }))
    }

    /// Returns the place of `bpf_skel` in the document.
    #[doc(hidden)]
    pub fn skel_place(&self) -> JsonPath {
        match self.format {
            Format::Package => JsonPath::default().key("meta").key("bpf_skel"),
            Format::EarlyV1 if self.object.is_some() => {
                JsonPath::default().key("meta").key("bpf_skel")
            }
            Format::LegacyV0 | Format::Object => JsonPath::default(),
            _ => JsonPath::default().key("bpf_skel"),
        }
    }

    /// Returns the place of `export_types` in the document.
    #[doc(hidden)]
    pub fn exports_place(&self) -> JsonPath {
        match self.format {
            Format::Package => JsonPath::default().key("meta").key("export_types"),
            Format::EarlyV1 => JsonPath::default().key("meta").key("export_types").key("structs"),
            _ => JsonPath::default().key("export_types"),
        }
    }
}

pub(crate) const STALE: &str =
    "skeleton and object come from different builds; rebuild the package";

fn check_maps(skeleton: &Skeleton, layouts: &Layouts, maps: &[MapDef], diagnostics: &mut Found) {
    let place = skeleton.skel_place().key("maps");
    let declared: HashSet<&str> = maps.iter().map(|def| def.name.as_str()).collect();
    let sections = all_sections(layouts);
    check_once("map", skeleton.maps.iter().map(|map| map.name.as_str()), &place, diagnostics);
    for (i, map) in skeleton.maps.iter().enumerate() {
        // libbpf names an internal map after the object, whose name may contain dots, and the
        // section. It names custom ones after the section alone.
        let mut dots = map.name.match_indices('.');
        if !declared.contains(map.name.as_str())
            && !dots.any(|(dot, _)| map.name.get(dot..).is_some_and(|end| sections.contains(end)))
        {
            let names = maps.iter().map(|def| def.name.as_str());
            unknown(
                place.index(i).key("name"),
                &format!("the object has no map `{}`", map.name),
                &map.name,
                names,
                diagnostics,
            );
        }
    }
}

/// Returns the sections of the ELF file, and those that only BTF has.
fn all_sections(layouts: &Layouts) -> HashSet<&str> {
    let of_btf = layouts
        .own_types()
        .filter(|(_, ty)| matches!(ty.kind, Kind::Section { .. }))
        .map(|(_, ty)| ty.name.as_str());
    layouts.elf.sections.iter().map(|section| section.name.as_str()).chain(of_btf).collect()
}

/// Reports names that are listed twice, since it is unclear which description is valid.
pub(crate) fn check_once<'a>(
    what: &str,
    names: impl Iterator<Item = &'a str>,
    place: &JsonPath,
    diagnostics: &mut Found,
) {
    let mut seen = HashSet::new();
    for (i, name) in names.enumerate() {
        if !seen.insert(name) {
            diagnostics.push(Diagnostic::new(
                place.index(i).key("name"),
                format!("{what} `{name}` is listed twice"),
                format!("list each {what} once"),
            ));
        }
    }
}

fn check_programs(skeleton: &Skeleton, programs: &[(String, String)], diagnostics: &mut Found) {
    let place = skeleton.skel_place().key("progs");
    check_once(
        "program",
        skeleton.programs.iter().map(|program| program.name.as_str()),
        &place,
        diagnostics,
    );
    let sections: HashMap<&str, &str> =
        programs.iter().map(|(name, section)| (name.as_str(), section.as_str())).collect();
    for (i, program) in skeleton.programs.iter().enumerate() {
        match (sections.get_key_value(program.name.as_str()), &program.attach) {
            (None, _) => {
                let names = programs.iter().map(|(name, _)| name.as_str());
                let what = format!("the object has no program `{}`", program.name);
                unknown(place.index(i).key("name"), &what, &program.name, names, diagnostics);
            }
            (Some((name, section)), Some(attach)) if section != attach => diagnostics.push(Diagnostic::new(
                place.index(i).key("attach"),
                format!("program `{name}` is in section `{section}` of the object, but in `{attach}` of the document"),
                STALE,
            )),
            _ => {}
        }
    }
}

fn check_variables(
    skeleton: &Skeleton,
    layouts: &Layouts,
    sections: &[DataSection],
    diagnostics: &mut Found,
) {
    let place = skeleton.skel_place().key("data_sections");
    check_once(
        "section",
        skeleton.sections.iter().map(|section| section.name.as_str()),
        &place,
        diagnostics,
    );
    let others = all_sections(layouts);
    let by_name: HashMap<&str, &DataSection> =
        sections.iter().map(|section| (section.name.as_str(), section)).collect();
    for (i, model::Section { name, variables, .. }) in skeleton.sections.iter().enumerate() {
        let Some(section) = by_name.get(name.as_str()) else {
            // Compilers also list sections without variables, such as `license`.
            let has_settings =
                variables.iter().any(|variable| variable.value.is_some() || variable.arg.is_some());
            if has_settings || sections::is_data(name) || !others.contains(name.as_str()) {
                let names = sections.iter().map(|section| section.name.as_str());
                unknown(
                    place.index(i).key("name"),
                    &format!("the object has no section `{name}` with variables"),
                    name,
                    names,
                    diagnostics,
                );
            }
            continue;
        };
        let known: HashSet<&str> =
            section.variables.iter().map(|variable| variable.name.as_str()).collect();
        let place = place.index(i).key("variables");
        check_once(
            "variable",
            variables.iter().map(|variable| variable.name.as_str()),
            &place,
            diagnostics,
        );
        for (j, variable) in variables.iter().enumerate() {
            if variable.value.is_some() && section.is_kconfig() {
                let what = format!("variable `{}` cannot be set", variable.name);
                let todo = "remove the key: the value comes from the kernel configuration";
                diagnostics.push(Diagnostic::new(place.index(j).key("value"), what, todo));
            }
            if !known.contains(variable.name.as_str()) {
                let names = section.variables.iter().map(|variable| variable.name.as_str());
                let what = format!("section `{name}` has no variable `{}`", variable.name);
                unknown(place.index(j).key("name"), &what, &variable.name, names, diagnostics);
            }
        }
    }
}

/// Reports that `name` is not one of the known names, lists them, and suggests a similar one.
fn unknown<'a>(
    place: JsonPath,
    what: &str,
    name: &str,
    known: impl Iterator<Item = &'a str> + Clone,
    diagnostics: &mut Found,
) {
    let todo = stale(name, known.clone(), diagnostics.len());
    diagnostics.push(Diagnostic::new(place, format!("{what}, it has {}", quoted(known)), todo));
}

/// Returns the hint for an unknown name, given the number of earlier faults.
pub(crate) fn stale<'a>(
    name: &str,
    known: impl Iterator<Item = &'a str>,
    diagnostics: usize,
) -> String {
    // A fault that is not shown needs no suggestion, which is expensive to compute.
    let similar = if diagnostics < SHOWN { near(name, known) } else { None };
    similar.map_or_else(
        || STALE.to_owned(),
        |similar| format!("did you mean `{similar}`? Otherwise, {STALE}"),
    )
}
