//! Formatting of generated code.

use proc_macro2::TokenStream;
use syn::{File, Item};

use crate::Error;

/// Returns the tokens as the text of a formatted file.
///
/// # Errors
/// [`Error::Tokens`] if the tokens are not Rust, which is a bug of the generator.
pub fn format(tokens: TokenStream) -> Result<String, Error> {
    let mut file: File = syn::parse2(tokens).map_err(|error| Error::Tokens(error.to_string()))?;
    let mut bodies = Vec::new();
    take_bodies(&mut file.items, &mut bodies)?;
    Ok(put_back(&prettyplease::unparse(&file), bodies))
}

/// The macros whose arguments are items.
const OF_ITEMS: [&str; 5] = ["__args", "__columns", "__lifecycle", "__serde", "plain"];

/// Takes the items out of macro calls and formats them separately, because the formatter leaves the
/// arguments of macros unchanged.
fn take_bodies(items: &mut [Item], bodies: &mut Vec<(&'static str, String)>) -> Result<(), Error> {
    for item in items {
        match item {
            Item::Mod(module) => {
                if let Some((_, items)) = &mut module.content {
                    take_bodies(items, bodies)?;
                }
            }
            Item::Macro(call) => {
                let last = call.mac.path.segments.last();
                let Some(name) =
                    OF_ITEMS.into_iter().find(|name| last.is_some_and(|last| last.ident == name))
                else {
                    continue;
                };
                let tokens = std::mem::take(&mut call.mac.tokens);
                let body: File =
                    syn::parse2(tokens).map_err(|error| Error::Tokens(error.to_string()))?;
                bodies.push((name, prettyplease::unparse(&body)));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Puts the bodies, in order, into the empty calls that the formatter printed, indented one step
/// deeper.
fn put_back(text: &str, bodies: Vec<(&str, String)>) -> String {
    let mut out = String::with_capacity(2 * text.len());
    let mut bodies = bodies
        .into_iter()
        .map(|(name, body)| (format!("::eunomia_runtime::{name}! {{}}"), body))
        .peekable();
    for line in text.lines() {
        // A call is alone on its line; a comment may end with the same text.
        let called = bodies.next_if(|(call, _)| {
            line.strip_suffix(call).is_some_and(|indent| indent.trim().is_empty())
        });
        let Some((call, body)) = called else {
            out.extend([line, "\n"]);
            continue;
        };
        let indent = line.strip_suffix(&call).unwrap_or_default();
        out.extend([line.trim_end_matches('}'), "\n"]);
        for line in body.lines() {
            if !line.is_empty() {
                out.extend([indent, "    ", line]);
            }
            out.push('\n');
        }
        out.extend([indent, "}\n"]);
    }
    out
}
