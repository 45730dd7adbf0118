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
    take_lifecycles(&mut file.items, &mut bodies)?;
    let mut text = prettyplease::unparse(&file);
    for body in bodies {
        text = put_back(&text, &body);
    }
    Ok(text)
}

/// The formatter leaves the arguments of macros as they are, and the lifecycle is one; so its items are formatted apart.
fn take_lifecycles(items: &mut [Item], bodies: &mut Vec<String>) -> Result<(), Error> {
    for item in items {
        match item {
            Item::Mod(module) => {
                if let Some((_, items)) = &mut module.content {
                    take_lifecycles(items, bodies)?;
                }
            }
            Item::Macro(call) if call.mac.path.segments.last().is_some_and(|last| last.ident == "__lifecycle") => {
                let tokens = std::mem::take(&mut call.mac.tokens);
                let body: File = syn::parse2(tokens).map_err(|error| Error::Tokens(error.to_string()))?;
                bodies.push(prettyplease::unparse(&body));
            }
            _ => {}
        }
    }
    Ok(())
}

/// A lifecycle whose items were taken, as the formatter prints it.
const EMPTY: &str = "::eunomia_runtime::__lifecycle! {}";

/// Puts a body into the first lifecycle that is still empty, indented one step deeper.
fn put_back(text: &str, body: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2 * body.len());
    let mut body = Some(body);
    for line in text.lines() {
        match (line.strip_suffix(EMPTY), body) {
            // Nothing but the macro stands on its line; a comment may end like it.
            (Some(indent), Some(items)) if indent.trim().is_empty() => {
                body = None;
                out.push_str(indent);
                out.push_str(EMPTY.trim_end_matches('}'));
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
