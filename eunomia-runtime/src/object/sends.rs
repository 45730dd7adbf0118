//! The records that programs send through ring buffers and perf event arrays, as their instructions
//! say: how long each is, and which memory it is copied from.

mod calls;
mod state;

use std::collections::{BTreeMap, BTreeSet};

use self::state::{State, Value};
use super::{
    calls::{Calls, Function},
    elf::Elf,
    instruction::Instruction,
    layout::Layouts,
    lines::Lines,
    maps::MapDef,
    references::{Budget, Place, References},
    relocations,
};

/// A call that sends a record or reserves the memory of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Send {
    /// The number of the map, or `None` if it may be any.
    pub(crate) map: Option<usize>,
    /// The size of the record in bytes, or `None` if only the running program knows it.
    pub(crate) size: Option<u64>,
    /// The memory that is copied.
    pub(crate) from: Origin,
    /// True if the record is reserved first, and not copied.
    pub(crate) reserved: bool,
    /// True if the kernel may append a part of the packet to what is copied.
    pub(crate) appends: bool,
    /// The section and the offset of the call.
    pub(crate) place: Place,
    /// The offset from which on the instructions up to the call always run in this order.
    pub(crate) block: u64,
}

/// What the code of an object says about records.
#[derive(Debug, Default)]
pub(crate) struct Sends {
    /// The calls that send records in the code that programs reach.
    pub(crate) sends: BTreeSet<Send>,
    /// The places outside of code whose addresses this code uses.
    pub(crate) used: BTreeSet<Place>,
}

/// The memory that a record is copied from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    Unknown,
    /// A value of the map with this number, from this byte on.
    Element {
        map: usize,
        offset: u64,
    },
    /// A section, from this byte on.
    Global {
        section: usize,
        offset: u64,
    },
}

/// A call that sends records, for those who know more of its source than BTF says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendCall {
    /// The map, or `None` if it may be any.
    pub map: Option<String>,
    /// The size of the record in bytes, or `None` if only the running program knows it.
    pub size: Option<u64>,
    /// True if the record is reserved first, and not copied.
    pub is_reserved: bool,
    /// The number and the text of the source line of the call, if known.
    pub line: Option<(u32, String)>,
    /// The index of the section, and the offset of the call.
    pub place: (usize, u64),
}

/// Returns the calls of an object that send records, and its sections. Returns `None` if it is
/// broken or takes too long.
pub fn send_calls(object: &[u8]) -> Option<(Vec<SendCall>, Elf)> {
    let layouts = Layouts::new(object, None).ok()?;
    let maps = super::maps::read(&layouts);
    let Sends { sends, .. } = read(object, &layouts.elf, &maps)?;
    let ext = layouts.elf.bytes(object, ".BTF.ext").unwrap_or_default();
    let strings = relocations::strings(layouts.elf.bytes(object, ".BTF")?)?;
    let lines = Lines::read(ext, strings, &layouts.elf.indices());
    let calls = sends.into_iter().map(|send| SendCall {
        map: send.map.and_then(|number| Some(maps.get(number)?.name.clone())),
        size: send.size,
        is_reserved: send.reserved,
        line: lines
            .numbered(send.place, send.block)
            .map(|(number, text)| (number, text.to_owned())),
        place: send.place,
    });
    let calls = calls.collect();
    Some((calls, layouts.elf))
}

/// The number of different arguments with which a function is followed. Calls with others are
/// followed as one.
const MAX_CONTEXTS: usize = 32;
/// Limits for the number of steps: several for each instruction, since each can be reached in
/// several ways.
const STEPS_PER_INSTRUCTION: usize = 64;
const MAX_STEPS: usize = 1 << 21;
/// The steps that a state costs which is kept, since it takes memory.
const STEPS_PER_STATE: usize = 32;

