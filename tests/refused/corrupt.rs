//! Corrupt ELF and BTF: no bytes cause a panic, a hang or unbounded use of memory.

use eunomia_build::{Embed, Skeleton, tokens};
use eunomia_runtime::object::Btf;

use super::{elf, with_object};

/// Returns the offsets of the BTF section of an object, of its types and of its strings.
fn btf(object: &[u8]) -> (usize, usize, usize) {
    let at =
        object.windows(8).position(|window| window == [0x9f, 0xeb, 1, 0, 24, 0, 0, 0]).unwrap();
    let word = |offset: usize| {
        u32::from_le_bytes(object[at + offset..at + offset + 4].try_into().unwrap()) as usize
    };
    (at, at + 24 + word(8), at + 24 + word(16))
}

fn set(object: &mut [u8], at: usize, value: u32) {
    object[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

#[test]
fn wrong_headers_are_refused() {
    let refusal = |offset: usize, value: u32| {
        let mut object = elf();
        let (at, ..) = btf(&object);
        set(&mut object, at + offset, value);
        with_object(&object)
    };
    const REBUILD: &str = "; compile the object again with `-g`";
    let corrupt = "x.json: bpf_object: corrupt BTF: ";
    assert_eq!(
        refusal(0, 0),
        format!("{corrupt}it does not start with the little-endian magic 0xeb9f{REBUILD}")
    );
    assert_eq!(refusal(0, 0x0002_eb9f), format!("{corrupt}Unsupported BTF version: 2{REBUILD}"));
    // Lengths that would reserve gigabytes.
    for (offset, what) in [(12, "types"), (20, "strings")] {
        assert!(
            refusal(offset, u32::MAX)
                .starts_with(&format!("{corrupt}its {what} end at byte 42949")),
            "{}",
            refusal(offset, u32::MAX)
        );
    }
    assert!(refusal(4, u32::MAX).starts_with(&format!("{corrupt}its types end at byte 42949")));
}

#[test]
fn bad_ids_strings_and_cycles_are_refused() {
    // Type 1 of the object is a pointer: name, info, type.
    let refusal = |word: usize, value: u32| {
        let mut object = elf();
        let (_, types, _) = btf(&object);
        set(&mut object, types + 4 * word, value);
        with_object(&object)
    };
    let corrupt = "x.json: bpf_object: corrupt BTF: ";
    const REBUILD: &str = "; compile the object again with `-g`";
    assert_eq!(
        refusal(2, 5000),
        format!("{corrupt}type 1 refers to type 5000, but the last type is 48{REBUILD}")
    );
    assert_eq!(refusal(0, 0x00ff_ffff), format!("{corrupt}no string at offset 16777215{REBUILD}"));
    // A const type that refers to itself.
    const CONST: u32 = 10 << 24;
    let mut object = elf();
    let (_, types, _) = btf(&object);
    set(&mut object, types + 4, CONST);
    set(&mut object, types + 8, 1);
    assert_eq!(
        with_object(&object),
        format!("{corrupt}type 1 contains itself or nests deeper than 64 types{REBUILD}")
    );
    // An unknown kind.
    assert_eq!(refusal(1, 31 << 24), format!("{corrupt}Unsupported BTF type 31{REBUILD}"));
    // A struct with 65,535 members in a section with room for few.
    assert!(refusal(1, (4 << 24) | 0xffff).starts_with(corrupt));
}

/// A chain of a hundred thousand const types ends in an error, not in a stack overflow.
#[test]
fn long_chains_of_types_are_refused() {
    const COUNT: u32 = 100_000;
    const CONST: u32 = 10 << 24;
    let mut bytes = vec![0x9f, 0xeb, 1, 0];
    for word in [24, 0, COUNT * 12, COUNT * 12, 1] {
        bytes.extend(u32::to_le_bytes(word));
    }
    for id in 1..=COUNT {
        for word in [0, CONST, if id == COUNT { 0 } else { id + 1 }] {
            bytes.extend(u32::to_le_bytes(word));
        }
    }
    bytes.push(0);
    let error = Btf::parse(&bytes).unwrap_err().to_string();
    assert_eq!(error, "corrupt BTF: type 1 contains itself or nests deeper than 64 types");
}

/// Thousands of damaged objects: each is accepted or refused, and an accepted one gives a valid
/// module.
#[test]
fn random_damage_never_panics() {
    let original = elf();
    let (btf, ..) = btf(&original);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 16) as usize % below
    };
    let words = [0, 1, 2, 0x7fff_ffff, 0x8000_0000, u32::MAX, 46, 47, 48, 0xffff];
    let (mut accepted, mut refused) = (0, 0);
    for round in 0..3000 {
        let mut object = original.clone();
        // Half of the damage is in BTF, the rest anywhere.
        let start = if round % 2 == 0 { btf } else { 0 };
        for _ in 0..=random(3) {
            let at = start + random(object.len() - start - 4);
            match random(3) {
                0 => object[at] ^= 1 << random(8),
                1 => set(&mut object, at, words[random(words.len())]),
                _ => set(&mut object, at, random(200) as u32),
            }
        }
        if random(10) == 0 {
            object.truncate(random(object.len()));
        }
        let result = Skeleton::from_object("x", object, "x.bpf.o")
            .and_then(|skeleton| tokens(skeleton, "x", &Embed::Literal));
        match result {
            Ok(module) => {
                accepted += 1;
                eunomia_build::format(module).unwrap();
            }
            Err(_) => refused += 1,
        }
    }
    assert!(accepted > 300 && refused > 300, "{accepted} accepted, {refused} refused");
}
