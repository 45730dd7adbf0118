//! The variables that the command line can set and their options, as the document declares them,
//! checked against the object.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use serde_json::Value as Json;

use super::Checked;
use crate::{
    args::{Arg, Command, Scalar},
    error::{Diagnostic, Found, JsonPath},
    object::{
        DataSection, Kind, TypeId, Variable, elf,
        encode::{constants, encode, scalar},
    },
    plain::is_shown,
    skeleton::model,
};

/// A variable that the command line can set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument<'a> {
    /// The section of the variable.
    pub section: &'a DataSection,
    /// The variable.
    pub variable: &'a Variable,
    /// The value without the option, as the bytes of the type: `cmdarg.default`, else `value`, else
    /// the value in the object.
    pub default: Vec<u8>,
    /// The value that the object is opened with: `value`, else the value in the object.
    pub opened: Vec<u8>,
    /// The option.
    pub arg: Arg,
}

/// The maximum length of a string option, which is `PATH_MAX` of Linux. Larger `char` arrays are
/// memory of the program.
const MAX_TEXT: u32 = 4096;

/// The maximum number of constants of an enum with an option. Help shows them all, and a damaged
/// object can have any number.
const MAX_CONSTANTS: usize = 1024;

/// The maximum length of an option name, and of the name of a variable with an option, which help
/// shows as well. It is the length of a kernel symbol. A document can contain longer names, but
/// help is formatted in columns, and no column may be 65,535 wide.
const MAX_NAME: usize = 128;

/// The owner of the options in [`RESERVED`].
const EVERY_PROGRAM: &str = "every program";

/// The options that every program has or that an application may expect to be free, as in other
/// loaders of the format.
const RESERVED: [&str; 5] = ["--help", "-h", "--version", "-V", "--verbose"];

impl Checked {
    /// Returns the variables that the command line can set. Invalid options are faults: a name that
    /// is invalid or already used, a default that is not a value of the type, a type that options
    /// do not support.
    pub(crate) fn arguments(&self, diagnostics: &mut Found) -> Vec<Argument<'_>> {
        let place = self.skeleton.skel_place().key("data_sections");
        let described = self.described(&place);
        let headers: HashMap<&str, &elf::Section> =
            self.layouts.elf.sections.iter().map(|header| (header.name.as_str(), header)).collect();
        let mut reader = Reader {
            checked: self,
            options: Options::default(),
            constants: HashMap::new(),
            diagnostics: Found::default(),
        };
        let mut arguments = Vec::new();
        let prefix = &self.skeleton.option_prefix;
        if prefix.starts_with('-') || !prefix.chars().all(is_option) || prefix.len() > MAX_NAME {
            let what = format!("{prefix:?} is not a valid option prefix");
            reader.diagnostics.push(Diagnostic::new(
                JsonPath::default(),
                what,
                "use letters, digits and dashes, without the leading dashes: `net-`",
            ));
        }
        for section in &self.sections {
            let header = headers.get(section.name.as_str()).copied();
            for variable in section.variables.iter().filter(|variable| !variable.is_dummy()) {
                let (place, known) =
                    match described.get(&(section.name.as_str(), variable.name.as_str())) {
                        Some((place, known)) => (place, Some(*known)),
                        None => (&place, None),
                    };
                let in_object = header.and_then(|header| self.value_in_object(header, variable));
                let read = reader.argument(section, variable, known, place, in_object);
                arguments.extend(read.map(|(default, opened, arg)| Argument {
                    section,
                    variable,
                    default,
                    opened,
                    arg,
                }));
            }
        }
        diagnostics.append(reader.diagnostics);
        arguments
    }

    /// Returns the options of `arguments`, with the texts of the document.
    #[doc(hidden)]
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

    /// Returns the document's descriptions of variables, by section and name.
    fn described(&self, place: &JsonPath) -> HashMap<(&str, &str), (JsonPath, &model::Variable)> {
        let mut described = HashMap::new();
        for (i, section) in self.skeleton.sections.iter().enumerate() {
            let place = place.index(i).key("variables");
            for (j, variable) in section.variables.iter().enumerate() {
                described.insert(
                    (section.name.as_str(), variable.name.as_str()),
                    (place.index(j), variable),
                );
            }
        }
        described
    }

    /// Returns the bytes that a variable is loaded with: the value in the document, else the value
    /// in the object. Returns `None` if the object ends before the value.
    #[cfg(feature = "cli")]
    pub(crate) fn initial(
        &self,
        section: &DataSection,
        variable: &Variable,
        setup: &super::Setup<'_>,
    ) -> Option<Vec<u8>> {
        if let Some(given) = setup.values.iter().find(|value| value.variable.id == variable.id) {
            return Some(given.bytes.clone());
        }
        let header = self.layouts.elf.sections.iter().find(|header| header.name == section.name)?;
        self.value_in_object(header, variable)
    }

    /// Returns the value of a variable in the object, or `None` if the file ends before it.
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
    diagnostics: Found,
}

