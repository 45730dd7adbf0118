//! The instructions of BPF code.

/// An instruction, `struct bpf_insn`.
pub(crate) struct Instruction {
    pub(crate) code: u8,
    /// The destination register.
    pub(crate) target: u8,
    pub(crate) source: u8,
    pub(crate) offset: i16,
    pub(crate) immediate: i32,
}

impl Instruction {
    /// The size of an instruction in bytes.
    pub(crate) const SIZE: usize = 8;
    /// `BPF_JMP | BPF_CALL`
    pub(crate) const CALL: u8 = 0x85;
    /// `BPF_LD | BPF_DW | BPF_IMM`, which takes two instruction slots.
    pub(crate) const LOAD64: u8 = 0x18;
    /// `BPF_PSEUDO_CALL`: the call of a function, not of a helper.
    const FUNCTION: u8 = 1;

    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let &[code, registers, low, high, a, b, c, d] = bytes else { return None };
        let (target, source) = (registers & 0xf, registers >> 4);
        Some(Self {
            code,
            target,
            source,
            offset: i16::from_le_bytes([low, high]),
            immediate: i32::from_le_bytes([a, b, c, d]),
        })
    }

    /// Reports whether it calls a function of the object, not a helper.
    pub(crate) fn calls_function(&self) -> bool {
        self.code == Self::CALL && self.source == Self::FUNCTION
    }

    /// Returns the bytes from what the instruction refers to, itself or a symbol, to its target.
    /// Calls count instructions after the call; addresses count bytes.
    pub(crate) fn distance(&self) -> i64 {
        match self.calls_function() {
            true => (i64::from(self.immediate) + 1) * Self::SIZE as i64,
            false => i64::from(self.immediate),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_decodes_instruction() {
        let call = Instruction::read(&[0x85, 0x10, 0, 0, 0xff, 0xff, 0xff, 0xff]).unwrap();
        assert_eq!(
            (call.code, call.source, call.immediate),
            (Instruction::CALL, Instruction::FUNCTION, -1)
        );
        assert!(Instruction::read(&[0x85, 0x10]).is_none());
    }
}
