//! Objects that would make libbpf read or write foreign memory, or take gigabytes. They are refused
//! before libbpf sees them.

use eunomia_build::Skeleton;

use super::costs::{
    CHAR, EXTERN, FUNCTION, INT, Section, assert_refused, btf, code, data, license, object,
    relocated, section, symbol,
};

const VARIABLE: u8 = 0x11;

/// Returns a section of relocations, each with its offset and symbol, of the section `of`.
fn relocations<'a>(name: &'a str, of: u32, list: &[(u64, u64)]) -> Section<'a> {
    let words = list.iter().flat_map(|(offset, symbol)| [*offset, symbol << 32 | 1]);
    let bytes = words.flat_map(u64::to_le_bytes).collect();
    Section { link: 1, info: of, entry: 16, ..section(name, 9, 0, bytes) }
}

#[test]
fn functions_that_end_in_an_instruction_are_refused() {
    let load = section("raw_tp", 1, 6, 0x18_u64.to_le_bytes().to_vec());
    let symbols = [symbol(1, FUNCTION, 3, 0, 8), symbol(3, VARIABLE, 5, 0, 4)];
    let sections = vec![
        load,
        relocations(".relraw_tp", 3, &[(0, 2)]),
        data(".data", vec![1; 4]),
        license(),
        data(".BTF", btf(&INT)),
    ];
    let expected =
        "function `f` ends in the middle of an instruction; no compiler writes such an object";
    assert_refused(&object(&symbols, sections), expected);
}

/// Returns an object with a table of functions of one member, `int`: the information of its type,
/// the offset of the member with the width of a bit field in the upper bits, the size of the
/// section and the offset of the table in BTF, and the offset of its symbol, `CONFIG_A`.
fn with_table(info: u32, member: u32, [size, at]: [u32; 2], symbol_at: u64) -> Vec<u8> {
    let types = [
        &INT[..],
        &[46, info | 1, 16, 1, 1, member],
        &[14, 14 << 24, 2, 1],
        &[34, 15 << 24 | 1, size, 3, at, 16],
    ]
    .concat();
    let sections = vec![data(".struct_ops", vec![0; 16]), license(), data(".BTF", btf(&types))];
    object(&[symbol(3, VARIABLE, 3, symbol_at, 16)], sections)
}

#[test]
fn tables_outside_of_their_section_are_refused() {
    const STRUCT: u32 = 4 << 24;
    let expected =
        "a struct_ops table is outside of its section; no compiler writes such an object";
    assert_refused(&with_table(STRUCT, 0, [16, u32::MAX - 7], 0), expected);
    assert_refused(&with_table(STRUCT, 0, [0, 0], 0xffff_fff8), expected);
    assert_refused(
        &with_table(STRUCT | 1 << 31, 1 << 24, [16, 0], 0),
        "`int` is a bit field in the type `table` of a struct_ops table; no compiler writes such an object",
    );
}

#[test]
fn size_of_tables_is_limited() {
    const SIZE: u32 = 8 << 20;
    let variables: Vec<u32> = (0..9).flat_map(|at| [58 + 4 * at, 14 << 24, 2, 0]).collect();
    let slots: Vec<u32> = (3..12).flat_map(|variable| [variable, 0, SIZE]).collect();
    let types = [
        &INT[..],
        &[46, 4 << 24 | 1, SIZE, 1, 1, 0],
        &variables,
        &[34, 15 << 24 | 9, SIZE],
        &slots,
    ]
    .concat();
    let bytes = vec![0; SIZE as usize];
    let sections = vec![data(".struct_ops", bytes), license(), data(".BTF", btf(&types))];
    assert_refused(
        &object(&[symbol(3, VARIABLE, 3, 0, 16)], sections),
        "its struct_ops tables have more than 64 MiB; no compiler writes such an object",
    );
}

