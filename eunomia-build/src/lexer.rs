//! Splits C into tokens: comments, strings, preprocessor lines and brackets are all that must be
//! told apart.

use std::{iter::Peekable, str::CharIndices};

/// A line of a comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) text: String,
    /// The line and column of the text in the file, both from 1.
    pub(crate) at: (usize, usize),
}

/// A token that matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    Doc {
        lines: Vec<Line>,
        is_trailing: bool,
    },
    /// The name of a preprocessor directive.
    Directive(String),
    Word(String),
    Text(String),
    Sign(char),
}

/// Splits a source into tokens, each with its line and column.
pub(crate) struct Lexer<'a> {
    chars: Peekable<CharIndices<'a>>,
    line: usize,
    column: usize,
    /// True if only spaces came before on this line.
    is_first: bool,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(source: &'a str) -> Self {
        Self { chars: source.char_indices().peekable(), line: 1, column: 1, is_first: true }
    }

    fn peek(&mut self) -> Option<char> {
        self.chars.peek().map(|(_, c)| *c)
    }

    fn bump(&mut self) -> Option<char> {
        let (_, c) = self.chars.next()?;
        match c {
            '\n' => (self.line, self.column, self.is_first) = (self.line + 1, 1, true),
            c => {
                self.column += c.len_utf8();
                self.is_first &= c.is_whitespace();
            }
        }
        Some(c)
    }

    fn bump_if(&mut self, wanted: char) -> bool {
        self.peek() == Some(wanted) && self.bump().is_some()
    }

    fn at(&self) -> (usize, usize) {
        (self.line, self.column)
    }

    fn word(&mut self, first: char) -> String {
        let mut word = String::from(first);
        while let Some(c) = self.peek().filter(|c| c.is_alphanumeric() || *c == '_' || *c == '$') {
            word.push(c);
            self.bump();
        }
        word
    }

    /// Reads to the end of a string or character.
    fn quoted(&mut self, quote: char) -> String {
        let mut text = String::new();
        while let Some(c) = self.peek().filter(|c| *c != '\n') {
            self.bump();
            match c {
                '\\' => {
                    text.push(c);
                    text.extend(self.bump());
                }
                c if c == quote => break,
                c => text.push(c),
            }
        }
        text
    }

    /// Reads a preprocessor line, which may continue on the next ones, up to its end.
    fn directive(&mut self) -> String {
        while self.peek().is_some_and(|c| c == ' ' || c == '\t') {
            self.bump();
        }
        let name = match self.peek() {
            Some(c) if c.is_alphabetic() => {
                self.bump();
                self.word(c)
            }
            _ => String::new(),
        };
        while let Some(c) = self.peek().filter(|c| *c != '\n') {
            self.bump();
            match c {
                '\\' => {
                    self.bump_if('\r');
                    self.bump_if('\n');
                }
                '"' | '\'' if name != "error" && name != "warning" => {
                    self.quoted(c);
                }
                '/' if self.peek() == Some('*') => {
                    self.bump();
                    self.block();
                }
                '/' if self.peek() == Some('/') => {
                    self.rest_of_line();
                }
                _ => {}
            }
        }
        name
    }

    /// Reads what is left of the line. A backslash at its end does not continue a doc comment.
    fn rest_of_line(&mut self) -> Line {
        let at = self.at();
        let mut text = String::new();
        while let Some(c) = self.peek().filter(|c| *c != '\n') {
            text.push(c);
            self.bump();
        }
        Line { text, at }
    }

    /// Reads the lines of a block comment after its `/*`.
    fn block(&mut self) -> Vec<Line> {
        let mut lines = vec![Line { text: String::new(), at: self.at() }];
        while let Some(c) = self.bump() {
            if c == '*' && self.bump_if('/') {
                break;
            }
            match (c, lines.last_mut()) {
                ('\n', _) => lines.push(Line { text: String::new(), at: self.at() }),
                (c, Some(line)) => line.text.push(c),
                (_, None) => {}
            }
        }
        lines
    }

    /// Reads a comment after its first slash, and returns it if it is a doc comment.
    fn comment(&mut self) -> Option<Token> {
        if self.bump_if('/') {
            let line = self.rest_of_line();
            let (mark, text) = line.text.split_at_checked(1)?;
            // Four slashes are a rule between parts of a file.
            if !matches!(mark, "/" | "!") || (mark == "/" && text.starts_with('/')) {
                return None;
            }
            let (is_trailing, skipped) = if text.starts_with('<') { (true, 2) } else { (false, 1) };
            return Some(Token::Doc { lines: vec![line.skip(skipped).bare()], is_trailing });
        }
        self.bump();
        let mut lines = self.block();
        let first = lines.first_mut()?;
        let is_doc = first.text.starts_with(['*', '!'])
            // `/***/` and `/*** .. ***/` are rules.
            && !first.text.starts_with("**")
            && !(first.text == "*" && lines.len() == 1);
        if !is_doc {
            return None;
        }
        let first = lines.first_mut()?;
        let is_trailing = first.text.get(1..).is_some_and(|text| text.starts_with('<'));
        *first = first.clone().skip(if is_trailing { 2 } else { 1 }).bare();
        let lines = lines.into_iter().enumerate().map(|(i, line)| match i {
            0 => line,
            _ => line.without_star(),
        });
        Some(Token::Doc { lines: lines.collect(), is_trailing })
    }
}

impl Line {
    /// Removes bytes at the start.
    fn skip(self, bytes: usize) -> Self {
        let text = self.text.get(bytes..).unwrap_or_default().to_owned();
        Self { text, at: (self.at.0, self.at.1 + bytes) }
    }

    /// Removes one space at the start, and those at the end.
    fn bare(self) -> Self {
        let line = if self.text.starts_with(' ') { self.skip(1) } else { self };
        Self { text: line.text.trim_end().to_owned(), at: line.at }
    }

    /// Removes the star with which lines of a block comment begin.
    fn without_star(self) -> Self {
        let spaces = self.text.len() - self.text.trim_start().len();
        match self.text.trim_start().starts_with('*') {
            true => self.skip(spaces + 1).bare(),
            false => self.skip(spaces.min(1)).bare(),
        }
    }
}

impl Iterator for Lexer<'_> {
    type Item = (Token, (usize, usize));

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (at, is_first) = (self.at(), self.is_first);
            let c = self.bump()?;
            let token = match c {
                '/' if matches!(self.peek(), Some('/' | '*')) => match self.comment() {
                    Some(doc) => doc,
                    None => continue,
                },
                '#' if is_first => Token::Directive(self.directive()),
                '"' => Token::Text(self.quoted('"')),
                '\'' => {
                    self.quoted('\'');
                    continue;
                }
                c if c.is_alphabetic() || c == '_' => Token::Word(self.word(c)),
                c if c.is_ascii_digit() => {
                    self.word(c);
                    continue;
                }
                c if c.is_whitespace() => continue,
                c => Token::Sign(c),
            };
            return Some((token, at));
        }
    }
}
