//! Demangling of C++ and Rust names, bounded because a symbol table may hold names that would grow
//! without end.

use std::{borrow::Cow, fmt};

use crate::plain;

/// The longest name that is demangled, in bytes; longer names are truncated.
const LONGEST: usize = 4096;

/// Returns a C++ or Rust name as its source has it, and any other name unchanged. It is one line
/// without characters that move a terminal: whoever made the file chose the name, and apps print it.
pub(super) fn demangled(name: &str) -> String {
    let name = made(name);
    match plain::line(&name) {
        Cow::Borrowed(_) => name,
        Cow::Owned(line) => line,
    }
}

fn made(name: &str) -> String {
    if name.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|at| name.is_char_boundary(*at)).unwrap_or(0);
        return format!("{}...", name.get(..end).unwrap_or_default());
    }
    // Mangled names have this prefix. Without it a name would be read as a type: `f` as `float`.
    let made = name.starts_with('_').then(|| rust(name).or_else(|| cpp(name))).flatten();
    made.unwrap_or_else(|| name.to_owned())
}

fn rust(name: &str) -> Option<String> {
    let name = rustc_demangle::try_demangle(name).ok()?;
    let mut out = Bounded(String::new());
    // The alternate form omits the hash.
    fmt::write(&mut out, format_args!("{name:#}")).ok()?;
    Some(out.0)
}

fn cpp(name: &str) -> Option<String> {
    let symbol = cpp_demangle::Symbol::new(name).ok()?;
    let mut out = Bounded(String::new());
    symbol.structured_demangle(&mut out, &cpp_demangle::DemangleOptions::default()).ok()?;
    Some(out.0)
}

/// A string that refuses to exceed the limit: a mangled name may refer to parts of itself and
/// double with each letter.
struct Bounded(String);

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() + text.len() > LONGEST {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn demangled_handles_cpp_and_rust() {
        for name in ["main", "f", "i", "Pc", "St6vector"] {
            assert_eq!(demangled(name), name);
        }
        assert_eq!(demangled("_ZN5space3fooEibc"), "space::foo(int, bool, char)");
        assert_eq!(demangled("_ZN4core3fmt5write17h0123456789abcdefE"), "core::fmt::write");
    }

    #[test]
    fn names_move_no_terminal() {
        assert_eq!(demangled("f\u{1b}[31m\nsshd;main 99"), "f\\u{1b}[31m\\nsshd;main 99");
        assert_eq!(demangled("größe"), "größe");
    }

    #[test]
    fn demangled_keeps_names_that_would_grow_too_long() {
        // Each template argument list holds the previous one twice.
        let mut name = "_Z1f1AI1BS0_E".to_owned();
        for number in 1..36 {
            let digit = char::from_digit(number, 36).unwrap().to_ascii_uppercase();
            name += &format!("S_IS{digit}_S{digit}_E");
        }
        assert_eq!(demangled(&name), name);
        assert_eq!(demangled(&"é".repeat(LONGEST)).len(), LONGEST + 3);
    }
}
