//! The options of variables: names, defaults and help, from the document or by convention.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use serde_json::Value as Json;

use super::{Argument, Checked};
use crate::{
    args::{Arg, Scalar},
    error::{Diagnostic, Found, JsonPath},
    object::{
        DataSection, Kind, TypeId, Variable,
        encode::{constants, encode, scalar},
    },
    plain::is_shown,
    skeleton::model,
};

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

/// A variable, and what the document and the object say about it.
pub(super) struct Entry<'a> {
    pub(super) section: &'a DataSection,
    pub(super) variable: &'a Variable,
    /// Its description in the document.
    pub(super) described: Option<&'a model::Variable>,
    /// The place of the description, or of all of them if it has none.
    pub(super) place: JsonPath,
    /// Its bytes in the object, or `None` if the file ends before them.
    pub(super) in_object: Option<Vec<u8>>,
}

impl<'a> Entry<'a> {
    fn arg(&self) -> Option<&'a model::CmdArg> {
        self.described?.arg.as_ref()
    }

    fn value(&self) -> Option<&'a Json> {
        self.described?.value.as_ref()
    }

    /// Returns the default as the document gives it.
    fn written(&self) -> Option<&'a Json> {
        self.arg().and_then(|arg| arg.default.as_ref()).or(self.value())
    }
}

/// Reads options one by one.
pub(super) struct Reader<'a> {
    checked: &'a Checked,
    options: Options,
    constants: HashMap<TypeId, Constants>,
    pub(super) diagnostics: Found,
}

