//! C spellings of types, for documentation and for comparing the type names in a document with BTF.

use super::{
    btf::{Kind, TypeId},
    layout::Layouts,
};

/// Limits the spelling of pointer cycles that contain no named type.
const MAX_STEPS: u8 = 16;

impl Layouts {
    /// Returns the type as C spells it, for example `char[16]` or `struct event *`.
    pub fn c_name(&self, id: TypeId) -> String {
        self.declare(id, String::new(), MAX_STEPS)
    }

    /// Returns a C declaration of `name`, for example `char comm[16]` or `const char *const name`.
    pub fn c_declaration(&self, name: &str, id: TypeId) -> String {
        self.declare(id, name.to_owned(), MAX_STEPS)
    }

    /// Spells a declaration from the name outwards, as C declarators nest. `declarator` is the part
    /// around the name so far.
    fn declare(&self, id: TypeId, declarator: String, steps: u8) -> String {
        let (of, qualifiers) = self.qualifiers(id);
        let ty = self.btf.get(of);
        let Some(left) = steps.checked_sub(1) else { return join("..", &declarator) };
        let base = match &ty.kind {
            Kind::Pointer { to } => {
                let pointer = if qualifiers.is_empty() {
                    format!("*{declarator}")
                } else {
                    join(&format!("*{qualifiers}"), &declarator)
                };
                let binds_weaker =
                    matches!(self.btf.unmodified(*to).1.kind, Kind::Array { .. } | Kind::Prototype);
                return self.declare(
                    *to,
                    if binds_weaker { format!("({pointer})") } else { pointer },
                    left,
                );
            }
            Kind::Array { element, len } => {
                let array = self.declare(*element, format!("{declarator}[{len}]"), left);
                return if qualifiers.is_empty() { array } else { format!("{qualifiers} {array}") };
            }
            Kind::Variable { ty, .. } => return self.declare(*ty, declarator, left),
            Kind::Prototype => return join("void", &format!("{declarator}()")),
            Kind::Void => "void".to_owned(),
            Kind::Struct { .. } | Kind::Forward => tagged("struct", &ty.name),
            Kind::Union { .. } => tagged("union", &ty.name),
            Kind::Enum { .. } => tagged("enum", &ty.name),
            _ => ty.name.clone(),
        };
        let base = if qualifiers.is_empty() { base } else { format!("{qualifiers} {base}") };
        join(&base, &declarator)
    }

    /// Returns the unmodified type, and its modifiers that have a C keyword.
    fn qualifiers(&self, mut id: TypeId) -> (TypeId, String) {
        let mut words = Vec::new();
        while let Kind::Modifier { to, keyword } = self.btf.get(id).kind {
            // A repeated qualifier has no further effect.
            words.extend(
                Some(keyword).filter(|keyword| !keyword.is_empty() && !words.contains(keyword)),
            );
            id = to;
        }
        (id, words.join(" "))
    }

    /// Reports whether `text`, a type name that a compiler wrote into a document, is a spelling of
    /// type `id`.
    pub(crate) fn is_spelled(&self, id: TypeId, text: &str) -> bool {
        let bare = |text: &str| {
            let text = text.replace('*', " * ").replace('[', " [");
            let words: Vec<&str> = text
                .split_whitespace()
                .filter(|word| !matches!(*word, "const" | "volatile"))
                .collect();
            words.concat().replace("{..}", "")
        };
        let (_, resolved) = self.btf.resolve(id);
        if matches!(resolved.kind, Kind::Pointer { .. }) {
            // All pointers have the same layout, and their spellings differ between tools.
            return text.ends_with('*')
                || text.contains("(*")
                || bare(text) == bare(&self.c_name(id));
        }
        let (_, direct) = self.btf.unmodified(id);
        if direct.name.is_empty()
            && matches!(direct.kind, Kind::Struct { .. } | Kind::Union { .. } | Kind::Enum { .. })
        {
            // An anonymous type has no name to compare.
            return true;
        }
        let text = match bare(text).as_str() {
            "bool" => "_Bool".to_owned(),
            text => text.to_owned(),
        };
        let mut id = id;
        loop {
            let spelled = match bare(&self.c_name(id)).as_str() {
                "bool" => "_Bool".to_owned(),
                spelled => spelled.to_owned(),
            };
            if spelled == text {
                return true;
            }
            match self.btf.get(id).kind {
                Kind::Typedef { to } | Kind::Modifier { to, .. } => id = to,
                _ => return false,
            }
        }
    }
}

fn tagged(keyword: &str, name: &str) -> String {
    if name.is_empty() { format!("{keyword} {{..}}") } else { format!("{keyword} {name}") }
}

