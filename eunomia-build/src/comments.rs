//! Finds the doc comments of a C source, and the declaration that each is about.
//!
//! It reads tokens, not C. Which name a declaration declares is answered by the object, whose
//! variables, maps and programs are known.

use crate::lexer::{Lexer, Line, Token};

/// A doc comment, and the words of the declaration that it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DocComment {
    /// The lines without the marks of the comment.
    pub(crate) lines: Vec<Line>,
    /// What the comment is about, or `None` if no declaration follows.
    pub(crate) on: Option<Declaration>,
    /// True between `#if` and `#endif`: the compiler may not have seen the declaration.
    pub(crate) is_conditional: bool,
}

/// The words of a declaration outside of its braces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Declaration {
    /// Names that the declaration may declare: identifiers outside of parentheses, and the first
    /// one inside, as in `BPF_PROG(name, ..)`. Tags of structs, unions and enums are left out.
    pub(crate) names: Vec<String>,
    /// True if it is in the section `license`.
    pub(crate) is_licence: bool,
}

/// The most names that all comments of a source may be about. A declaration may have many names,
/// and many comments.
const MOST_NAMES: usize = 1 << 20;

/// Returns the doc comments of a source in their order, or `None` if they are about more than
/// [`MOST_NAMES`] names.
pub(crate) fn doc_comments(source: &str) -> Option<Vec<DocComment>> {
    let mut parser = Parser::default();
    for (token, at) in Lexer::new(source) {
        parser.take(token, at);
    }
    parser.finish()
}

/// Attaches comments to declarations.
#[derive(Default)]
struct Parser {
    done: Vec<DocComment>,
    /// The comment before the declaration that is being read.
    pending: Option<DocComment>,
    /// The declaration that is being read.
    declaration: Open,
    /// The declaration before it, for comments that follow theirs.
    last: Option<Declaration>,
    /// Braces that are open.
    braces: usize,
    /// `#if`s that are open, apart from an include guard.
    conditions: usize,
    /// The number of names that comments are about.
    names: usize,
}

/// A declaration that is being read.
#[derive(Default)]
struct Open {
    words: Declaration,
    /// Parentheses and square brackets that are open.
    depth: usize,
    /// True right after an opening parenthesis.
    is_argument: bool,
    /// True after `struct`, `union` or `enum`.
    is_tag: bool,
    /// True after `=`: what follows is a value.
    is_value: bool,
    /// True after parameters, attributes aside.
    is_call: bool,
    /// The word before each open parenthesis.
    callers: Vec<String>,
    last_word: String,
    is_begun: bool,
    /// The number of names before the declarator that is being read: `int a, b` has two.
    declared: usize,
    /// True after the comma that ends a declarator.
    is_next: bool,
}

impl Open {
    /// Returns the words of the declarator that is being read or that the last comma ended.
    fn declarator(&self) -> Declaration {
        let names = self.words.names.get(self.declared..).unwrap_or_default().to_vec();
        Declaration { names, is_licence: self.words.is_licence }
    }

    fn word(&mut self, word: String) {
        self.is_begun = true;
        let is_name = !self.is_value && (self.depth == 0 || self.is_argument) && !self.is_tag;
        self.is_tag = matches!(word.as_str(), "struct" | "union" | "enum");
        if is_name && !self.is_tag {
            if std::mem::take(&mut self.is_next) {
                self.declared = self.words.names.len();
            }
            self.words.names.push(word.clone());
        }
        self.is_argument = false;
        self.is_call = false;
        self.last_word = word;
    }

    fn open(&mut self) {
        self.callers.push(std::mem::take(&mut self.last_word));
        self.depth += 1;
        self.is_argument = true;
    }

    fn close(&mut self, sign: char) {
        self.depth = self.depth.saturating_sub(1);
        let caller = self.callers.pop().unwrap_or_default();
        // `int f(void) SEC("x") {` is a function, `struct __attribute__((packed)) {` is none.
        self.is_call |= sign == ')' && !matches!(caller.as_str(), "SEC" | "__attribute__" | "");
        self.is_argument = false;
    }
}

