//! Finds the perf event arrays that programs read counters from, rather than send records through.

use std::collections::{BTreeMap, BTreeSet};

use elf::symbol::Symbol;

use super::{
    elf::Elf,
    instruction::Instruction,
    maps::{MapDef, MapKind},
    references::Place,
};

/// The possible values of a register: one bit for each of the first arrays, and [`OTHER`] for any
/// other value.
type Possible = u64;

/// Any value but one of the tracked arrays. It may also be an array that was passed on, since
/// passed values are not tracked further.
const OTHER: Possible = 1 << 63;

/// The possible values of each register.
type Registers = [Possible; 11];

/// The target of an instruction's relocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reference {
    /// The perf event array with this number.
    Array(usize),
    /// Any other target, or no relocation.
    Other,
}

/// The perf event arrays of an object, which have numbers.
pub(crate) struct Arrays<'a> {
    names: Vec<&'a str>,
    numbers: BTreeMap<Place, usize>,
}

impl<'a> Arrays<'a> {
    pub(crate) fn new(elf: &Elf, maps: &'a [MapDef]) -> Self {
        let names: Vec<&str> = maps
            .iter()
            .filter(|map| map.kind == MapKind::PERF_EVENT_ARRAY)
            .map(|map| map.name.as_str())
            .collect();
        let numbers = elf.maps(&names);
        Self { names, numbers }
    }

    /// Reports whether no instruction can refer to an array.
    pub(crate) fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.names.iter().copied()
    }

    /// Returns the array that a relocation with this symbol refers to.
    pub(crate) fn reference(&self, symbol: Option<&Symbol>) -> Reference {
        let array = symbol
            .and_then(|symbol| self.numbers.get(&(usize::from(symbol.st_shndx), symbol.st_value)));
        array.map_or(Reference::Other, |number| Reference::Array(*number))
    }
}

/// The uses of an object's perf event arrays by its functions.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Uses {
    read: Possible,
    sent: Possible,
    /// The arrays that were stored, returned or passed to another function.
    passed: Possible,
}

impl Uses {
    /// The maximum number of arrays that are tracked.
    pub(crate) const MOST: usize = 63;

    /// Reports whether programs read counters from the array with this number, and send nothing
    /// through it.
    fn is_counters(&self, number: usize) -> bool {
        let Some(own) = u32::try_from(number)
            .ok()
            .filter(|_| number < Self::MOST)
            .and_then(|bit| 1u64.checked_shl(bit))
        else {
            return false;
        };
        let met = |by: Possible| by & own != 0 || (by & OTHER != 0 && self.passed & own != 0);
        met(self.read) && !met(self.sent)
    }