/// Follows the code that programs reach. Returns `None` if it is broken or takes too many steps.
///
/// Every call that sends records is returned, and what is not known of one is left open.
pub(crate) fn read(object: &[u8], elf: &Elf, maps: &[MapDef]) -> Option<Sends> {
    let mut budget = Budget::new(object);
    let references = References::read(object, elf, &mut budget).ok()?;
    let calls = Calls::unread(elf);
    let mut instructions = 0usize;
    for function in &calls.functions {
        budget.spend(function.range.end - function.range.start).ok()?;
        instructions = instructions
            .saturating_add(function.bytes(object, elf).ok()?.len() / Instruction::SIZE);
    }
    let names: Vec<&str> = maps.iter().map(|map| map.name.as_str()).collect();
    let steps = instructions.saturating_add(64).saturating_mul(STEPS_PER_INSTRUCTION);
    let mut walk = Walk {
        object,
        elf,
        maps,
        numbers: elf.maps(&names),
        references: &references,
        calls: &calls,
        steps: steps.min(MAX_STEPS),
        contexts: vec![BTreeSet::new(); calls.functions.len()],
        next: Vec::new(),
        found: Sends::default(),
    };
    // Functions in `.text` are loaded only if a program reaches them.
    for (index, function) in calls.functions.iter().enumerate() {
        if elf.sections.get(function.section).is_some_and(|section| section.name != ".text") {
            walk.enter(index, [Value::Any; 5]);
        }
    }
    while let Some((index, arguments)) = walk.next.pop() {
        walk.follow(calls.functions.get(index)?, arguments)?;
    }
    Some(walk.found)
}

/// A walk through the code of all programs.
struct Walk<'a> {
    object: &'a [u8],
    elf: &'a Elf,
    maps: &'a [MapDef],
    /// The numbers of the maps by their place.
    numbers: BTreeMap<Place, usize>,
    references: &'a References,
    calls: &'a Calls,
    /// The number of steps that are left.
    steps: usize,
    /// The arguments with which each function was or will be followed.
    contexts: Vec<BTreeSet<[Value; 5]>>,
    /// The functions that are still to be followed, with their arguments.
    next: Vec<(usize, [Value; 5])>,
    found: Sends,
}

/// What happens after an instruction.
enum Next {
    /// The instruction after this number of slots is next.
    On(isize),
    /// The next instruction, or the one at this distance in slots.
    Branch(isize),
    End,
}

