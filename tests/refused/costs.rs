//! Objects of a few kilobytes that would keep libbpf busy for hours, or crash it. They are refused
//! before libbpf sees them.

use eunomia_build::Skeleton;

/// A section: its name, type, flags, contents, and the numbers that follow them in its header.
pub(crate) struct Section<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: u32,
    pub(crate) flags: u64,
    pub(crate) bytes: Vec<u8>,
    pub(crate) link: u32,
    pub(crate) info: u32,
    pub(crate) entry: u64,
}

pub(crate) const FUNCTION: u8 = 0x12;
pub(crate) const EXTERN: u8 = 0x10;
const RETURN: u64 = 0x95;
const PROGRAMS: u32 = 100;

/// Returns the symbol of a program with a name of its own.
fn program(number: u32, section: u16, offset: u64, size: u64) -> Vec<u8> {
    symbol(12 + 4 * number, FUNCTION, section, offset, size)
}

pub(crate) fn section(name: &str, kind: u32, flags: u64, bytes: Vec<u8>) -> Section<'_> {
    Section { name, kind, flags, bytes, link: 0, info: 0, entry: 0 }
}

pub(crate) fn code(name: &str, instructions: usize) -> Section<'_> {
    section(name, 1, 6, RETURN.to_le_bytes().repeat(instructions))
}

pub(crate) fn data<'a>(name: &'a str, bytes: Vec<u8>) -> Section<'a> {
    section(name, 1, 0, bytes)
}

/// A symbol: the offset of its name, its type and binding, its section, and its range there.
pub(crate) fn symbol(name: u32, info: u8, section: u16, offset: u64, size: u64) -> Vec<u8> {
    [
        &name.to_le_bytes()[..],
        &[info, 0],
        &section.to_le_bytes(),
        &offset.to_le_bytes(),
        &size.to_le_bytes(),
    ]
    .concat()
}

/// Returns an object. Its first sections are the null section, the symbols, and their names: `f` at
/// 1, `CONFIG_A` at 3, and the names of [`program`]s.
pub(crate) fn object(symbols: &[Vec<u8>], sections: Vec<Section<'_>>) -> Vec<u8> {
    let null = symbol(0, 0, 0, 0, 0);
    let symbols = [null].iter().chain(symbols).flatten().copied().collect();
    let table = Section { link: 2, info: 1, entry: 24, ..section(".symtab", 2, 0, symbols) };
    let programs: String = (0..PROGRAMS).map(|program| format!("p{program:02}\0")).collect();
    let strings = section(".strtab", 3, 0, [b"\0f\0CONFIG_A\0", programs.as_bytes()].concat());
    let mut sections: Vec<_> =
        [section("", 0, 0, Vec::new()), table, strings].into_iter().chain(sections).collect();
    let mut names = Vec::new();
    let mut starts = Vec::new();
    for name in sections.iter().map(|section| section.name).chain([".shstrtab"]) {
        starts.push(names.len() as u32);
        names.extend(name.bytes().chain([0]));
    }
    sections.push(section(".shstrtab", 3, 0, names));
    let (mut file, mut headers) = (vec![0; 64], Vec::new());
    for (section, name) in sections.iter().zip(starts) {
        file.resize(file.len().next_multiple_of(8), 0);
        headers.extend([name, section.kind].iter().flat_map(|word| word.to_le_bytes()));
        let (at, size) = (file.len() as u64, section.bytes.len() as u64);
        headers.extend([section.flags, 0, at, size].iter().flat_map(|word| word.to_le_bytes()));
        headers.extend([section.link, section.info].iter().flat_map(|word| word.to_le_bytes()));
        headers.extend([8, section.entry].iter().flat_map(|word| word.to_le_bytes()));
        file.extend(&section.bytes);
    }
    file.resize(file.len().next_multiple_of(8), 0);
    let at = file.len() as u64;
    file.extend(headers);
    let count = sections.len() as u16;
    let header = [
        b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec(),
        [1_u16, 247, 1, 0].iter().flat_map(|word| word.to_le_bytes()).collect(),
        [0, 0, at].iter().flat_map(|word: &u64| word.to_le_bytes()).collect(),
        vec![0; 4],
        [64_u16, 0, 0, 64, count, count - 1].iter().flat_map(|word| word.to_le_bytes()).collect(),
    ]
    .concat();
    file[..64].copy_from_slice(&header);
    file
}