/// Appends a declarator to its type.
fn join(ty: &str, declarator: &str) -> String {
    let space = if declarator.is_empty() || declarator.starts_with('[') { "" } else { " " };
    format!("{ty}{space}{declarator}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const INT: u32 = 1;
    const POINTER: u32 = 2;
    const ARRAY: u32 = 3;
    const STRUCT: u32 = 4;
    const VOLATILE: u32 = 9;
    const CONST: u32 = 10;
    const PROTOTYPE: u32 = 13;

    /// Returns layouts for BTF with `char` as type 1, followed by `types`. Each entry is a kind and
    /// the id of the type that it refers to; the first entry is type 2.
    fn layouts(types: &[(u32, u32)]) -> Layouts {
        let strings = b"\0char\0event\0";
        let mut records = vec![1, INT << 24, 1, 1 << 24 | 8];
        for &(kind, of) in types {
            match kind {
                ARRAY => records.extend([0, kind << 24, 0, of, 1, 3]),
                STRUCT => records.extend([6, kind << 24, 0]),
                _ => records.extend([0, kind << 24, of]),
            }
        }
        let len = records.len() as u32 * 4;
        let mut words = vec![0x0001_eb9f, 24, 0, len, len, strings.len() as u32];
        words.extend(records);
        let mut bytes = words.into_iter().flat_map(u32::to_le_bytes).collect::<Vec<_>>();
        bytes.extend(strings);
        Layouts::from_btf(&bytes).unwrap()
    }

    /// Returns the spelling of the last type, and a declaration of `x` with this type.
    fn spelled(types: &[(u32, u32)]) -> [String; 2] {
        let id = TypeId(types.len() as u32 + 1);
        let layouts = layouts(types);
        [layouts.c_name(id), layouts.c_declaration("x", id)]
    }

    #[test]
    fn qualifiers_follow_their_pointer() {
        assert_eq!(spelled(&[(CONST, 1)]), ["const char", "const char x"]);
        assert_eq!(spelled(&[(POINTER, 1)]), ["char *", "char *x"]);
        assert_eq!(spelled(&[(CONST, 1), (POINTER, 2)]), ["const char *", "const char *x"]);
        assert_eq!(
            spelled(&[(CONST, 1), (POINTER, 2), (CONST, 3)]),
            ["const char *const", "const char *const x"]
        );
        assert_eq!(
            spelled(&[(POINTER, 1), (VOLATILE, 2), (CONST, 3)]),
            ["char *const volatile", "char *const volatile x"]
        );
        assert_eq!(
            spelled(&[(POINTER, 1), (CONST, 2), (POINTER, 3)]),
            ["char *const *", "char *const *x"]
        );
        assert_eq!(
            spelled(&[(STRUCT, 0), (CONST, 2), (POINTER, 3), (POINTER, 4)]),
            ["const struct event **", "const struct event **x"]
        );
    }

    #[test]
    fn arrays_and_functions_bind_tighter_than_pointers() {
        assert_eq!(spelled(&[(ARRAY, 1)]), ["char[3]", "char x[3]"]);
        assert_eq!(spelled(&[(ARRAY, 1), (ARRAY, 2)]), ["char[3][3]", "char x[3][3]"]);
        assert_eq!(spelled(&[(ARRAY, 1), (CONST, 2)]), ["const char[3]", "const char x[3]"]);
        assert_eq!(spelled(&[(POINTER, 1), (ARRAY, 2)]), ["char *[3]", "char *x[3]"]);
        assert_eq!(
            spelled(&[(POINTER, 1), (CONST, 2), (ARRAY, 3)]),
            ["char *const[3]", "char *const x[3]"]
        );
        assert_eq!(spelled(&[(ARRAY, 1), (POINTER, 2)]), ["char (*)[3]", "char (*x)[3]"]);
        assert_eq!(spelled(&[(PROTOTYPE, 0), (POINTER, 2)]), ["void (*)()", "void (*x)()"]);
        assert_eq!(
            spelled(&[(PROTOTYPE, 0), (POINTER, 2), (CONST, 3), (ARRAY, 4)]),
            ["void (*const[3])()", "void (*const x[3])()"]
        );
    }

    #[test]
    fn pointer_cycle_terminates() {
        assert_eq!(spelled(&[(POINTER, 2)])[1], format!(".. {}x", "*".repeat(16)));
    }

    #[test]
    fn spellings_of_other_tools_match() {
        let layouts = layouts(&[(POINTER, 1), (CONST, 2), (ARRAY, 3)]);
        for text in ["char *const[3]", "char * const [3]", "const char *[3]", "char*[3]"] {
            assert!(layouts.is_spelled(TypeId(4), text), "{text}");
        }
        assert!(!layouts.is_spelled(TypeId(4), "char *[4]"));
    }
}