type Constants = Arc<[(Cow<'static, str>, i128)]>;

impl<'a> Reader<'a> {
    pub(super) fn new(checked: &'a Checked) -> Self {
        let mut reader = Self {
            checked,
            options: Options::default(),
            constants: HashMap::new(),
            diagnostics: Found::default(),
        };
        reader.check_prefix();
        reader
    }

    fn check_prefix(&mut self) {
        let prefix = &self.checked.skeleton.option_prefix;
        if prefix.starts_with('-') || !prefix.chars().all(is_option) || prefix.len() > MAX_NAME {
            let (what, todo) = match prefix.len() {
                // A prefix of this length is not repeated in the message.
                len if len > MAX_NAME => (
                    format!("the option prefix is {len} bytes long"),
                    format!("use at most {MAX_NAME} bytes"),
                ),
                _ => (
                    format!("{prefix:?} is not a valid option prefix"),
                    "use letters, digits and dashes, without the leading dashes: `net-`".to_owned(),
                ),
            };
            self.diagnostics.push(Diagnostic::new(JsonPath::default(), what, todo));
        }
    }

    /// Returns the variable with its values and its option, or `None` if the command line cannot
    /// set it.
    pub(super) fn argument(&mut self, entry: Entry<'a>) -> Option<Argument<'a>> {
        let layouts = &self.checked.layouts;
        let ty = entry.variable.ty;
        let scalar = self.scalar(&entry)?;
        let default = self.default_value(&entry);
        let opened = entry.value().and_then(|value| encode(layouts, ty, value).ok());
        let text = default.as_ref().map(|default| scalar.text(default, constants(layouts, ty)));
        let long = self.long(&entry, scalar, text.as_deref());
        let short = self.short(&entry);
        let default = default?;
        let shown = self.shown(&entry, scalar, &default, text);
        let arg = Arg {
            variable: entry.variable.name.clone().into(),
            long: long.into(),
            short,
            help: self.help(&entry).into(),
            scalar,
            constants: self.constants(ty),
            default: shown.map(Into::into),
        };
        let Entry { section, variable, in_object, .. } = entry;
        let opened = opened.or(in_object).unwrap_or_else(|| default.clone());
        Some(Argument { section, variable, default, opened, arg })
    }

    /// Returns the type of the option, or `None` if the variable gets no option.
    fn scalar(&mut self, entry: &Entry<'_>) -> Option<Scalar> {
        let Entry { section, variable, .. } = entry;
        if entry.arg().is_some_and(|arg| arg.hidden == Some(true)) {
            return None;
        }
        let asked = entry.arg().is_some_and(|arg| *arg != model::CmdArg::default());
        if !asked && !self.gets_option(section, variable, entry.value().is_some()) {
            return None;
        }
        let scalar = self.option_type(variable).filter(|_| !section.is_kconfig());
        if scalar.is_none() && asked {
            let name = &variable.name;
            let what = format!(
                "an option cannot set variable `{name}` of type `{}`",
                self.checked.layouts.c_name(variable.ty)
            );
            let todo = if section.is_kconfig() {
                "remove the key: the value comes from the kernel configuration"
            } else if name.len() > MAX_NAME {
                "remove the key: an option needs a variable name of at most 128 bytes"
            } else {
                "remove the key: options support numbers, booleans, enums and strings of at most 4095 bytes"
            };
            self.diagnostics.push(Diagnostic::new(entry.place.key("cmdarg"), what, todo));
        }
        scalar
    }

    /// Returns the value without the option, as the bytes of the type.
    fn default_value(&mut self, entry: &Entry<'_>) -> Option<Vec<u8>> {
        let (layouts, ty) = (&self.checked.layouts, entry.variable.ty);
        let default = entry.arg().and_then(|arg| arg.default.as_ref());
        match (default, entry.value()) {
            (Some(default), _) => match encode(layouts, ty, default) {
                Ok(bytes) => Some(bytes),
                Err(why) => {
                    let place = entry.place.key("cmdarg").key("default");
                    self.diagnostics.push(Diagnostic::new(place, why, ""));
                    None
                }
            },
            // A bad value is reported once, with the initial values.
            (None, Some(value)) => encode(layouts, ty, value).ok(),
            (None, None) => entry.in_object.clone().or_else(|| {
                let name = &entry.variable.name;
                let what = format!("the object ends before the value of variable `{name}`");
                self.diagnostics.push(Diagnostic::new(
                    JsonPath::default(),
                    what,
                    "copy or compile the object again",
                ));
                None
            }),
        }
    }

    /// Returns the default that help shows, in the words of the document if it has any.
    ///
    /// Some defaults cannot be shown: text that is not UTF-8 or continues after its NUL cannot be
    /// written as an argument, control characters would affect the terminal, and empty text would
    /// be invisible.
    fn shown(
        &self,
        entry: &Entry<'_>,
        scalar: Scalar,
        default: &[u8],
        text: Option<String>,
    ) -> Option<String> {
        if matches!(scalar, Scalar::Bool(_)) {
            return text;
        }
        let written = match entry.written() {
            Some(Json::String(text)) => Some(text.clone()),
            Some(Json::Number(number)) => Some(number.to_string()),
            _ => None,
        };
        let constants = || constants(&self.checked.layouts, entry.variable.ty);
        let exact =
            |text: &String| scalar.parse(text, constants()).is_ok_and(|bytes| bytes == default);
        written
            .or(text)
            .filter(|text| !text.is_empty() && !text.contains(char::is_control) && exact(text))
    }

    fn help(&self, entry: &Entry<'_>) -> String {
        let given = entry.arg().and_then(|arg| arg.help.clone());
        given.or_else(|| entry.described?.description.clone()).unwrap_or_else(|| {
            let (layouts, variable) = (&self.checked.layouts, entry.variable);
            let ty = entry.described.map_or_else(
                || layouts.c_name(layouts.btf.unmodified(variable.ty).0),
                |described| described.ty.clone(),
            );
            format!("Set value of `{ty}` variable {}", variable.name)
        })
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

    /// Returns the long option, given the text of the default.
    fn long(&mut self, entry: &Entry<'_>, scalar: Scalar, default: Option<&str>) -> String {
        let (plain, place) = match entry.arg().and_then(|arg| arg.long.as_ref()) {
            Some(long) => (long, entry.place.key("cmdarg").key("long")),
            None => (&entry.variable.name, entry.place.key("name")),
        };
        // An option of a boolean is named after its action, as in other loaders of the format. A
        // variable without an explicit `false` gets an option with its plain name, which switches
        // it on.
        let action = match (scalar, default) {
            (Scalar::Bool(_), Some("true")) => "disable-",
            (Scalar::Bool(_), Some("false")) if entry.written().is_some() => "enable-",
            _ => "",
        };
        let long = format!("{}{action}{plain}", self.checked.skeleton.option_prefix);
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
                entry.variable,
                place,
                "long",
            ));
        }
        long
    }

    fn short(&mut self, entry: &Entry<'_>) -> Option<char> {
        let text = entry.arg()?.short.as_deref()?;
        // Short options of several objects in one program would collide.
        if !self.checked.skeleton.option_prefix.is_empty() {
            return None;
        }
        let place = entry.place.key("cmdarg").key("short");
        let mut chars = text.chars();
        match (chars.next(), chars.next()) {
            (Some(short), None) if short != '-' && is_option(short) => {
                self.diagnostics.extend(self.options.claim(
                    format!("-{short}"),
                    entry.variable,
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