/// Returns BTF with these types and the names `int` at 1, `.kconfig` at 5, `CONFIG_A` at 14,
/// `raw_tp` at 23, `0:0` at 30, `.struct_ops` at 34, `table` at 46 and `.maps` at 52, and 28
/// others from 58 on; `-1` at 170, `4294967295` at 173, and `0:-1` at 184.
pub(crate) fn btf(types: &[u32]) -> Vec<u8> {
    let mut names: String = (0..28).map(|name| format!("v{name:02}\0")).collect();
    names.push_str("-1\x004294967295\x000:-1\0");
    let strings = b"\0int\0.kconfig\0CONFIG_A\0raw_tp\x000:0\0.struct_ops\0table\0.maps\0".to_vec();
    let strings = [strings, names.into_bytes()].concat();
    let types: Vec<u8> = types.iter().flat_map(|word| word.to_le_bytes()).collect();
    let (len, strings_len) = (types.len() as u32, strings.len() as u32);
    let header = [0x0001_eb9f, 24, 0, len, len, strings_len];
    [header.iter().flat_map(|word: &u32| word.to_le_bytes()).collect(), types, strings].concat()
}

pub(crate) const INT: [u32; 4] = [1, 1 << 24, 4, 32];
pub(crate) const CHAR: [u32; 4] = [1, 1 << 24, 1, 8];

pub(crate) fn license() -> Section<'static> {
    section("license", 1, 3, b"GPL\0".to_vec())
}

/// Asserts that the object is refused with this text when it is built, and before libbpf opens it.
#[track_caller]
pub(crate) fn assert_refused(object: &[u8], expected: &str) {
    let skeleton = || Skeleton::from_object("x", object.to_vec(), "x.bpf.o").unwrap();
    let checked = skeleton().check().unwrap();
    let built = checked.loadable().unwrap_err().to_string();
    let opened = skeleton().open().unwrap_err().to_string();
    for said in [built, opened] {
        assert!(said.contains(expected), "{}", &said[..said.len().min(1000)]);
    }
}

#[test]
fn functions_that_libbpf_visits_recursively_are_limited() {
    let functions: Vec<_> = (0..5000).map(|at| symbol(1, FUNCTION, 3, 8 * at, 8)).collect();
    let sections = vec![code(".text", 5000), license(), data(".BTF", btf(&INT))];
    assert_refused(
        &object(&functions, sections),
        "section `.text` has 5000 functions, at most 4096 are supported; no compiler writes such an object",
    );
}

#[test]
fn functions_that_libbpf_copies_into_each_program_are_limited() {
    let shared = symbol(1, FUNCTION, 3, 0, 8 << 20);
    let programs = (0..PROGRAMS).map(|number| program(number, 4, 8 * u64::from(number), 8));
    let symbols: Vec<_> = [shared].into_iter().chain(programs).collect();
    let sections =
        vec![code(".text", 1 << 20), code("raw_tp", 100), license(), data(".BTF", btf(&INT))];
    assert_refused(
        &object(&symbols, sections),
        "its 100 programs have more than 512 MiB of instructions",
    );
    // So are the lines of each program, if the object has no other functions.
    let programs: Vec<_> = (0..PROGRAMS).map(|number| program(number, 3, 0, 8)).collect();
    let sections = vec![
        code("raw_tp", 1),
        license(),
        data(".BTF", btf(&INT)),
        data(".BTF.ext", lines(1 << 20)),
    ];
    assert_refused(
        &object(&programs, sections),
        "its 100 programs have more than 512 MiB of instructions",
    );
    // Functions that overlap are copied as well.
    let symbols: Vec<_> = (0..PROGRAMS).map(|number| program(number, 3, 0, 8 << 20)).collect();
    let sections = vec![code("raw_tp", 1 << 20), license(), data(".BTF", btf(&INT))];
    assert_refused(
        &object(&symbols, sections),
        "its 100 programs have more than 512 MiB of instructions",
    );
}

