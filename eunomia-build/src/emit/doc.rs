use proc_macro2::TokenStream;
use quote::{ToTokens, quote};

/// A doc comment of generated code, a line of text for each line of comment.
pub(super) struct Doc(pub(super) String);

impl ToTokens for Doc {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        for line in self.0.lines() {
            // A carriage return, say, would end the comment for the compiler.
            let line = format!(" {}", line.replace(char::is_control, " "));
            tokens.extend(quote!(#[doc = #line]));
        }
    }
}
