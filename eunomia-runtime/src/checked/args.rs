//! Which variables the command line can set, by which options: what the document says, held against the object.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use serde_json::Value as Json;

use super::Checked;
use crate::{
    args::{Arg, Command, Scalar},
    fault::{Fault, Found, Place},
    object::{DataSection, Kind, TypeId, Variable, elf},
    plain::is_shown,
    skeleton::model,
    value::{constants, encode, scalar},
};

/// A variable that the command line can set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument<'a> {
    /// The variable's section.
    pub section: &'a DataSection,
    /// The variable.
    pub variable: &'a Variable,
    /// Its value without the option, as many bytes as the type has: `cmdarg.default`, else `value`, else what the object has.
    pub default: Vec<u8>,
    /// The value that it is opened with: `value`, else what the object has.
    pub opened: Vec<u8>,
    /// Its option.
    pub arg: Arg,
}

/// The longest text that an option takes, `PATH_MAX` of Linux: larger `char` arrays are the program's own memory.
const MAX_TEXT: u32 = 4096;

/// The most constants of an enum: each option shows them, and a damaged object can have any number.
const MAX_CONSTANTS: usize = 1024;

/// The longest name of an option, and of a variable that has one, which stands in the help, too: as long as a symbol of the kernel. A
/// document can give any other, and help is laid out in columns, none of which may be 65,535 wide.
const MAX_NAME: usize = 128;

/// Who has the options of [`RESERVED`].
const EVERY_PROGRAM: &str = "every program";

/// The options that every program has, or that an app may expect to be free for it, as in other loaders of the format.
const RESERVED: [&str; 5] = ["--help", "-h", "--version", "-V", "--verbose"];

impl Checked {
    /// The variables that the command line can set. Faults are the options that cannot be: their name is another's or no name, their
    /// default is no value of the type, their type has no text.
    pub(crate) fn arguments(&self, faults: &mut Found) -> Vec<Argument<'_>> {
        let place = self.skeleton.skel_place().key("data_sections");
        let described = self.described(&place);
        let headers: HashMap<&str, &elf::Section> = self.layouts.elf.sections.iter().map(|header| (header.name.as_str(), header)).collect();
        let mut reader = Reader { checked: self, options: Options::default(), constants: HashMap::new(), faults: Found::default() };
        let mut arguments = Vec::new();
        let prefix = &self.skeleton.option_prefix;
        if prefix.starts_with('-') || !prefix.chars().all(is_option) || prefix.len() > MAX_NAME {
            let what = format!("{prefix:?} cannot be what options begin with");
            reader.faults.push(Fault::new(
                Place::default(),
                what,
                "give letters, digits and dashes, without those before the option: `net-`",
            ));
        }
        for section in &self.sections {
            let header = headers.get(section.name.as_str()).copied();
            for variable in section.variables.iter().filter(|variable| !variable.is_dummy()) {
                let (place, known) = match described.get(&(section.name.as_str(), variable.name.as_str())) {
                    Some((place, known)) => (place, Some(*known)),
                    None => (&place, None),
                };
                let in_object = header.and_then(|header| self.value_in_object(header, variable));
                let read = reader.argument(section, variable, known, place, in_object);
                arguments.extend(read.map(|(default, opened, arg)| Argument { section, variable, default, opened, arg }));
            }
        }
        faults.append(reader.faults);
        arguments
    }

    /// The options of the arguments, and the document's texts around them.
    pub fn command(&self, arguments: &[Argument<'_>]) -> Command {
        let doc = self.skeleton.doc.clone().unwrap_or_default();
        Command {
            name: self.skeleton.name.clone().into(),
            version: doc.version.map(Into::into),
            about: doc.brief.or(doc.description).map(Into::into),
            after_help: doc.details.map(Into::into),
            args: arguments.iter().map(|argument| argument.arg.clone()).collect(),
        }
    }

    /// What the document says of variables, by section and name.
    fn described(&self, place: &Place) -> HashMap<(&str, &str), (Place, &model::Variable)> {
        let mut described = HashMap::new();
        for (i, section) in self.skeleton.sections.iter().enumerate() {
            let place = place.index(i).key("variables");
            for (j, variable) in section.variables.iter().enumerate() {
                described.insert((section.name.as_str(), variable.name.as_str()), (place.index(j), variable));
            }
        }
        described
    }

    /// The bytes that a variable is loaded with: what the document says, else what the object has; `None` where that ends before it.
    #[cfg(feature = "cli")]
    pub(crate) fn initial(&self, section: &DataSection, variable: &Variable, setup: &super::Setup<'_>) -> Option<Vec<u8>> {
        if let Some(given) = setup.values.iter().find(|value| value.variable.id == variable.id) {
            return Some(given.bytes.clone());
        }
        let header = self.layouts.elf.sections.iter().find(|header| header.name == section.name)?;
        self.value_in_object(header, variable)
    }

    /// The value of a variable in the object, or `None` where the file ends before it.
    fn value_in_object(&self, section: &elf::Section, variable: &Variable) -> Option<Vec<u8>> {
        let size = usize::try_from(self.layouts.layout(variable.ty).size).ok()?;
        let Some(start) = section.offset else { return Some(vec![0; size]) };
        let start = usize::try_from(start.checked_add(variable.offset)?).ok()?;
        Some(self.skeleton.object.as_deref()?.get(start..start.checked_add(size)?)?.to_vec())
    }
}