impl Walk<'_> {
    /// Notes that a function is called.
    fn enter(&mut self, index: usize, arguments: [Value; 5]) {
        let Some(known) = self.contexts.get_mut(index) else { return };
        let arguments = if known.len() < MAX_CONTEXTS { arguments } else { [Value::Any; 5] };
        if known.insert(arguments) {
            self.next.push((index, arguments));
        }
    }

    /// Follows all ways through a function. Returns `None` if no steps are left.
    fn follow(&mut self, function: &Function, arguments: [Value; 5]) -> Option<()> {
        let bytes = function.bytes(self.object, self.elf).ok()?;
        let code: Vec<Option<Instruction>> =
            bytes.chunks_exact(Instruction::SIZE).map(Instruction::read).collect();
        self.steps = self.steps.checked_sub(code.len())?;
        let joints = joints(&code);
        // The states where ways meet or part.
        let mut states = BTreeMap::from([(0, State::new(arguments))]);
        let mut next = BTreeSet::from([0]);
        // A call that is met again is met with a state that says less, which replaces the first.
        let mut sends = BTreeMap::new();
        while let Some(start) = next.pop_first() {
            let Some(mut state) = states.get(&start).cloned() else { continue };
            let mut at = start;
            loop {
                self.steps = self.steps.checked_sub(1)?;
                let Some(Some(instruction)) = code.get(at) else { break };
                let place = (function.section, function.offset(at));
                let high = code.get(at + 1).and_then(|next| next.as_ref());
                if let Some(send) = self.send(instruction, place, &state) {
                    sends.insert(at, Send { block: function.offset(start), ..send });
                }
                let (slots, other) = match self.step(instruction, high, place, &mut state) {
                    Next::On(slots) => (slots, None),
                    Next::Branch(slots) => (1, Some(slots)),
                    Next::End => break,
                };
                if let Some(to) = other.and_then(|slots| at.checked_add_signed(slots)) {
                    self.reach(&mut states, to, &state, &mut next)?;
                }
                let Some(to) = at.checked_add_signed(slots) else { break };
                if joints.contains(&to) {
                    self.reach(&mut states, to, &state, &mut next)?;
                    break;
                }
                at = to;
            }
        }
        self.found.sends.extend(sends.into_values());
        Some(())
    }

    /// Adds a way to an instruction, which is followed if it says anything new. Returns `None` if
    /// no steps are left.
    fn reach(
        &mut self,
        states: &mut BTreeMap<usize, State>,
        to: usize,
        state: &State,
        next: &mut BTreeSet<usize>,
    ) -> Option<()> {
        let is_new = match states.get_mut(&to) {
            Some(known) => known.merge(state),
            None => {
                self.steps = self.steps.checked_sub(STEPS_PER_STATE)?;
                states.insert(to, state.clone());
                true
            }
        };
        if is_new {
            next.insert(to);
        }
        Some(())
    }

    /// Applies an instruction.
    fn step(
        &mut self,
        instruction: &Instruction,
        high: Option<&Instruction>,
        place: Place,
        state: &mut State,
    ) -> Next {
        /// The sizes of loads and stores by bits 3 and 4: `BPF_W`, `BPF_H`, `BPF_B`, `BPF_DW`.
        const SIZES: [u8; 4] = [4, 2, 1, 8];
        let Instruction { code, target, source, offset, immediate } = *instruction;
        let (class, operation) = (code & 7, code & 0xf0);
        let register = code & 8 != 0;
        let size = SIZES.get(usize::from(code >> 3 & 3)).copied().unwrap_or(8);
        let distance = 1 + isize::from(offset);
        let long = isize::try_from(immediate).ok().and_then(|slots| slots.checked_add(1));
        let other = match register {
            true => state.get(source),
            false => Value::Number(i64::from(immediate).cast_unsigned()),
        };
        let own = state.get(target);
        match code {
            Instruction::LOAD64 => {
                let value = self.loaded(immediate, high, place);
                state.set(target, value);
                return Next::On(2);
            }
            Instruction::CALL => {
                let result = self.call(instruction, place, state);
                state.call(result);
                return Next::On(1);
            }
            Instruction::CALL_POINTER => {
                state.call(Value::Any);
                return Next::On(1);
            }
            // `BPF_EXIT`
            0x95 => return Next::End,
            // `BPF_JA` with a 16-bit and a 32-bit offset.
            0x05 => return Next::On(distance),
            0x06 => return long.map_or(Next::End, Next::On),
            _ => {}
        }
        match class {
            // `BPF_LD` from packets, which acts as a call.
            0 => state.call(Value::Low),
            // `BPF_LDX`; `BPF_MEM` without a sign.
            1 => {
                let value = match code & 0xe0 {
                    0x60 => state.load(state.get(source).plus(offset.into()), size),
                    _ => Value::Any,
                };
                state.set(target, value);
            }
            // `BPF_ST`
            2 => {
                let value = Value::Number(i64::from(immediate).cast_unsigned());
                state.store(own.plus(offset.into()), size, value);
            }
            // `BPF_STX`. Atomic operations also write the source register, the target or r0.
            3 if code & 0xe0 == 0x60 => {
                state.store(own.plus(offset.into()), size, state.get(source));
            }
            3 => {
                state.store(own.plus(offset.into()), size, Value::Any);
                for register in [0, source, target] {
                    state.set(register, Value::Any);
                }
            }
            5 | 6 => return Next::Branch(distance),
            // `BPF_ALU` and `BPF_ALU64`: moves and additions are followed.
            7 if operation == 0xb0 && offset == 0 => state.set(target, other),
            7 if operation == 0x00 && matches!(other, Value::Number(_)) => {
                let Value::Number(number) = other else { return Next::On(1) };
                state.set(target, own.plus(number.cast_signed()));
            }
            4 if operation == 0xb0 && offset == 0 => {
                state.compute(target, [Value::Any, other], other.low());
            }
            4 => state.compute(target, [own, other], Value::Low),
            _ => state.compute(target, [own, other], Value::Any),
        }
        Next::On(1)
    }
}

/// Returns the instructions that a jump leads to or that follow a branch.
fn joints(code: &[Option<Instruction>]) -> BTreeSet<usize> {
    let mut joints = BTreeSet::new();
    for (at, instruction) in code.iter().enumerate() {
        let Some(instruction) = instruction else { continue };
        let distance = match instruction.code {
            0x95 | Instruction::CALL | Instruction::CALL_POINTER => continue,
            0x06 => isize::try_from(instruction.immediate).unwrap_or(0).saturating_add(1),
            code if matches!(code & 7, 5 | 6) => 1 + isize::from(instruction.offset),
            _ => continue,
        };
        joints.extend(at.checked_add_signed(distance));
        joints.insert(at + 1);
    }
    joints
}