type Constants = Arc<[(Cow<'static, str>, i128)]>;

impl Reader<'_> {
    /// Returns the default, the initial value and the option of a variable that the document
    /// describes at `place`.
    fn argument(
        &mut self,
        section: &DataSection,
        variable: &Variable,
        described: Option<&model::Variable>,
        place: &JsonPath,
        in_object: Option<Vec<u8>>,
    ) -> Option<(Vec<u8>, Vec<u8>, Arg)> {
        let (layouts, name) = (&self.checked.layouts, &variable.name);
        let cmdarg = described.and_then(|described| described.arg.clone()).unwrap_or_default();
        let value = described.and_then(|described| described.value.as_ref());
        let asked = cmdarg != model::CmdArg::default();
        if !asked && !self.gets_option(section, variable, value.is_some()) {
            return None;
        }
        let Some(scalar) = self.option_type(variable).filter(|_| !section.is_kconfig()) else {
            if asked {
                let what = format!(
                    "an option cannot set variable `{name}` of type `{}`",
                    layouts.c_name(variable.ty)
                );
                let todo = if section.is_kconfig() {
                    "remove the key: the value comes from the kernel configuration"
                } else if name.len() > MAX_NAME {
                    "remove the key: an option needs a variable name of at most 128 bytes"
                } else {
                    "remove the key: options support numbers, booleans, enums and strings of at most 4095 bytes"
                };
                self.diagnostics.push(Diagnostic::new(place.key("cmdarg"), what, todo));
            }
            return None;
        };
        let default = match (&cmdarg.default, value) {
            (Some(default), _) => encode(layouts, variable.ty, default).map_err(|why| {
                self.diagnostics.push(Diagnostic::new(place.key("cmdarg").key("default"), why, ""));
            }),
            // A bad value is reported once, with the initial values.
            (None, Some(value)) => encode(layouts, variable.ty, value).map_err(drop),
            (None, None) => in_object.clone().ok_or_else(|| {
                let what = format!("the object ends before the value of variable `{name}`");
                self.diagnostics.push(Diagnostic::new(
                    JsonPath::default(),
                    what,
                    "copy or compile the object again",
                ));
            }),
        };
        let opened = value.and_then(|value| encode(layouts, variable.ty, value).ok()).or(in_object);
        let text = default
            .as_ref()
            .ok()
            .map(|default| scalar.text(default, constants(layouts, variable.ty)));
        let long = self.long(variable, &cmdarg, place, |plain| match (scalar, text.as_deref()) {
            // Named after the action, as in other loaders of the format. A variable without an
            // explicit `false` gets an option with its plain name, which switches it on.
            (Scalar::Bool(_), Some("true")) => format!("disable-{plain}"),
            (Scalar::Bool(_), Some("false")) if cmdarg.default.is_some() || value.is_some() => {
                format!("enable-{plain}")
            }
            _ => plain.to_owned(),
        });
        let short = cmdarg.short.as_deref().and_then(|short| self.short(variable, short, place));
        let help = cmdarg.help.or_else(|| described?.description.clone()).unwrap_or_else(|| {
            let ty = described.map_or_else(
                || layouts.c_name(layouts.btf.unmodified(variable.ty).0),
                |described| described.ty.clone(),
            );
            format!("Set value of `{ty}` variable {name}")
        });
        let default = default.ok()?;
        let written = match cmdarg.default.as_ref().or(value) {
            Some(Json::String(text)) => Some(text.clone()),
            Some(Json::Number(number)) => Some(number.to_string()),
            _ => None,
        };
        // Some defaults cannot be shown: text that is not UTF-8 or continues after its NUL cannot
        // be written as an argument, control characters would affect the terminal, and empty text
        // would be invisible.
        let exact = |text: &String| {
            scalar.parse(text, constants(layouts, variable.ty)).as_ref() == Ok(&default)
        };
        let shown = match scalar {
            Scalar::Bool(_) => text,
            _ => written
                .or(text)
                .filter(|text| !text.is_empty() && !text.contains(char::is_control) && exact(text)),
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

    /// Reports whether a variable without a `cmdarg` gets an option: a constant (`const volatile`),
    /// or a variable with an initial value. Other variables are memory of the program, and so are
    /// counters of lost records. A variable whose name is not a valid option gets none.
    fn gets_option(&self, section: &DataSection, variable: &Variable, has_value: bool) -> bool {
        let name = variable.name.as_str();
        let counts = self.checked.streams.iter().filter_map(|stream| stream.dropped.as_ref());
        let is_counter = name == "dropped"
            || name
                .strip_suffix("_dropped")
                .is_some_and(|map| self.checked.maps.iter().any(|known| known.name == map))
            || counts.into_iter().any(|dropped| {
                (&dropped.section, dropped.offset) == (&section.name, variable.offset)
            });
        let option = format!("--{}{name}", self.checked.skeleton.option_prefix);
        // Variables of several files may have the same name. Any other option with this name is a
        // fault of the document.
        let owner = self.options.0.get(&option).map_or("", String::as_str);
        let is_taken = owner == EVERY_PROGRAM || owner == format!("variable `{name}`");
        let can_be =
            !name.is_empty() && !name.starts_with('-') && name.chars().all(is_option) && !is_taken;
        let starts =
            [".rodata", ".data"].iter().any(|kind| section.name.starts_with(kind)) || has_value;
        starts && !is_counter && can_be
    }

    /// Returns the type of the variable's option, or `None` if it cannot have one: Rust has no
    /// numbers of odd sizes, and names must have a reasonable length.
    fn option_type(&self, variable: &Variable) -> Option<Scalar> {
        if variable.name.len() > MAX_NAME {
            return None;
        }
        let layouts = &self.checked.layouts;
        let scalar = scalar(layouts, variable.ty)?;
        let fits = match scalar {
            Scalar::Text(size) => (1..=MAX_TEXT).contains(&size),
            Scalar::Bool(size) => size == 1,
            Scalar::Float(size) => matches!(size, 4 | 8),
            Scalar::Signed(16) | Scalar::Unsigned(16) => {
                !matches!(layouts.btf.resolve(variable.ty).1.kind, Kind::Enum { .. })
            }
            Scalar::Signed(size) | Scalar::Unsigned(size) => {
                matches!(size, 1 | 2 | 4 | 8)
                    && constants(layouts, variable.ty).count() <= MAX_CONSTANTS
            }
        };
        fits.then_some(scalar)
    }

    /// Returns the long option, which `prefixed` derives from its plain name.
    fn long(
        &mut self,
        variable: &Variable,
        cmdarg: &model::CmdArg,
        place: &JsonPath,
        prefixed: impl FnOnce(&str) -> String,
    ) -> String {
        let (plain, place) = match &cmdarg.long {
            Some(long) => (long, place.key("cmdarg").key("long")),
            None => (&variable.name, place.key("name")),
        };
        let long = format!("{}{}", self.checked.skeleton.option_prefix, prefixed(plain));
        if plain.is_empty() || plain.starts_with('-') || !plain.chars().all(is_option) {
            let what = format!("{plain:?} is not a valid option name");
            self.diagnostics.push(Diagnostic::new(
                place,
                what,
                "set another in `cmdarg.long`, without leading dashes",
            ));
        } else if plain.len() > MAX_NAME {
            // A name of this length is not repeated in the message.
            let what = format!("the option name is {} bytes long", plain.len());
            self.diagnostics.push(Diagnostic::new(
                place,
                what,
                format!("set another of at most {MAX_NAME} bytes in `cmdarg.long`"),
            ));
        } else {
            self.diagnostics.extend(self.options.claim(
                format!("--{long}"),
                variable,
                place,
                "long",
            ));
        }
        long
    }

    fn short(&mut self, variable: &Variable, text: &str, place: &JsonPath) -> Option<char> {
        // Short options of several objects in one program would collide.
        if !self.checked.skeleton.option_prefix.is_empty() {
            return None;
        }
        let place = place.key("cmdarg").key("short");
        let mut chars = text.chars();
        match (chars.next(), chars.next()) {
            (Some(short), None) if short != '-' && is_option(short) => {
                self.diagnostics.extend(self.options.claim(
                    format!("-{short}"),
                    variable,
                    place,
                    "short",
                ));
                Some(short)
            }
            _ => {
                self.diagnostics.push(Diagnostic::new(
                    place,
                    format!("{text:?} is not a valid short option"),
                    "use one letter or digit",
                ));
                None
            }
        }
    }

    fn constants(&mut self, ty: TypeId) -> Constants {
        let layouts = &self.checked.layouts;
        let owned = || {
            constants(layouts, ty).map(|(name, value)| (name.to_owned().into(), value)).collect()
        };
        Arc::clone(self.constants.entry(layouts.btf.resolve(ty).0).or_insert_with(owned))
    }
}

/// Reports whether an option name may contain the character.
fn is_option(c: char) -> bool {
    c != '=' && !c.is_whitespace() && is_shown(c)
}

/// The options in use, with their owners.
struct Options(BTreeMap<String, String>);

impl Default for Options {
    fn default() -> Self {
        Self(RESERVED.iter().map(|&option| (option.to_owned(), EVERY_PROGRAM.to_owned())).collect())
    }
}

impl Options {
    /// Assigns the option to the variable, or returns a fault if it has an owner.
    fn claim(
        &mut self,
        option: String,
        variable: &Variable,
        place: JsonPath,
        key: &str,
    ) -> Option<Diagnostic> {
        let name = &variable.name;
        if let Some(owner) = self.0.get(&option) {
            let what = format!("option `{option}` of variable `{name}` is already used by {owner}");
            return Some(Diagnostic::new(place, what, format!("set another in `cmdarg.{key}`")));
        }
        self.0.insert(option, format!("variable `{name}`"));
        None
    }
}