impl Parser {
    fn take(&mut self, token: Token, at: (usize, usize)) {
        match token {
            Token::Doc { lines, is_trailing } => self.doc(lines, is_trailing, at),
            Token::Directive(name) => self.directive(&name),
            _ if self.braces > 0 && !matches!(token, Token::Sign('{' | '}')) => {}
            Token::Word(word) => self.declaration.word(word),
            Token::Text(text) => {
                let open = &mut self.declaration;
                let is_section = open
                    .callers
                    .iter()
                    .any(|caller| matches!(caller.as_str(), "SEC" | "section" | "__section__"));
                open.words.is_licence |= is_section && text == "license";
                open.is_argument = false;
            }
            Token::Sign(sign) => self.sign(sign),
        }
    }

    fn doc(&mut self, lines: Vec<Line>, is_trailing: bool, at: (usize, usize)) {
        let is_conditional = self.conditions > 0;
        if is_trailing {
            // `int x; ///< text`, or the same before the semicolon. `int x, ///< text` is about `x`.
            let on = match (self.braces, self.declaration.is_begun) {
                (0, true) => Some(self.declaration.declarator()),
                (0, false) => self.last.clone(),
                _ => None,
            };
            self.names += on.as_ref().map_or(0, |on| on.names.len());
            if self.names > MOST_NAMES {
                return;
            }
            self.done.push(DocComment { lines, on, is_conditional });
            return;
        }
        if self.braces > 0 || self.declaration.is_begun {
            self.done.push(DocComment { lines, on: None, is_conditional });
            return;
        }
        match &mut self.pending {
            // Comments of one line each are one comment if no line is between them.
            Some(before) if before.lines.last().is_some_and(|last| last.at.0 + 1 == at.0) => {
                before.lines.extend(lines);
            }
            _ => {
                self.drop_pending();
                self.pending = Some(DocComment { lines, on: None, is_conditional });
            }
        }
    }

    fn drop_pending(&mut self) {
        self.done.extend(self.pending.take());
    }

    fn directive(&mut self, name: &str) {
        match name {
            "if" | "ifdef" | "ifndef" => self.conditions += 1,
            "endif" => self.conditions = self.conditions.saturating_sub(1),
            _ => {}
        }
        if !self.declaration.is_begun && self.braces == 0 {
            self.drop_pending();
        }
    }

    fn sign(&mut self, sign: char) {
        let open = &mut self.declaration;
        match sign {
            '{' => {
                open.is_tag = false;
                if self.braces == 0 && open.is_call && !open.is_value && open.depth == 0 {
                    self.end();
                    // What follows the function's body is another declaration.
                    self.declaration = Open::default();
                }
                self.braces += 1;
            }
            '}' => self.braces = self.braces.saturating_sub(1),
            ';' if open.depth == 0 => self.end(),
            '(' | '[' => open.open(),
            ')' | ']' => open.close(sign),
            '=' => (open.is_value, open.is_call) = (open.depth == 0, false),
            ',' if open.depth == 0 => {
                (open.is_value, open.is_argument, open.is_next) = (false, false, true);
            }
            _ => open.is_argument = false,
        }
    }

    /// Ends a declaration.
    fn end(&mut self) {
        let words = std::mem::take(&mut self.declaration).words;
        if let Some(mut comment) = self.pending.take() {
            comment.on = Some(words.clone());
            self.done.push(comment);
        }
        self.last = Some(words);
    }