    /// Returns the names of the arrays that are used for counters.
    pub(crate) fn counters<'n>(&self, arrays: impl Iterator<Item = &'n str>) -> BTreeSet<String> {
        arrays
            .enumerate()
            .filter(|(number, _)| self.is_counters(*number))
            .map(|(_, name)| name.to_owned())
            .collect()
    }

    /// Tracks the arrays through a function. `array` returns the number of the array that the
    /// `ld_imm64` at a byte offset loads.
    pub(crate) fn follow(&mut self, function: &[u8], array: impl Fn(u64) -> Reference) {
        let code: Vec<Option<Instruction>> =
            function.chunks_exact(Instruction::SIZE).map(Instruction::read).collect();
        let mut states: Vec<Option<Registers>> = vec![None; code.len()];
        let mut next = vec![0];
        if let Some(first) = states.first_mut() {
            *first = Some([OTHER; 11]);
        }
        while let Some(at) = next.pop() {
            let (Some(Some(instruction)), Some(Some(before))) = (code.get(at), states.get(at))
            else {
                continue;
            };
            let mut after = *before;
            let reference = array(at as u64 * Instruction::SIZE as u64);
            let to = self.step(instruction, reference, &mut after);
            for to in to.into_iter().flatten().filter_map(|slots| at.checked_add_signed(slots)) {
                let Some(state) = states.get_mut(to) else { continue };
                let merged = match state {
                    Some(known) => {
                        std::array::from_fn(|register| known[register] | after[register])
                    }
                    None => after,
                };
                if *state != Some(merged) {
                    *state = Some(merged);
                    next.push(to);
                }
            }
        }
    }

    /// Applies one instruction, and returns the distances to the possible next instructions in
    /// slots.
    fn step(
        &mut self,
        instruction: &Instruction,
        reference: Reference,
        registers: &mut Registers,
    ) -> [Option<isize>; 2] {
        /// `BPF_ALU64 | BPF_MOV | BPF_X`
        const MOVE: u8 = 0xbf;
        /// `BPF_JMP`, `BPF_JMP32`
        const JUMPS: [u8; 2] = [5, 6];
        /// `bpf_perf_event_read`, `bpf_perf_event_read_value`
        const READ: [i32; 2] = [22, 55];
        /// `bpf_perf_event_output`, `bpf_skb_output`, `bpf_xdp_output`
        const SEND: [i32; 3] = [25, 111, 121];

        let on = [Some(1), None];
        let of = |register: u8, registers: &Registers| {
            registers.get(usize::from(register)).copied().unwrap_or(OTHER)
        };
        let mut set = |register: u8, value: Possible| {
            if let Some(register) = registers.get_mut(usize::from(register)) {
                *register = value;
            }
        };
        let class = instruction.code & 7;
        match instruction.code {
            Instruction::LOAD64 => {
                let loaded = match reference {
                    Reference::Array(number) if number < Self::MOST => 1 << number,
                    Reference::Array(_) | Reference::Other => OTHER,
                };
                set(instruction.target, loaded);
                [Some(2), None]
            }
            MOVE if instruction.offset == 0 => {
                let moved = of(instruction.source, registers);
                registers
                    .get_mut(usize::from(instruction.target))
                    .into_iter()
                    .for_each(|register| *register = moved);
                on
            }
            Instruction::CALL => {
                if instruction.source == 0 {
                    if READ.contains(&instruction.immediate) {
                        self.read |= registers[1];
                    } else if SEND.contains(&instruction.immediate) {
                        self.sent |= registers[2];
                    }
                }
                if instruction.source != 0 {
                    self.passed |=
                        registers[1] | registers[2] | registers[3] | registers[4] | registers[5];
                }
                registers[..6].fill(OTHER);
                on
            }
            // `BPF_EXIT`
            0x95 => {
                self.passed |= registers[0];
                [None, None]
            }
            // `BPF_JA` with a 16-bit and a 32-bit offset.
            0x05 => [Some(1 + isize::from(instruction.offset)), None],
            0x06 => [
                isize::try_from(instruction.immediate).ok().and_then(|slots| slots.checked_add(1)),
                None,
            ],
            _ if JUMPS.contains(&class) => [Some(1), Some(1 + isize::from(instruction.offset))],
            // `BPF_ST`
            _ if class == 2 => on,
            // `BPF_STX`. Atomic operations also write the source register or r0.
            _ if class == 3 => {
                self.passed |= of(instruction.source, registers);
                if instruction.code & 0xe0 == 0xc0 {
                    registers[0] |= OTHER;
                    registers
                        .get_mut(usize::from(instruction.source))
                        .into_iter()
                        .for_each(|register| *register |= OTHER);
                }
                on
            }
            // `BPF_LD` from packets, which acts as a call.
            _ if class == 0 => {
                registers[..6].fill(OTHER);
                on
            }
            // `BPF_LDX`, `BPF_ALU`, `BPF_ALU64`
            _ => {
                set(instruction.target, OTHER);
                on
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOAD_R1: [u8; 16] = [0x18, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    const LOAD_R2: [u8; 16] = [0x18, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    const LOAD_R6: [u8; 16] = [0x18, 0x06, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    const R1_IS_R6: [u8; 8] = [0xbf, 0x61, 0, 0, 0, 0, 0, 0];
    const STORE_R1: [u8; 8] = [0x7b, 0x1a, 0xf8, 0xff, 0, 0, 0, 0];
    const READ: [u8; 8] = [0x85, 0, 0, 0, 55, 0, 0, 0];
    const SEND: [u8; 8] = [0x85, 0, 0, 0, 25, 0, 0, 0];
    const CALL: [u8; 8] = [0x85, 0x10, 0, 0, 1, 0, 0, 0];
    const IF_R0: [u8; 8] = [0x15, 0, 2, 0, 0, 0, 0, 0];
    const EXIT: [u8; 8] = [0x95, 0, 0, 0, 0, 0, 0, 0];

    /// Reports which arrays are counters. The first `ld_imm64` loads the first array, and so on.
    fn counters<const N: usize>(functions: &[&[&[u8]]]) -> [bool; N] {
        let (mut uses, mut number) = (Uses::default(), 0);
        for function in functions {
            let bytes = function.concat();
            let mut loads = std::collections::BTreeMap::new();
            for (at, _) in bytes.chunks_exact(8).enumerate().filter(|(_, slot)| slot[0] == 0x18) {
                loads.insert(at as u64 * 8, number);
                number += 1;
            }
            uses.follow(&bytes, |at| {
                loads.get(&at).map_or(Reference::Other, |number| Reference::Array(*number))
            });
        }
        std::array::from_fn(|number| uses.is_counters(number))
    }

    #[test]
    fn helpers_determine_use_of_array() {
        assert_eq!(counters(&[&[&LOAD_R1, &READ, &LOAD_R2, &SEND, &EXIT]]), [true, false]);
        assert_eq!(
            counters(&[&[&LOAD_R6, &R1_IS_R6, &READ, &R1_IS_R6, &READ, &EXIT]]),
            [true],
            "preserved across a call"
        );
        assert_eq!(counters(&[&[&LOAD_R1, &EXIT]]), [false], "neither");
        assert_eq!(counters(&[&[&READ, &EXIT]]), [false], "an unknown value");
    }

    #[test]
    fn branch_may_read_either_array() {
        // r1 is the second array, or the first one if r0 was 0.
        let either = [&LOAD_R6[..], &R1_IS_R6, &IF_R0, &LOAD_R1, &READ, &EXIT];
        assert_eq!(counters(&[&either]), [true, true]);
    }

    #[test]
    fn passed_arrays_reach_other_functions() {
        let send = [&SEND[..], &EXIT];
        let read = [&READ[..], &EXIT];
        assert_eq!(counters(&[&[&LOAD_R1, &CALL, &EXIT], &read]), [true]);
        assert_eq!(counters(&[&[&LOAD_R1, &READ, &LOAD_R2, &CALL, &EXIT], &send]), [true, false]);
        assert_eq!(
            counters(&[&[&LOAD_R1, &STORE_R1, &READ, &EXIT], &send]),
            [false],
            "another function may send through it"
        );
        assert_eq!(counters(&[&[&LOAD_R1, &CALL, &EXIT], &read, &send]), [false]);
    }

    #[test]
    fn broken_code_terminates() {
        let mut uses = Uses::default();
        for bytes in [
            &[0xff; 64][..],
            &[0x05; 64],
            &[0x18; 8],
            &[0x06, 0, 0, 0, 0xff, 0xff, 0xff, 0xff],
            &[],
        ] {
            uses.follow(bytes, |_| Reference::Other);
        }
        assert!(!uses.is_counters(0) && !uses.is_counters(63) && !uses.is_counters(100));
    }
}
