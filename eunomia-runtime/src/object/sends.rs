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
    maps::MapDef,
    references::{Budget, Place, References},
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
    /// The register with its address.
    pub(crate) register: u8,
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
    /// The stack of the function, at this offset from its end.
    Frame(i64),
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
    /// The offset of the copied memory from the end of the stack of its function, if it is there.
    pub frame: Option<i64>,
    /// The register with the address of the copied memory.
    pub register: u8,
    /// The index of the section, and the offset of the call.
    pub place: (usize, u64),
    /// The offset from which on the instructions up to the call always run in this order.
    pub block: u64,
}

/// Returns the calls of an object that send records, and its sections. Returns `None` if it is
/// broken or takes too long.
pub fn send_calls(object: &[u8]) -> Option<(Vec<SendCall>, Elf)> {
    let layouts = Layouts::new(object, None).ok()?;
    let maps = super::maps::read(&layouts);
    let Sends { sends, .. } = read(object, &layouts.elf, &maps, Code::All)?;
    let calls = sends.into_iter().map(|send| SendCall {
        map: send.map.and_then(|number| Some(maps.get(number)?.name.clone())),
        size: send.size,
        is_reserved: send.reserved,
        frame: match send.from {
            Origin::Frame(offset) => Some(offset),
            _ => None,
        },
        register: send.register,
        place: send.place,
        block: send.block,
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

/// The code of an object that may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    /// The code that its programs reach.
    Programs,
    /// All of it, because programs of the objects that it will be linked with call it too.
    All,
}

/// Follows the code that may run. Returns `None` if it is broken or takes too many steps.
///
/// Every call that sends records is returned, and what is not known of one is left open.
pub(crate) fn read(object: &[u8], elf: &Elf, maps: &[MapDef], code: Code) -> Option<Sends> {
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
    walk.finish()?;
    if code == Code::All {
        let unmet = |(index, known): (usize, &BTreeSet<_>)| known.is_empty().then_some(index);
        let others: Vec<usize> = walk.contexts.iter().enumerate().filter_map(unmet).collect();
        others.into_iter().for_each(|index| walk.enter(index, [Value::Any; 5]));
        walk.finish()?;
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

/// The ways through a function.
struct Ways<'f> {
    function: &'f Function,
    code: Vec<Option<Instruction>>,
    /// The instructions where ways meet or part.
    joints: BTreeSet<usize>,
    /// What is known there.
    states: BTreeMap<usize, State>,
    /// Those that are still to be followed.
    next: BTreeSet<usize>,
    /// The calls that send records, by their instruction and the last one of the way to it.
    sends: BTreeMap<(usize, Option<usize>), Vec<Send>>,
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

    /// Follows the functions that are still to be followed. Returns `None` if no steps are left.
    fn finish(&mut self) -> Option<()> {
        while let Some((index, arguments)) = self.next.pop() {
            self.follow(self.calls.functions.get(index)?, arguments)?;
        }
        Some(())
    }

    /// Follows all ways through a function. Returns `None` if no steps are left.
    ///
    /// What is known where ways meet is what all of them agree on. Calls are met on each way apart,
    /// up to the next place where ways meet or part: compilers merge calls that differ in the map
    /// alone.
    fn follow(&mut self, function: &Function, arguments: [Value; 5]) -> Option<()> {
        let bytes = function.bytes(self.object, self.elf).ok()?;
        let code: Vec<Option<Instruction>> =
            bytes.chunks_exact(Instruction::SIZE).map(Instruction::read).collect();
        self.steps = self.steps.checked_sub(code.len())?;
        let mut ways = Ways {
            function,
            joints: joints(&code),
            code,
            states: BTreeMap::new(),
            next: BTreeSet::new(),
            sends: BTreeMap::new(),
        };
        self.reach(&mut ways, None, 0, &State::new(arguments))?;
        while let Some(start) = ways.next.pop_first() {
            let Some(state) = ways.states.get(&start).cloned() else { continue };
            let (end, ends) = self.run(&ways, start, state, None)?;
            for (to, state) in ends {
                self.reach(&mut ways, Some(end), to, &state)?;
            }
        }
        self.found.sends.extend(ways.sends.into_values().flatten());
        Some(())
    }

    /// Adds a way to an instruction, which is followed if it says anything new. Returns `None` if
    /// no steps are left.
    fn reach(
        &mut self,
        ways: &mut Ways<'_>,
        from: Option<usize>,
        to: usize,
        state: &State,
    ) -> Option<()> {
        // A call that is met again on this way is met with a state that says less, which replaces
        // the first.
        let mut sends = Vec::new();
        self.run(ways, to, state.clone(), Some(&mut sends))?;
        ways.sends.extend(sends.into_iter().map(|(at, sends)| ((at, from), sends)));
        let is_new = match ways.states.get_mut(&to) {
            Some(known) => known.merge(state),
            None => {
                self.steps = self.steps.checked_sub(STEPS_PER_STATE)?;
                ways.states.insert(to, state.clone());
                true
            }
        };
        if is_new {
            ways.next.insert(to);
        }
        Some(())
    }

    /// Follows the instructions from `start` to the next place where ways meet or part. Returns the
    /// last instruction, and where the ways go on, with what is known then. Gives the calls to
    /// `sends` if it is there. Returns `None` if no steps are left.
    fn run(
        &mut self,
        ways: &Ways<'_>,
        start: usize,
        mut state: State,
        mut sends: Option<&mut Vec<(usize, Vec<Send>)>>,
    ) -> Option<(usize, Vec<(usize, State)>)> {
        let mut at = start;
        loop {
            self.steps = self.steps.checked_sub(1)?;
            let Some(Some(instruction)) = ways.code.get(at) else { return Some((at, Vec::new())) };
            let place = (ways.function.section, ways.function.offset(at));
            let high = ways.code.get(at + 1).and_then(|next| next.as_ref());
            if let Some(sends) = &mut sends {
                let block = ways.function.offset(start);
                sends.push((at, self.sends(instruction, place, block, &state)));
            }
            let (slots, other) =
                match self.step(instruction, high, place, sends.is_some(), &mut state) {
                    Next::On(slots) => (slots, None),
                    Next::Branch(slots) => (1, Some(slots)),
                    Next::End => return Some((at, Vec::new())),
                };
            let next = at.checked_add_signed(slots);
            let parted = other.map(|slots| at.checked_add_signed(slots));
            if parted.is_some() || next.is_none_or(|next| ways.joints.contains(&next)) {
                let ends = [parted.flatten(), next].into_iter().flatten();
                return Some((at, ends.map(|to| (to, state.clone())).collect()));
            }
            at = next?;
        }
    }

    /// Applies an instruction. Functions that it calls are followed if it `is_met`.
    fn step(
        &mut self,
        instruction: &Instruction,
        high: Option<&Instruction>,
        place: Place,
        is_met: bool,
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
                let result = self.call(instruction, place, is_met, state);
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
