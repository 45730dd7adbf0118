//! The generated text, formatted.

use proc_macro2::TokenStream;
use syn::{File, Item};

use crate::Error;

/// The tokens as a formatted file.
///
/// # Errors
/// [`Error::Tokens`] where they are no Rust, which is a bug of the generator.
pub fn format(tokens: TokenStream) -> Result<String, Error> {
    let mut file: File = syn::parse2(tokens).map_err(|error| Error::Tokens(error.to_string()))?;
    let mut bodies = Vec::new();
    take_bodies(&mut file.items, &mut bodies)?;
    let mut text = prettyplease::unparse(&file);
    for (name, body) in bodies {
        text = put_back(&text, &format!("::eunomia_runtime::{name}! {{}}"), &body);
    }
    Ok(text)
}

/// The macros whose arguments are items that stand there or not.
const CONDITIONS: [&str; 2] = ["__args", "__lifecycle"];

/// The formatter leaves the arguments of macros as they are; so items in them are formatted apart.
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
                let Some(name) = CONDITIONS.into_iter().find(|name| last.is_some_and(|last| last.ident == name)) else { continue };
                let tokens = std::mem::take(&mut call.mac.tokens);
                let body: File = syn::parse2(tokens).map_err(|error| Error::Tokens(error.to_string()))?;
                bodies.push((name, prettyplease::unparse(&body)));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Puts a body into the first call that the formatter printed as `empty`, indented one step deeper.
fn put_back(text: &str, empty: &str, body: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2 * body.len());
    let mut body = Some(body);
    for line in text.lines() {
        match (line.strip_suffix(empty), body) {
            // Nothing but the macro stands on its line; a comment may end like it.
            (Some(indent), Some(items)) if indent.trim().is_empty() => {
                body = None;
                out.push_str(indent);
                out.push_str(empty.trim_end_matches('}'));
                out.push('\n');
                for line in items.lines() {
                    if !line.is_empty() {
                        out.push_str(indent);
                        out.push_str("    ");
                        out.push_str(line);
                    }
                    out.push('\n');
                }
                out.push_str(indent);
                out.push_str("}\n");
            }
            _ => {
                out.push_str(line);
                out.push('\n');
            }
        }
    }
    out
}
