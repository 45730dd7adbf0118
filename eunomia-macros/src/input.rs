//! The macro's arguments.

use std::{env, path::PathBuf};

use eunomia_build::EventType;
use proc_macro2::{Ident, Span, TokenStream};
use syn::{
    Error, LitBool, LitInt, LitStr, Result, Token, braced,
    ext::IdentExt as _,
    parenthesized,
    parse::{Parse, ParseStream},
    punctuated::Punctuated,
};

/// The arguments of `include_skeleton!`.
///
/// `"path" [, mod = name] [, object = "path"]
/// [, events(map = "type", map = match member { value => "type", .. }, ..)] [, types("type", ..)]
/// [, programs(program = "section", ..)] [, args(prefix = "text")] [, stale = true]
/// [, debug = "path"]`
pub(crate) struct Input {
    pub(crate) skeleton: Path,
    pub(crate) module: Option<Ident>,
    pub(crate) object: Option<Path>,
    pub(crate) debug: Option<Path>,
    /// Maps with the C types of their records.
    pub(crate) events: Vec<(String, EventType)>,
    /// C types that the module defines in any case.
    pub(crate) types: Vec<String>,
    /// Programs with the sections that name their types.
    pub(crate) programs: Vec<(String, String)>,
    /// True if a skeleton that is older than its C source is accepted.
    pub(crate) stale: Option<bool>,
    /// The prefix of the options in `Args`.
    pub(crate) args_prefix: Option<LitStr>,
}

/// The names of the options, each with an example of its form. The error of [`known`] and the docs
/// of `include_skeleton!` list them, too.
const OPTIONS: [(&str, &str); 8] = [
    ("mod", "mod = name"),
    ("object", "object = \"x.bpf.o\""),
    ("events", "events(map = \"struct event\")"),
    ("types", "types(\"struct config\")"),
    ("programs", "programs(program = \"xdp\")"),
    ("args", "args(prefix = \"net-\")"),
    ("stale", "stale = true"),
    ("debug", "debug = \"x.rs\""),
];

/// A file: its path as the user wrote it, and resolved.
pub(crate) struct Path {
    pub(crate) text: String,
    pub(crate) span: Span,
    pub(crate) file: PathBuf,
}

impl Parse for Input {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut parsed = Self {
            skeleton: input
                .parse()
                .map_err(|error| with_form(error, "include_skeleton!(\"x.json\")"))?,
            module: None,
            object: None,
            debug: None,
            events: Vec::new(),
            types: Vec::new(),
            programs: Vec::new(),
            stale: None,
            args_prefix: None,
        };
        let mut given = Vec::new();
        while !input.is_empty() {
            input.parse::<Token![,]>()?;
            if input.is_empty() {
                break;
            }
            let option =
                input.call(Ident::parse_any).map_err(|error| with_form(error, "mod = name"))?;
            let form = known(&option)?;
            if given.contains(&option) {
                return Err(Error::new(
                    option.span(),
                    format!("the option `{option}` is given twice"),
                ));
            }
            parsed.option(&option, input).map_err(|error| with_form(error, form))?;
            given.push(option);
        }
        Ok(parsed)
    }
}

impl Input {
    /// Parses the part of an option after its name.
    fn option(&mut self, option: &Ident, input: ParseStream<'_>) -> Result<()> {
        match option.to_string().as_str() {
            "events" => {
                let list;
                parenthesized!(list in input);
                for NamedEvent { map, span, event } in
                    Punctuated::<NamedEvent, Token![,]>::parse_terminated(&list)?
                {
                    if self.events.iter().any(|(known, _)| *known == map) {
                        let message = format!(
                            "the map `{map}` is given twice; use `match` for records of several types"
                        );
                        return Err(Error::new(span, message));
                    }
                    self.events.push((map, event));
                }
                return Ok(());
            }
            "types" => {
                let list;
                parenthesized!(list in input);
                let types = Punctuated::<LitStr, Token![,]>::parse_terminated(&list)?;
                self.types = types.iter().map(LitStr::value).collect();
                return Ok(());
            }
            "programs" => {
                let list;
                parenthesized!(list in input);
                for NamedProgram { program, span, section } in
                    Punctuated::<NamedProgram, Token![,]>::parse_terminated(&list)?
                {
                    if self.programs.iter().any(|(known, _)| *known == program) {
                        return Err(Error::new(
                            span,
                            format!("the program `{program}` is given twice"),
                        ));
                    }
                    self.programs.push((program, section));
                }
                return Ok(());
            }
            "args" => {
                let list;
                parenthesized!(list in input);
                let key = list.call(Ident::parse_any)?;
                if key != "prefix" {
                    return Err(Error::new(
                        key.span(),
                        format!("unknown option `{key}` of `args`; expected `prefix`"),
                    ));
                }
                list.parse::<Token![=]>()?;
                self.args_prefix = Some(list.parse()?);
                list.parse::<Option<Token![,]>>()?;
                return if list.is_empty() { Ok(()) } else { Err(list.error("expected `)`")) };
            }
            _ => {}
        }
        input.parse::<Token![=]>()?;
        match option.to_string().as_str() {
            "mod" => self.module = Some(module(input)?),
            "object" => self.object = Some(input.parse()?),
            "stale" => self.stale = Some(input.parse::<LitBool>()?.value),
            _ => self.debug = Some(input.parse()?),
        }
        Ok(())
    }
}

/// Adds the expected form to an error of the parser.
fn with_form(error: Error, form: &str) -> Error {
    let text = error.to_string();
    // The parser's errors begin like this: `unexpected end of input, expected ..`
    let is_parsers = ["expected ", "unexpected "].iter().any(|start| text.starts_with(start));
    if is_parsers { Error::new(error.span(), format!("{text}; write `{form}`")) } else { error }
}

