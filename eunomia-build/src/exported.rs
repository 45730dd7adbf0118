//! Export headers: every struct that the header defines is an export type, as for eunomia-bpf's
//! compiler.

use std::{collections::HashSet, path::Path};

use crate::{
    Error, files,
    lexer::{Lexer, Token},
};

/// Returns a pointer to each struct that the headers define. The pointers bring the structs into
/// BTF, and name them as export types.
pub(crate) fn pointers(headers: &[impl AsRef<Path>]) -> Result<String, Error> {
    let mut text = String::new();
    for header in headers {
        let header = header.as_ref();
        let found = defined(&String::from_utf8_lossy(&files::read(header)?));
        if found.is_empty() {
            let message =
                format!("{} defines no struct with a tag, so it exports nothing", header.display());
            return Err(Error::Config(message));
        }
        for name in found {
            text.push_str(&format!(
                "const volatile struct {name} *__eunomia_dummy_{name}_ptr __attribute__((unused));\n"
            ));
        }
    }
    Ok(text)
}

/// Returns C that includes a source and has declarations after it.
pub(crate) fn wrapped(source: &Path, declarations: &str) -> Result<String, Error> {
    let source = std::path::absolute(source).unwrap_or_else(|_| source.to_owned());
    let path = source.to_str().filter(|path| !path.contains(['"', '\\', '\n']));
    let Some(path) = path else {
        let message = format!(
            "cannot compile {} with an export header: C cannot include its path; rename the folder",
            source.display()
        );
        return Err(Error::Config(message));
    };
    Ok(format!("#include \"{path}\"\n{declarations}"))
}

/// Returns the tags of the structs that a header defines outside of others.
fn defined(header: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut seen = HashSet::new();
    let mut braces = 0usize;
    let mut before: [Option<String>; 2] = [None, None];
    for (token, _) in Lexer::new(header) {
        let word = match token {
            Token::Doc { .. } | Token::Directive(_) => continue,
            Token::Sign('{') => {
                if let ([Some(keyword), Some(tag)], 0) = (&before, braces)
                    && keyword == "struct"
                    && seen.insert(tag.clone())
                {
                    found.push(tag.clone());
                }
                braces += 1;
                None
            }
            Token::Sign('}') => {
                braces = braces.saturating_sub(1);
                None
            }
            Token::Word(word) => Some(word),
            Token::Sign(_) | Token::Text(_) => None,
        };
        before = [before[1].take(), word];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structs_with_tags_are_exported() {
        let header = "\
#ifndef X /* struct a { */
// struct b {
struct outer { struct inner { int x; } x; };
typedef struct { int y; } nameless;
enum e { E }; union u { int z; };
struct forward;
struct event *f(struct outer *o);
extern \"C\" struct
  second
{ int a; };
struct second;
#endif
";
        assert_eq!(defined(header), ["outer", "second"]);
    }
}