/// libbpf copies each section, so a small file could take any memory.
#[test]
fn overlapping_sections_are_refused() {
    let sections = vec![data(".data", vec![1; 64]), license(), data(".BTF", btf(&INT))];
    let mut object = object(&[symbol(3, VARIABLE, 3, 0, 4)], sections);
    let len = object.len() as u64;
    let headers = usize::try_from(u64::from_le_bytes(object[40..48].try_into().unwrap())).unwrap();
    for (field, value) in [(24, 0), (32, len)] {
        let at = headers + 3 * 64 + field;
        object[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }
    assert_refused(&object, "its sections overlap; no compiler writes such an object");
}

/// libbpf takes the functions of the last one for those that programs call, and those of the first
/// one for programs, each of which gets a copy of the former.
#[test]
fn second_section_of_functions_is_refused() {
    let sections = vec![code(".text", 1), code(".text", 1), license(), data(".BTF", btf(&INT))];
    assert_refused(
        &object(&[symbol(1, FUNCTION, 3, 0, 8), symbol(1, FUNCTION, 4, 0, 8)], sections),
        "it has several sections `.text`; no compiler writes such an object",
    );
}

/// libbpf would read what is before the list of an enum's constants, or of a struct's members.
#[test]
fn negative_indices_of_relocations_are_refused() {
    let types = [&INT[..], &[46, 6 << 24 | 1, 4, 1, 7], &[46, 4 << 24 | 1, 4, 1, 1, 0]].concat();
    for (ty, path, kind) in [(2, 170, 11), (2, 173, 10), (3, 184, 0), (3, 184, 2)] {
        assert_refused(
            &relocated(&types, &[[0, ty, 30, 8], [0, ty, path, kind]]),
            "a CO-RE relocation has an access path that is not a list of indices; no compiler writes such an object",
        );
    }
}

/// libbpf reads `.BTF.ext` in the byte order of its own header.
#[test]
fn relocations_in_other_byte_order_are_refused() {
    let mut sections = vec![code("raw_tp", 1), license(), data(".BTF", btf(&INT))];
    let words = [0xeb9f_0100, 32, 0, 0, 0, 0, 0, 28, 16, 23, 1, 0, 1, 30, 8];
    let bytes = words.iter().flat_map(|word: &u32| word.to_be_bytes()).collect();
    sections.push(data(".BTF.ext", bytes));
    assert_refused(
        &object(&[symbol(1, FUNCTION, 3, 0, 8)], sections),
        "its section `.BTF.ext` is big-endian; no compiler writes such an object",
    );
}

/// libbpf divides by the size of the type.
#[test]
fn bit_fields_without_size_are_refused() {
    const WITH_BITS: u32 = 1 << 31 | 4 << 24 | 1;
    let pointer = [0, 2 << 24, 0];
    let array = [0, 3 << 24, 0, 1, 1, 2];
    let nothing = [0, 4 << 24, 0];
    for ty in [&pointer[..], &array, &nothing] {
        let types = [&INT[..], ty, &[46, WITH_BITS, 16, 14, 2, 3 << 24]].concat();
        assert_refused(
            &object(&[], vec![license(), data(".BTF", btf(&types))]),
            "the bit field `CONFIG_A` of the type `table` is neither an integer nor an enum; no compiler writes such an object",
        );
    }
}

/// libbpf parses both sections of such a file, and says nothing of the first one.
#[test]
fn kernel_types_in_two_parts_are_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let typedef = [1, 8 << 24, 1];
    let sections = vec![data(".BTF.base", btf(&typedef)), data(".BTF", btf(&[]))];
    std::fs::write(file.path(), object(&[], sections)).unwrap();
    let sections = vec![license(), data(".BTF", btf(&INT))];
    let skeleton = Skeleton::from_object("x", object(&[], sections), "x.bpf.o").unwrap();
    let refused = skeleton.check().unwrap().open(Some(file.path())).unwrap_err().to_string();
    assert!(refused.contains("in two parts (.BTF.base)"), "{refused}");
}

