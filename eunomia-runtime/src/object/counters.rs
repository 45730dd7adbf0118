//! Which perf event arrays programs read counters from, and which they send records through.

use std::collections::BTreeSet;

use super::calls::{Instruction, Reference};

/// Which of the first arrays, one bit each; [`OTHER`] is all else.
type Possible = u64;

/// Anything but one of the arrays that are told apart, unless it was handed on where nobody follows it.
const OTHER: Possible = 1 << 63;

/// What each register may hold.
type Registers = [Possible; 11];

/// What the functions of an object do with its perf event arrays.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Uses {
    read: Possible,
    sent: Possible,
    /// Those that were stored, returned or passed to another function.
    passed: Possible,
}

impl Uses {
    /// As many as are told apart.
    pub(crate) const MOST: usize = 63;

    /// Whether programs read counters from the array with this number, and send nothing through it.
    fn is_counters(&self, number: usize) -> bool {
        let Some(own) = u32::try_from(number).ok().filter(|_| number < Self::MOST).and_then(|bit| 1u64.checked_shl(bit)) else {
            return false;
        };
        let met = |by: Possible| by & own != 0 || (by & OTHER != 0 && self.passed & own != 0);
        met(self.read) && !met(self.sent)
    }

    /// The names of those that are counters.
    pub(crate) fn counters<'n>(&self, arrays: impl Iterator<Item = &'n str>) -> BTreeSet<String> {
        arrays.enumerate().filter(|(number, _)| self.is_counters(*number)).map(|(_, name)| name.to_owned()).collect()
    }

    /// Follows the arrays through a function; `array` tells the number of the one that a `ld_imm64` at a byte of it loads.
    pub(crate) fn follow(&mut self, function: &[u8], array: impl Fn(u64) -> Reference) {
        let code: Vec<Option<Instruction>> = function.chunks_exact(Instruction::SIZE).map(Instruction::read).collect();
        let mut states: Vec<Option<Registers>> = vec![None; code.len()];
        let mut next = vec![0];
        if let Some(first) = states.first_mut() {
            *first = Some([OTHER; 11]);
        }
        while let Some(at) = next.pop() {
            let (Some(Some(instruction)), Some(Some(before))) = (code.get(at), states.get(at)) else { continue };
            let mut after = *before;
            let reference = array(at as u64 * Instruction::SIZE as u64);
            let to = self.step(instruction, reference, &mut after);
            for to in to.into_iter().flatten().filter_map(|slots| at.checked_add_signed(slots)) {
                let Some(state) = states.get_mut(to) else { continue };
                let merged = match state {
                    Some(known) => std::array::from_fn(|register| known[register] | after[register]),
                    None => after,
                };
                if *state != Some(merged) {
                    *state = Some(merged);
                    next.push(to);
                }
            }
        }
    }

    /// What one instruction does, and how many slots on the next ones are.
    fn step(&mut self, instruction: &Instruction, reference: Reference, registers: &mut Registers) -> [Option<isize>; 2] {
        /// `BPF_ALU64 | BPF_MOV | BPF_X`
        const MOVE: u8 = 0xbf;
        /// `BPF_JMP`, `BPF_JMP32`
        const JUMPS: [u8; 2] = [5, 6];
        /// `bpf_perf_event_read`, `bpf_perf_event_read_value`
        const READ: [i32; 2] = [22, 55];
        /// `bpf_perf_event_output`, `bpf_skb_output`, `bpf_xdp_output`
        const SEND: [i32; 3] = [25, 111, 121];

        let on = [Some(1), None];
        let of = |register: u8, registers: &Registers| registers.get(usize::from(register)).copied().unwrap_or(OTHER);
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
                registers.get_mut(usize::from(instruction.target)).into_iter().for_each(|register| *register = moved);
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
                    self.passed |= registers[1] | registers[2] | registers[3] | registers[4] | registers[5];
                }
                registers[..6].fill(OTHER);
                on
            }
            // `BPF_EXIT`
            0x95 => {
                self.passed |= registers[0];
                [None, None]
            }
            // `BPF_JA`, in 16 and in 32 bits.
            0x05 => [Some(1 + isize::from(instruction.offset)), None],
            0x06 => [isize::try_from(instruction.immediate).ok().and_then(|slots| slots.checked_add(1)), None],
            _ if JUMPS.contains(&class) => [Some(1), Some(1 + isize::from(instruction.offset))],
            // `BPF_ST`
            _ if class == 2 => on,
            // `BPF_STX`, of which atomic ones write the register or r0.
            _ if class == 3 => {
                self.passed |= of(instruction.source, registers);
                if instruction.code & 0xe0 == 0xc0 {
                    registers[0] |= OTHER;
                    registers.get_mut(usize::from(instruction.source)).into_iter().for_each(|register| *register |= OTHER);
                }
                on
            }
            // `BPF_LD` of packets, which is a call.
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

    /// Whether the arrays are counters, the first `ld_imm64` being of the first one, and so on.
    fn counters<const N: usize>(functions: &[&[&[u8]]]) -> [bool; N] {
        let (mut uses, mut number) = (Uses::default(), 0);
        for function in functions {
            let bytes = function.concat();
            let mut loads = std::collections::BTreeMap::new();
            for (at, _) in bytes.chunks_exact(8).enumerate().filter(|(_, slot)| slot[0] == 0x18) {
                loads.insert(at as u64 * 8, number);
                number += 1;
            }
            uses.follow(&bytes, |at| loads.get(&at).map_or(Reference::Other, |number| Reference::Array(*number)));
        }
        std::array::from_fn(|number| uses.is_counters(number))
    }

    #[test]
    fn helpers_tell_what_an_array_is_for() {
        assert_eq!(counters(&[&[&LOAD_R1, &READ, &LOAD_R2, &SEND, &EXIT]]), [true, false]);
        assert_eq!(counters(&[&[&LOAD_R6, &R1_IS_R6, &READ, &R1_IS_R6, &READ, &EXIT]]), [true], "kept through a call");
        assert_eq!(counters(&[&[&LOAD_R1, &EXIT]]), [false], "neither");
        assert_eq!(counters(&[&[&READ, &EXIT]]), [false], "nothing is known of it");
    }

    #[test]
    fn either_of_two_arrays() {
        // r1 is the second array, or the first where r0 was 0.
        let either = [&LOAD_R6[..], &R1_IS_R6, &IF_R0, &LOAD_R1, &READ, &EXIT];
        assert_eq!(counters(&[&either]), [true, true]);
    }

    #[test]
    fn arrays_that_are_passed_on() {
        let send = [&SEND[..], &EXIT];
        let read = [&READ[..], &EXIT];
        assert_eq!(counters(&[&[&LOAD_R1, &CALL, &EXIT], &read]), [true]);
        assert_eq!(counters(&[&[&LOAD_R1, &READ, &LOAD_R2, &CALL, &EXIT], &send]), [true, false]);
        assert_eq!(counters(&[&[&LOAD_R1, &STORE_R1, &READ, &EXIT], &send]), [false], "it may be the one that is sent through");
        assert_eq!(counters(&[&[&LOAD_R1, &CALL, &EXIT], &read, &send]), [false]);
    }

    #[test]
    fn broken_code_ends() {
        let mut uses = Uses::default();
        for bytes in [&[0xff; 64][..], &[0x05; 64], &[0x18; 8], &[0x06, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], &[]] {
            uses.follow(bytes, |_| Reference::Other);
        }
        assert!(!uses.is_counters(0) && !uses.is_counters(63) && !uses.is_counters(100));
    }
}