/// Returns a `.BTF.ext` with lines of the first instruction of the section `raw_tp`.
fn lines(count: u32) -> Vec<u8> {
    let len = 4 + 8 + 8 * count;
    let words = [0x0001_eb9f, 32, 0, len, len, 0, 0, 0, 8, 23, count];
    let words = words.iter().flat_map(|word: &u32| word.to_le_bytes());
    words.chain(std::iter::repeat_n(0, 8 * count as usize)).collect()
}

#[test]
fn lines_that_libbpf_visits_for_each_program_are_limited() {
    let functions = (0..4000).map(|at| symbol(1, FUNCTION, 3, 8 * at, 8));
    let programs = (0..20).map(|number| program(number, 4, 8 * u64::from(number), 8));
    let symbols: Vec<_> = functions.chain(programs).collect();
    let sections = vec![
        code(".text", 4000),
        code("raw_tp", 20),
        license(),
        data(".BTF", btf(&INT)),
        data(".BTF.ext", lines(60_000)),
    ];
    assert_refused(
        &object(&symbols, sections),
        "its 20 programs and the 4000 functions that they may call have too many lines: 60000",
    );
}

/// A program gets the lines of each function that it may call, also if they are the same ones.
#[test]
fn lines_of_functions_that_overlap_are_limited() {
    let functions = (0..200).map(|at| symbol(1, FUNCTION, 3, 8 * at, 8 * (200 - at)));
    let symbols: Vec<_> = functions.chain([program(0, 4, 0, 8)]).collect();
    let sections = vec![
        code(".text", 200),
        code("raw_tp", 1),
        license(),
        data(".BTF", btf(&INT)),
        data(".BTF.ext", lines(400_000)),
    ];
    assert_refused(
        &object(&symbols, sections),
        "its 1 programs have more than 512 MiB of instructions together with the functions that they may call",
    );
}

/// libbpf finds the relocations of a section by the number of the section, whatever their name.
#[test]
fn relocations_of_functions_are_limited_by_any_name() {
    let relocations = section(".relx", 9, 0, vec![0; 8 << 20]);
    let programs = (0..20).map(|number| program(number, 4, 8 * u64::from(number), 8));
    let symbols: Vec<_> = [symbol(1, FUNCTION, 3, 0, 8)].into_iter().chain(programs).collect();
    let sections = vec![
        code(".text", 1),
        code("raw_tp", 20),
        Section { link: 1, info: 3, entry: 16, ..relocations },
        license(),
        data(".BTF", btf(&INT)),
    ];
    assert_refused(
        &object(&symbols, sections),
        "its 20 programs have more than 512 MiB of instructions together with the functions that they may call",
    );
}

#[test]
fn searches_that_libbpf_repeats_are_limited() {
    let mut sections: Vec<_> = (0..20_000).map(|_| code("raw_tp", 1)).collect();
    sections.extend([license(), data(".BTF", btf(&INT))]);
    assert_refused(
        &object(&vec![symbol(1, 0, 3, 0, 0); 20_000], sections),
        "it has too many sections with instructions, variables and symbols: 20000 and 20001",
    );
    let sections = vec![license(), data(".BTF", btf(&INT))];
    assert_refused(
        &object(&vec![symbol(3, EXTERN, 0, 0, 0); 20_000], sections),
        "it has too many undefined symbols and types: 20000 and 20002",
    );
    let described = [23, 15 << 24, 0].repeat(20_000);
    let mut sections = vec![license(), data(".BTF", btf(&described))];
    sections.extend((0..20_000).map(|_| data("note", Vec::new())));
    assert_refused(
        &object(&[], sections),
        "it has too many descriptions of sections, and sections: 20000 and 20006",
    );
}