/// Reads arguments one by one.
struct Reader<'a> {
    checked: &'a Checked,
    options: Options,
    constants: HashMap<TypeId, Constants>,
    faults: Found,
}

type Constants = Arc<[(Cow<'static, str>, i128)]>;

impl Reader<'_> {
    /// The default and the option of a variable, which the document describes at `place`.
    fn argument(
        &mut self,
        section: &DataSection,
        variable: &Variable,
        described: Option<&model::Variable>,
        place: &Place,
        in_object: Option<Vec<u8>>,
    ) -> Option<(Vec<u8>, Vec<u8>, Arg)> {
        let (layouts, name) = (&self.checked.layouts, &variable.name);
        let cmdarg = described.and_then(|described| described.arg.clone()).unwrap_or_default();
        let value = described.and_then(|described| described.value.as_ref());
        let asked = cmdarg != model::CmdArg::default();
        if !asked && !self.is_meant(section, variable, value.is_some()) {
            return None;
        }
        let Some(scalar) = self.expressible(variable).filter(|_| !section.is_kconfig()) else {
            if asked {
                let what = format!("an option cannot set the variable `{name}` of the type `{}`", layouts.c_name(variable.ty));
                let todo = if section.is_kconfig() {
                    "remove the key: its value is from the kernel's configuration"
                } else if name.len() > MAX_NAME {
                    "remove the key: options are for variables with names of up to 128 bytes"
                } else {
                    "remove the key: options are for numbers, truth values, enums and texts of up to 4095 bytes"
                };
                self.faults.push(Fault::new(place.key("cmdarg"), what, todo));
            }
            return None;
        };
        let default = match (&cmdarg.default, value) {
            (Some(default), _) => encode(layouts, variable.ty, default).map_err(|why| {
                self.faults.push(Fault::new(place.key("cmdarg").key("default"), why, ""));
            }),
            // What is wrong with it is a fault of the initial values.
            (None, Some(value)) => encode(layouts, variable.ty, value).map_err(drop),
            (None, None) => in_object.clone().ok_or_else(|| {
                let what = format!("the object ends before the value of the variable `{name}`");
                self.faults.push(Fault::new(Place::default(), what, "copy or compile the object anew"));
            }),
        };
        let opened = value.and_then(|value| encode(layouts, variable.ty, value).ok()).or(in_object);
        let text = default.as_ref().ok().map(|default| scalar.text(default, constants(layouts, variable.ty)));
        let long = self.long(variable, &cmdarg, place, |plain| match (scalar, text.as_deref()) {
            // Named after what they do, as in other loaders of the format; where nobody has said `false` it just switches it on.
            (Scalar::Bool(_), Some("true")) => format!("disable-{plain}"),
            (Scalar::Bool(_), Some("false")) if cmdarg.default.is_some() || value.is_some() => format!("enable-{plain}"),
            _ => plain.to_owned(),
        });
        let short = cmdarg.short.as_deref().and_then(|short| self.short(variable, short, place));
        let help = cmdarg.help.or_else(|| described?.description.clone()).unwrap_or_else(|| {
            let ty = described.map_or_else(|| layouts.c_name(layouts.btf.unmodified(variable.ty).0), |described| described.ty.clone());
            format!("Set value of `{ty}` variable {name}")
        });
        let default = default.ok()?;
        let said = match cmdarg.default.as_ref().or(value) {
            Some(Json::String(said)) => Some(said.clone()),
            Some(Json::Number(said)) => Some(said.to_string()),
            _ => None,
        };
        // Text that is no UTF-8, or has more behind its NUL, cannot be written down; a terminal would obey control characters, and
        // nothing would be seen of an empty one.
        let exact = |text: &String| scalar.parse(text, constants(layouts, variable.ty)).as_ref() == Ok(&default);
        let shown = match scalar {
            Scalar::Bool(_) => text,
            _ => said.or(text).filter(|text| !text.is_empty() && !text.contains(char::is_control) && exact(text)),
        };
        let arg = Arg {
            variable: name.clone().into(),
            long: long.into(),
            short,
            help: help.into(),
            scalar,
            constants: self.constants(variable.ty),
            default: shown.map(Into::into),
        };
        let opened = opened.unwrap_or_else(|| default.clone());
        Some((default, opened, arg))
    }

    /// Whether a variable without a `cmdarg` is one that its author means to be set: a constant (`const volatile`), or one that starts with
    /// a value. Others are the program's own memory, as are counters of lost records, and names that no option can have ask for none.
    fn is_meant(&self, section: &DataSection, variable: &Variable, has_value: bool) -> bool {
        let name = variable.name.as_str();
        let counts = self.checked.streams.iter().filter_map(|stream| stream.dropped.as_ref());
        let is_counter = name == "dropped"
            || name.strip_suffix("_dropped").is_some_and(|map| self.checked.maps.iter().any(|known| known.name == map))
            || counts.into_iter().any(|dropped| (&dropped.section, dropped.offset) == (&section.name, variable.offset));
        let option = format!("--{}{name}", self.checked.skeleton.option_prefix);
        // Variables of several files may have one name; another option that takes it is a fault of the document.
        let owner = self.options.0.get(&option).map_or("", String::as_str);
        let is_taken = owner == EVERY_PROGRAM || owner == format!("the variable `{name}`");
        let can_be = !name.is_empty() && !name.starts_with('-') && name.chars().all(is_option) && !is_taken;
        let starts = [".rodata", ".data"].iter().any(|kind| section.name.starts_with(kind)) || has_value;
        starts && !is_counter && can_be
    }

    /// What an option of the variable would say, or `None` where it cannot have one: Rust has no numbers of odd sizes, and nobody types
    /// names of any length.
    fn expressible(&self, variable: &Variable) -> Option<Scalar> {
        if variable.name.len() > MAX_NAME {
            return None;
        }
        let layouts = &self.checked.layouts;
        let scalar = scalar(layouts, variable.ty)?;
        let fits = match scalar {
            Scalar::Text(size) => (1..=MAX_TEXT).contains(&size),
            Scalar::Bool(size) => size == 1,
            Scalar::Float(size) => matches!(size, 4 | 8),
            Scalar::Signed(16) | Scalar::Unsigned(16) => !matches!(layouts.btf.resolve(variable.ty).1.kind, Kind::Enum { .. }),
            Scalar::Signed(size) | Scalar::Unsigned(size) => {
                matches!(size, 1 | 2 | 4 | 8) && constants(layouts, variable.ty).count() <= MAX_CONSTANTS
            }
        };
        fits.then_some(scalar)
    }

    /// The long option, which `prefixed` makes from its plain name.
    fn long(&mut self, variable: &Variable, cmdarg: &model::CmdArg, place: &Place, prefixed: impl FnOnce(&str) -> String) -> String {
        let (plain, place) = match &cmdarg.long {
            Some(long) => (long, place.key("cmdarg").key("long")),
            None => (&variable.name, place.key("name")),
        };
        let long = format!("{}{}", self.checked.skeleton.option_prefix, prefixed(plain));
        if plain.is_empty() || plain.starts_with('-') || !plain.chars().all(is_option) {
            let what = format!("{plain:?} cannot be the name of an option");
            self.faults.push(Fault::new(place, what, "name another in `cmdarg.long`, without the dashes before it"));
        } else if plain.len() > MAX_NAME {
            // What is this long is not said again.
            let what = format!("{} bytes are too many for the name of an option", plain.len());
            self.faults.push(Fault::new(place, what, format!("name another in `cmdarg.long`, of up to {MAX_NAME} bytes")));
        } else {
            self.faults.extend(self.options.claim(format!("--{long}"), variable, place, "long"));
        }
        long
    }

    fn short(&mut self, variable: &Variable, text: &str, place: &Place) -> Option<char> {
        // Those of several objects in one program would be the same.
        if !self.checked.skeleton.option_prefix.is_empty() {
            return None;
        }
        let place = place.key("cmdarg").key("short");
        let mut chars = text.chars();
        match (chars.next(), chars.next()) {
            (Some(short), None) if short != '-' && is_option(short) => {
                self.faults.extend(self.options.claim(format!("-{short}"), variable, place, "short"));
                Some(short)
            }
            _ => {
                self.faults.push(Fault::new(place, format!("{text:?} cannot be a short option"), "give one letter or digit"));
                None
            }
        }
    }

    fn constants(&mut self, ty: TypeId) -> Constants {
        let layouts = &self.checked.layouts;
        let owned = || constants(layouts, ty).map(|(name, value)| (name.to_owned().into(), value)).collect();
        Arc::clone(self.constants.entry(layouts.btf.resolve(ty).0).or_insert_with(owned))
    }
}

/// Whether an option may have the character in its name.
fn is_option(c: char) -> bool {
    c != '=' && !c.is_whitespace() && is_shown(c)
}

/// The options that are taken, and by whom.
struct Options(BTreeMap<String, String>);

impl Default for Options {
    fn default() -> Self {
        Self(RESERVED.iter().map(|&option| (option.to_owned(), EVERY_PROGRAM.to_owned())).collect())
    }
}

impl Options {
    /// Gives the option to the variable; a fault where it has an owner.
    fn claim(&mut self, option: String, variable: &Variable, place: Place, key: &str) -> Option<Fault> {
        let name = &variable.name;
        if let Some(owner) = self.0.get(&option) {
            let what = format!("the option `{option}` of the variable `{name}` belongs to {owner}");
            return Some(Fault::new(place, what, format!("name another in `cmdarg.{key}`")));
        }
        self.0.insert(option, format!("the variable `{name}`"));
        None
    }
}