#[test]
fn size_of_settings_is_limited() {
    let with = |len: u32, symbols: usize| {
        let array = [0, 3 << 24, 0, 1, 1, len];
        let variable = [14, 14 << 24, 2, 2];
        let section = [5, 15 << 24 | 1, 0, 3, 0, 0];
        let types = [&CHAR[..], &array, &variable, &section].concat();
        let sections = vec![license(), data(".BTF", btf(&types))];
        object(&vec![symbol(3, EXTERN, 0, 0, 0); symbols], sections)
    };
    // libbpf would return the size as a pointer to the object.
    assert_refused(
        &with(0xfffe_0001, 1),
        "its values of the kernel configuration need 4294836232 bytes, at most 1048576 are supported",
    );
    // The sum of the sizes would overflow.
    assert_refused(
        &with(0x4000_0000, 4),
        "its values of the kernel configuration need 4294967296 bytes, at most 1048576 are supported",
    );
}

/// libbpf would walk the members of the members for years, before it refuses the type.
#[test]
fn settings_with_members_are_refused() {
    let twice = |ty: u32| [0, 5 << 24 | 2, 4, 1, ty, 0, 46, ty, 0];
    let mut types = [&INT[..], &twice(1)].concat();
    types.extend((2..50).flat_map(twice));
    types.extend([0, 3 << 24, 0, 50, 1, 1, 14, 14 << 24, 51, 2, 5, 15 << 24 | 1, 0, 52, 0, 0]);
    let sections = vec![license(), data(".BTF", btf(&types))];
    assert_refused(
        &object(&[symbol(3, EXTERN, 0, 0, 0)], sections),
        "`CONFIG_A` is a value of the kernel configuration, but has too many members; no compiler writes such an object",
    );
}

#[test]
fn lists_of_initial_values_are_limited() {
    for offset in [1 << 32, u64::MAX - 7] {
        let pointer = |to| [0, 2 << 24, to];
        let number = |len| [0, 3 << 24, 0, 1, 1, len];
        let types = [
            &INT[..],
            &number(3),
            &pointer(2),
            &[0, 4 << 24 | 1, 8, 46, 3, 0],
            &[46, 14 << 24, 4, 1],
            &[52, 15 << 24 | 1, 8, 5, 0, 8],
        ]
        .concat();
        let sections = vec![
            data(".maps", vec![0; 8]),
            relocations(".rel.maps", 3, &[(offset, 1)]),
            license(),
            data(".BTF", btf(&types)),
        ];
        assert_refused(
            &object(&[symbol(1, VARIABLE, 3, 0, 8)], sections),
            "the lists of values of its maps need more than 256 MiB; no compiler writes such an object",
        );
    }
}

#[test]
fn jump_tables_outside_of_their_section_are_refused() {
    for (offset, size) in [(0, 16), (0xffff_fff8, 16), (8, u64::MAX)] {
        let sections = vec![data(".jumptables", vec![0; 8]), license(), data(".BTF", btf(&INT))];
        let expected = "a jump table is outside of its section; no compiler writes such an object";
        assert_refused(&object(&[symbol(1, VARIABLE, 3, offset, size)], sections), expected);
    }
}

/// libbpf skips sections of some types, so it would read another one than the one that is checked.
#[test]
fn second_btf_is_refused() {
    let second = |kind| {
        let sections =
            vec![license(), data(".BTF", btf(&INT)), section(".BTF", kind, 0, btf(&INT))];
        Skeleton::from_object("x", object(&[], sections), "x.bpf.o")
            .and_then(|skeleton| skeleton.check().map(drop))
            .unwrap_err()
            .to_string()
    };
    for kind in [1, 3] {
        let expected =
            "more than one section `.BTF`, or one of a wrong type; compile the object again";
        assert!(second(kind).contains(expected), "{}", second(kind));
    }
}
