//! The instructions of BPF code.

/// An instruction, `struct bpf_insn`.
#[derive(Debug)]
pub struct Instruction {
    /// The operation.
    pub code: u8,
    /// The destination register.
    pub target: u8,
    /// The source register.
    pub source: u8,
    /// The offset of a load, store or jump.
    pub offset: i16,
    /// The constant operand.
    pub immediate: i32,
}

impl Instruction {
    /// The size of an instruction in bytes.
    pub const SIZE: usize = 8;
    /// `BPF_JMP | BPF_CALL`
    pub const CALL: u8 = 0x85;
    /// `BPF_JMP | BPF_CALL | BPF_X`: the call of the function whose address is in a register.
    pub(crate) const CALL_POINTER: u8 = 0x8d;
    /// `BPF_LD | BPF_DW | BPF_IMM`, which takes two instruction slots.
    pub(crate) const LOAD64: u8 = 0x18;
    /// `BPF_PSEUDO_CALL`: the call of a function, not of a helper.
    const FUNCTION: u8 = 1;

    /// Reads an instruction of [`Self::SIZE`] bytes.
    pub fn read(bytes: &[u8]) -> Option<Self> {
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
