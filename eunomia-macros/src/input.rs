//! The macro's arguments.

use std::{env, fs, path::PathBuf};

use proc_macro2::{Ident, Span, TokenStream};
use syn::{
    Error, LitStr, Result, Token,
    ext::IdentExt as _,
    parenthesized,
    parse::{Parse, ParseStream},
    punctuated::Punctuated,
};

/// `"path" [, mod = name] [, object = "path"] [, events(map = "type", ..)] [, debug = "path"]`
pub(crate) struct Input {
    pub(crate) skeleton: Path,
    pub(crate) module: Option<Ident>,
    pub(crate) object: Option<Path>,
    pub(crate) debug: Option<Path>,
    /// Maps and the C types of their records.
    pub(crate) events: Vec<(String, String)>,
}

/// A file, as the user wrote it and where it is.
pub(crate) struct Path {
    pub(crate) text: String,
    pub(crate) span: Span,
    pub(crate) file: PathBuf,
}

impl Parse for Input {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut parsed = Self { skeleton: input.parse()?, module: None, object: None, debug: None, events: Vec::new() };
        while !input.is_empty() {
            input.parse::<Token![,]>()?;
            if input.is_empty() {
                break;
            }
            let option = input.call(Ident::parse_any)?;
            if option == "events" {
                let list;
                parenthesized!(list in input);
                let pairs = Punctuated::<NamedEvent, Token![,]>::parse_terminated(&list)?;
                parsed.events.extend(pairs.into_iter().map(|NamedEvent(map, c_type)| (map, c_type)));
                continue;
            }
            input.parse::<Token![=]>()?;
            let again = match option.to_string().as_str() {
                "mod" => parsed.module.replace(input.call(Ident::parse_any)?).is_some(),
                "object" => parsed.object.replace(input.parse()?).is_some(),
                "debug" => parsed.debug.replace(input.parse()?).is_some(),
                other => {
                    return Err(Error::new(
                        option.span(),
                        format!("unknown option `{other}`; expected `mod`, `object`, `events` or `debug`"),
                    ));
                }
            };
            if again {
                return Err(Error::new(option.span(), format!("the option `{option}` is given twice")));
            }
        }
        Ok(parsed)
    }
}

/// `map = "struct event"`; a map whose name is no identifier is given as a string.
struct NamedEvent(String, String);

impl Parse for NamedEvent {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let map = if input.peek(LitStr) {
            input.parse::<LitStr>()?.value()
        } else {
            input.call(Ident::parse_any)?.to_string().trim_start_matches("r#").to_owned()
        };
        input.parse::<Token![=]>()?;
        Ok(Self(map, input.parse::<LitStr>()?.value()))
    }
}

impl Parse for Path {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let literal: LitStr = input.parse()?;
        let (text, span) = (literal.value(), literal.span());
        let variable = |name: &str| {
            env::var_os(name)
                .map(PathBuf::from)
                .ok_or_else(|| Error::new(span, format!("${name} is not set here; it is set for packages that have a build script")))
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
        fs::read(&self.file).map_err(|error| {
            Error::new(self.span, format!("cannot read {}: {error}; paths are relative to the package's Cargo.toml", self.text))
        })
    }

    #[cfg(feature = "debug")]
    pub(crate) fn write(&self, module: TokenStream) -> Result<()> {
        let text = eunomia_build::format(module).map_err(|error| Error::new(self.span, error.to_string()))?;
        fs::write(&self.file, text).map_err(|error| Error::new(self.span, format!("cannot write {}: {error}", self.text)))
    }

    #[cfg(not(feature = "debug"))]
    pub(crate) fn write(&self, _: TokenStream) -> Result<()> {
        Err(Error::new(self.span, "`debug` needs the feature of this name: eunomia-macros = { version = \"..\", features = [\"debug\"] }"))
    }
}