/// Returns an object with a program and CO-RE relocations: of an instruction, to a type, with the
/// offset of an access path and a kind.
pub(crate) fn relocated(types: &[u32], relocations: &[[u32; 4]]) -> Vec<u8> {
    let count = relocations.len() as u32;
    let head = [0x0001_eb9f, 32, 0, 0, 0, 0, 0, 4 + 8 + 16 * count, 16, 23, count];
    let words = head.iter().chain(relocations.as_flattened());
    let ext = words.flat_map(|word| word.to_le_bytes()).collect();
    let sections =
        vec![code("raw_tp", 1), license(), data(".BTF", btf(types)), data(".BTF.ext", ext)];
    object(&[symbol(1, FUNCTION, 3, 0, 8)], sections)
}

#[test]
fn types_that_libbpf_looks_for_in_the_kernel_are_limited() {
    let relocations = (1..=5000).map(|ty| [0, ty, 30, 8]).collect::<Vec<_>>();
    assert_refused(
        &relocated(&INT.repeat(5000), &relocations),
        "its CO-RE relocations refer to 5000 types, at most 4096 are supported",
    );
}

#[test]
fn relocations_are_limited() {
    assert_refused(
        &relocated(&INT, &[[0, 1, 30, 8]; 70_000]),
        "it has 70000 CO-RE relocations, at most 65536 are supported",
    );
}

#[test]
fn comparisons_of_types_are_limited() {
    assert_refused(
        &relocated(&INT, &[[0, 1, 30, 12]; 300]),
        "300 of its CO-RE relocations compare types (bpf_core_type_matches), at most 256 are supported",
    );
}

#[test]
fn members_of_tables_are_limited() {
    const MEMBERS: u32 = 0xffff;
    let table = [&[46, 4 << 24 | MEMBERS, 4][..], &[1, 1, 0].repeat(MEMBERS as usize)].concat();
    let variables: Vec<u32> = (0..28).flat_map(|at| [58 + 4 * at, 14 << 24, 2, 1]).collect();
    let slots = (3..31).flat_map(|variable| [variable, 0, 4]);
    let tables: Vec<u32> = [34, 15 << 24 | 28, 4].into_iter().chain(slots).collect();
    let types = [&INT[..], &table, &variables, &tables].concat();
    let sections = vec![
        code("raw_tp", 100),
        data(".struct_ops", vec![0; 4]),
        license(),
        data(".BTF", btf(&types)),
    ];
    let programs: Vec<_> =
        (0..PROGRAMS).map(|number| program(number, 3, 8 * u64::from(number), 8)).collect();
    assert_refused(
        &object(&programs, sections),
        "it has too many members of struct_ops tables, and programs: 1834980 and 164",
    );
}

/// libelf decompresses names, so libbpf would see other names than those that are checked.
#[test]
fn compressed_sections_are_refused() {
    let said = |name, kind| {
        let compressed = section(name, kind, 0x800, vec![0; 64]);
        let sections = vec![license(), data(".BTF", btf(&INT)), compressed];
        let skeleton = Skeleton::from_object("x", object(&[], sections), "x.bpf.o");
        let checked = skeleton.and_then(|skeleton| skeleton.check().map(drop));
        checked.err().map(|error| error.to_string()).unwrap_or_default()
    };
    for (name, kind) in [(".debug_str", 3), (".data", 1), (".rel.text", 9)] {
        let expected =
            format!("the section `{name}` is compressed, and libbpf cannot read it; compile it");
        assert!(said(name, kind).contains(&expected), "{}", said(name, kind));
    }
    assert_eq!(said(".debug_info", 1), "");
}

#[test]
fn patterns_that_libbpf_compares_for_hours_are_refused() {
    let sections = |name| {
        let code = code(name, 1);
        object(&[symbol(1, FUNCTION, 3, 0, 8)], vec![code, license(), data(".BTF", btf(&INT))])
    };
    for name in ["kprobe.multi/*?*?*?*?*?*?*?*?$", "?uprobe.session//bin/sh:*?*?*?*?*?*?*?*?$"] {
        let expected = "the pattern `*?*?*?*?*?*?*?*?$` has 8 stars before its end, and libbpf needs too long for more than 3; use fewer stars";
        assert_refused(&sections(name), expected);
    }
}
