use proc_macro2::TokenStream;
use quote::{ToTokens, quote};

/// A doc comment of generated code: one line, whatever the text holds. Names and texts of a document must not be able to start a block
/// of code, which rustdoc would run as a test.
pub(super) struct Doc(pub(super) String);

impl ToTokens for Doc {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let line = format!(" {}", self.0.replace(char::is_control, " ").trim_start());
        tokens.extend(quote!(#[doc = #line]));
    }
}

/// A text with the declaration tags (`btf_decl_tag`) of what it describes.
pub(super) fn tagged(mut text: String, tags: &[String]) -> String {
    for tag in tags {
        text.push_str(&format!("; tagged `{}`", tag.replace('`', "'")));
    }
    text
}
