//! Tests of relocations against types that the tests encode.

use super::*;

/// Types encoded as in BTF, and their names.
#[derive(Default)]
struct Section {
    types: Vec<u32>,
    names: Vec<u8>,
}

impl Section {
    fn new() -> Self {
        // Type 1 is `int`.
        Self { names: vec![0], ..Self::default() }.with(1, "int", 4, &[], &[0x0100_0020])
    }

    fn name(&mut self, name: &str) -> u32 {
        if name.is_empty() {
            return 0;
        }
        let at = u32::try_from(self.names.len()).unwrap();
        self.names.extend(name.bytes().chain([0]));
        at
    }

    /// Adds a type with members or constants, each a name and a few numbers, or with numbers
    /// alone.
    fn with(
        mut self,
        kind: u32,
        name: &str,
        size: u32,
        members: &[(&str, &[u32])],
        numbers: &[u32],
    ) -> Self {
        let name = self.name(name);
        self.types.extend([name, kind << 24 | u32::try_from(members.len()).unwrap(), size]);
        for (name, numbers) in members {
            let name = self.name(name);
            self.types.push(name);
            self.types.extend(*numbers);
        }
        self.types.extend(numbers);
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let (types, names) = (
            u32::try_from(self.types.len() * 4).unwrap(),
            u32::try_from(self.names.len()).unwrap(),
        );
        let words =
            [0x0001_eb9f, 24, 0, types, types, names].into_iter().chain(self.types.iter().copied());
        words.flat_map(u32::to_le_bytes).chain(self.names.iter().copied()).collect()
    }
}

const POINTER: u32 = 2;
const ARRAY: u32 = 3;
const STRUCT: u32 = 4;
const UNION: u32 = 5;
const ENUM: u32 = 6;

fn local() -> Btf {
    let section = Section::new()
        .with(ARRAY, "", 0, &[], &[1, 1, 4])
        .with(
            STRUCT,
            "s___old",
            28,
            &[("a", &[1, 0]), ("items", &[2, 32]), ("gone", &[1, 160]), ("changed", &[1, 192])],
            &[],
        )
        .with(ENUM, "e", 4, &[("ONE", &[1]), ("TWO", &[2])], &[])
        .with(STRUCT, "nowhere", 4, &[("a", &[1, 0])], &[])
        .with(STRUCT, "", 4, &[("a", &[1, 0])], &[]);
    Btf::parse(&section.bytes()).unwrap()
}

fn kernel() -> Kernel {
    let section = Section::new()
        .with(ARRAY, "", 0, &[], &[1, 1, 2])
        .with(POINTER, "", 0, &[], &[])
        .with(UNION, "", 4, &[("a", &[1, 0]), ("b", &[1, 0])], &[])
        .with(STRUCT, "s", 24, &[("", &[4, 0]), ("items", &[2, 32]), ("changed", &[3, 128])], &[])
        .with(ENUM, "e", 4, &[("ONE", &[7])], &[]);
    Kernel::of(KernelTypes::parse(&section.bytes()).unwrap())
}

fn relocation(kind: RelocationKind, ty: u32, access: &[u32]) -> Relocation {
    Relocation { section: 0, index: 0, offset: 0, kind, ty: TypeId(ty), access: access.to_vec() }
}

#[test]
fn relocations_resolve_by_rules_of_libbpf() {
    use RelocationKind::{
        EnumvalValue, FieldByteOffset, FieldExists, TypeExists, TypeIdLocal, TypeMatches, TypeSize,
    };
    let (local, kernel) = (local(), kernel());
    let missing = |why: &str| Outcome::Missing(why.to_owned());
    for (kind, ty, access, expected) in [
        // In a union without a name.
        (FieldByteOffset, 3, &[0, 0][..], Outcome::Found),
        (FieldByteOffset, 3, &[0, 1, 1], Outcome::Found),
        (
            FieldByteOffset,
            3,
            &[0, 1, 3],
            missing(
                "`items[3]` of `struct s` is out of bounds: the array has 2 elements in this kernel",
            ),
        ),
        (FieldExists, 3, &[0, 2], missing("`struct s` has no member `gone` in this kernel")),
        (
            FieldByteOffset,
            3,
            &[0, 3],
            missing("the member `changed` of `struct s` has another type in this kernel"),
        ),
        (
            FieldByteOffset,
            3,
            &[0, 1, 4],
            Outcome::Broken(
                "the relocation refers to a member missing from its local type".to_owned(),
            ),
        ),
        (
            FieldByteOffset,
            3,
            &[0, 9],
            Outcome::Broken(
                "the relocation refers to a member missing from its local type".to_owned(),
            ),
        ),
        (
            FieldByteOffset,
            3,
            &[],
            Outcome::Broken(
                "the relocation refers to a member missing from its local type".to_owned(),
            ),
        ),
        (
            FieldByteOffset,
            6,
            &[0, 0],
            Outcome::Broken(
                "the relocation refers to an anonymous type, which libbpf cannot look up"
                    .to_owned(),
            ),
        ),
        (TypeIdLocal, 6, &[0], Outcome::Found),
        (TypeExists, 3, &[0], Outcome::Found),
        (TypeSize, 5, &[0], missing("no `struct nowhere` in this kernel")),
        (TypeMatches, 3, &[0], Outcome::Untold("its members are not compared".to_owned())),
        (EnumvalValue, 4, &[0], Outcome::Found),
        (EnumvalValue, 4, &[1], missing("`enum e` has no constant `TWO` in this kernel")),
        (
            EnumvalValue,
            4,
            &[2],
            Outcome::Broken(
                "the relocation refers to a constant missing from its local enum".to_owned(),
            ),
        ),
    ] {
        assert_eq!(
            resolve(&local, &relocation(kind, ty, access), &kernel),
            expected,
            "{kind:?} {ty} {access:?}"
        );
    }
}

#[test]
fn subjects_are_in_c_notation() {
    use RelocationKind::{EnumvalExists, FieldExists, TypeExists};
    let local = local();
    let subject = |kind, ty, access: &[u32]| subject(&local, &relocation(kind, ty, access));
    assert_eq!(subject(FieldExists, 3, &[0, 1, 3]), "struct s.items[3]");
    assert_eq!(subject(EnumvalExists, 4, &[1]), "TWO of enum e");
    assert_eq!(subject(TypeExists, 5, &[0]), "struct nowhere");
}
