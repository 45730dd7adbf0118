//! Doc comments of generated code.

use eunomia_runtime::{__private::is_shown, object::annotations};
use proc_macro2::TokenStream;
use quote::{ToTokens, quote};

/// A doc comment of generated code, always on one line. Names and texts of a document must not
/// start a code block, which rustdoc would run as a test, nor change the direction of text, which
/// the compiler refuses in comments.
pub(super) struct Doc(pub(super) String);

impl ToTokens for Doc {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let line = format!(" {}", self.0.replace(|c: char| !is_shown(c), " ").trim_start());
        tokens.extend(quote!(#[doc = #line]));
    }
}

/// Returns C code or a name as inline code. A backtick in it cannot end the code.
pub(super) fn code(text: &str) -> String {
    format!("`{}`", text.replace('`', "'"))
}

/// Returns a text of the document with its Markdown escaped, except code in single backticks.
/// Otherwise rustdoc would take HTML and links of the document into its pages.
pub(super) fn prose(text: &str) -> String {
    let mut prose = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('`') {
        escape(before, &mut prose);
        rest = match after.split_once('`') {
            Some((inside, after)) if !inside.is_empty() => {
                prose.push_str(&code(inside));
                after
            }
            _ => {
                prose.push_str("\\`");
                after
            }
        };
    }
    escape(rest, &mut prose);
    prose
}

fn escape(text: &str, out: &mut String) {
    let mut before = None;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let marks = match letter {
            '<' | '>' | '&' | '*' | '[' | ']' | '\\' | '~' => true,
            // An underscore inside a word is not Markdown.
            '_' => ![before, letters.peek().copied()]
                .iter()
                .all(|beside| beside.is_some_and(char::is_alphanumeric)),
            _ => false,
        };
        if marks {
            out.push('\\');
        }
        out.push(letter);
        before = Some(letter);
    }
}

/// Returns a text with the declaration tags (`btf_decl_tag`) of the item appended. Of those of
/// `eunomia.bpf.h`, only the format is not told elsewhere.
pub(super) fn tagged(mut text: String, tags: &[String]) -> String {
    for tag in tags {
        match annotations::parse(tag) {
            Some(("format", format)) => text.push_str(&format!("; shown as {}", code(format))),
            Some(_) => {}
            None => text.push_str(&format!("; tagged {}", code(tag))),
        }
    }
    text
}

/// Returns a text with the description of the item appended.
pub(super) fn described(text: String, description: Option<&str>) -> String {
    match description {
        Some(description) => format!("{text}: {}", prose(description)),
        None => text,
    }
}

/// Returns a size as text.
pub(super) fn bytes(size: u64) -> String {
    if size == 1 { "1 byte".to_owned() } else { format!("{size} bytes") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_no_markdown() {
        for (text, expected) in [
            ("plain, ro_u8: 1.5 - (x)!", "plain, ro_u8: 1.5 - (x)!"),
            ("<script>a&b</script>", r"\<script\>a\&b\</script\>"),
            ("[x](y) *z* ~~w~~", r"\[x\](y) \*z\* \~\~w\~\~"),
            ("_a_ __b__ c_d e__f", r"\_a\_ \_\_b\_\_ c_d e\_\_f"),
            (r"\<b>", r"\\\<b\>"),
            ("of `char *` <", r"of `char *` \<"),
            ("a ` <b>", r"a \` \<b\>"),
            ("```<b>```", r"\`\``<b>`\`\`"),
            ("", ""),
        ] {
            assert_eq!(prose(text), expected);
        }
        assert_eq!(code("a` <b>"), "`a' <b>`");
    }
}