/// Returns the form of an option. The error for an unknown option names a similar one.
fn known(option: &Ident) -> Result<&'static str> {
    let name = option.to_string();
    if let Some((_, written)) = OPTIONS.iter().find(|(known, _)| *known == name) {
        return Ok(written);
    }
    let near = match name.as_str() {
        "module" | "name" => Some("mod"),
        "prefix" => Some("args"),
        other => eunomia_build::near(other, OPTIONS.iter().map(|(known, _)| *known)),
    };
    let similar = near.and_then(|near| OPTIONS.iter().find(|(known, _)| *known == near));
    let todo = match similar {
        Some((_, written)) => format!("did you mean `{written}`?"),
        None => {
            "expected `mod`, `object`, `events`, `types`, `programs`, `args`, `stale` or `debug`"
                .to_owned()
        }
    };
    Err(Error::new(option.span(), format!("unknown option `{name}`; {todo}")))
}

/// `program = "section"`. A program whose name is not an identifier is written as a string.
struct NamedProgram {
    program: String,
    span: Span,
    section: String,
}

impl Parse for NamedProgram {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let span = input.span();
        let program =
            if input.peek(LitStr) { input.parse::<LitStr>()?.value() } else { name(input)? };
        input.parse::<Token![=]>()?;
        Ok(Self { program, span, section: input.parse::<LitStr>()?.value() })
    }
}

/// `map = "struct event"`, or `map = match member { 1 => "struct event", .. }`. A map whose name is
/// not an identifier is written as a string.
struct NamedEvent {
    map: String,
    span: Span,
    event: EventType,
}

impl Parse for NamedEvent {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let span = input.span();
        let map = if input.peek(LitStr) { input.parse::<LitStr>()?.value() } else { name(input)? };
        input.parse::<Token![=]>()?;
        let next = input.lookahead1();
        if next.peek(LitStr) {
            return Ok(Self { map, span, event: EventType::One(input.parse::<LitStr>()?.value()) });
        }
        if !next.peek(Token![match]) {
            return Err(next.error());
        }
        input.parse::<Token![match]>()?;
        let mut member = name(input)?;
        while input.parse::<Option<Token![.]>>()?.is_some() {
            member = format!("{member}.{}", name(input)?);
        }
        let arms;
        braced!(arms in input);
        let arms = Punctuated::<Arm, Token![,]>::parse_terminated(&arms)?;
        let types = arms.into_iter().map(|Arm(value, c_type)| (value, c_type)).collect();
        Ok(Self { map, span, event: EventType::Tagged { member, types } })
    }
}

/// `1 => "struct event"`. The value may be negative, or the name of a constant.
struct Arm(String, String);

impl Parse for Arm {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let next = input.lookahead1();
        let value = if next.peek(LitInt) {
            input.parse::<LitInt>()?.base10_digits().to_owned()
        } else if next.peek(Token![-]) {
            input.parse::<Token![-]>()?;
            format!("-{}", input.parse::<LitInt>()?.base10_digits())
        } else if next.peek(Ident::peek_any) {
            name(input)?
        } else {
            return Err(next.error());
        };
        input.parse::<Token![=>]>()?;
        Ok(Self(value, input.parse::<LitStr>()?.value()))
    }
}

/// Parses a module's name: an identifier or a keyword that can be a raw identifier.
fn module(input: ParseStream<'_>) -> Result<Ident> {
    let name = input.call(Ident::parse_any)?;
    match name.to_string().as_str() {
        "self" | "Self" | "super" | "crate" | "_" => {
            Err(Error::new(name.span(), format!("`{name}` cannot name a module")))
        }
        _ => Ok(name),
    }
}

/// Parses a C name, which may be a keyword of Rust.
fn name(input: ParseStream<'_>) -> Result<String> {
    Ok(input.call(Ident::parse_any)?.to_string().trim_start_matches("r#").to_owned())
}

impl Parse for Path {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let literal: LitStr = input.parse()?;
        let (text, span) = (literal.value(), literal.span());
        let variable = |name: &str| {
            env::var_os(name).map(PathBuf::from).ok_or_else(|| {
                Error::new(
                    span,
                    format!(
                        "${name} is not set here; it is set for packages that have a build script"
                    ),
                )
            })
        };
        let file = match text.strip_prefix("$OUT_DIR/") {
            Some(rest) => variable("OUT_DIR")?.join(rest),
            None => variable("CARGO_MANIFEST_DIR")?.join(&text),
        };
        Ok(Self { text, span, file })
    }
}

impl Path {
    pub(crate) fn read(&self) -> Result<Vec<u8>> {
        eunomia_build::read(&self.file).map_err(|error| {
            let todo = match error.kind() {
                std::io::ErrorKind::IsADirectory => "name a file in it",
                _ => "paths are relative to the package's Cargo.toml",
            };
            Error::new(self.span, format!("cannot read {}: {error}; {todo}", self.text))
        })
    }

    #[cfg(feature = "debug")]
    pub(crate) fn write(&self, module: TokenStream) -> Result<()> {
        let text = eunomia_build::format(module)
            .map_err(|error| Error::new(self.span, error.to_string()))?;
        std::fs::write(&self.file, text)
            .map_err(|error| Error::new(self.span, format!("cannot write {}: {error}", self.text)))
    }

    #[cfg(not(feature = "debug"))]
    pub(crate) fn write(&self, _: TokenStream) -> Result<()> {
        Err(Error::new(
            self.span,
            "`debug` needs the feature `debug` of this crate: eunomia-macros = { version = \"..\", features = [\"debug\"] }",
        ))
    }
}