    fn finish(mut self) -> Option<Vec<DocComment>> {
        self.drop_pending();
        (self.names <= MOST_NAMES).then_some(self.done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the text of each comment and the names that it may be about.
    fn found(source: &str) -> Vec<(String, Vec<String>)> {
        let text = |comment: &DocComment| {
            let lines: Vec<&str> = comment.lines.iter().map(|line| line.text.as_str()).collect();
            lines.join("|")
        };
        let names = |comment: DocComment| comment.on.map(|on| on.names).unwrap_or_default();
        let comments = doc_comments(source).unwrap();
        comments.into_iter().map(|comment| (text(&comment), names(comment))).collect()
    }

    #[test]
    fn comments_belong_to_next_declaration() {
        let source = r#"
            // not a doc comment
            /// @cmdarg {"short": "p"}
            /// of two lines
            const volatile int pid = 0, other = {1};
            /** a map
             *  * indented
             */
            struct {
                /// a member
                int (*type)[27];
            } rb SEC(".maps");
            /*! a program */
            SEC("tp/x") int BPF_PROG(handle, struct file *pid) { /// inside
                return "}"[0]; }
            int last; ///< after it
            /// of nothing
        "#;
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let expected: [(&str, Vec<String>); 7] = [
            (
                "@cmdarg {\"short\": \"p\"}|of two lines",
                names(&["const", "volatile", "int", "pid", "other"]),
            ),
            ("a member", names(&[])),
            ("a map| * indented|", names(&["rb", "SEC"])),
            ("a program ", names(&["SEC", "int", "BPF_PROG", "handle"])),
            ("inside", names(&[])),
            ("after it", names(&["int", "last"])),
            ("of nothing", names(&[])),
        ];
        let found = found(source);
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for ((text, names), (expected, known)) in found.into_iter().zip(expected) {
            assert_eq!(
                (text.trim_end_matches('|').trim_end(), names),
                (expected.trim_end_matches('|').trim_end(), known)
            );
        }
    }

    #[test]
    fn strings_and_directives_are_skipped() {
        let source = "#define A \"{\" \\\n /* { */ {\n\
                      /// one\n#if X\n/// two\nint x = '{';\n#endif\n/// three\nint y[] = {1, 2};\n\
                      //// a rule\n/***/\n/// four\nchar LICENSE[] SEC(\"license\") = \"GPL\";";
        let comments = doc_comments(source).unwrap();
        let shown: Vec<_> = comments
            .iter()
            .map(|comment| {
                let on = comment.on.as_ref();
                (
                    comment.lines[0].text.as_str(),
                    on.is_some_and(|on| on.is_licence),
                    on.and_then(|on| on.names.get(1)).map(String::as_str),
                    comment.is_conditional,
                    comment.lines[0].at.0,
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                ("one", false, None, false, 3),
                ("two", false, Some("x"), true, 5),
                ("three", false, Some("y"), false, 8),
                ("four", true, Some("LICENSE"), false, 12),
            ]
        );
    }

    #[test]
    fn trailing_comments_belong_to_their_declarators() {
        let found = found("int a, ///< one\n  b ///< two\n, c = {1}; ///< three\n");
        let names: Vec<_> = found.iter().map(|(_, names)| names.join(" ")).collect();
        assert_eq!(names, ["int a", "b", "int a b c"]);
    }

    #[test]
    fn comments_of_many_names_are_refused() {
        let names: Vec<String> = (0..4096).map(|number| format!("v{number}")).collect();
        let many =
            |comments: usize| format!("int {}; {}", names.join(","), "///< x\n".repeat(comments));
        assert_eq!(doc_comments(&many(200)).unwrap().len(), 200);
        assert!(doc_comments(&many(20_000)).is_none());
        let of_each = format!("int {};", names.join(", ///< x\n"));
        assert_eq!(doc_comments(&of_each).unwrap().len(), 4095);
    }

    #[test]
    fn any_text_is_read() {
        for source in [
            "/**",
            "/***",
            "///",
            "//",
            "\"\\",
            "'",
            "#",
            "#\\",
            "/// a\n}}}};)",
            "/*",
            "{(",
            "é///<é",
        ] {
            doc_comments(source);
        }
    }
}
