//! What is known of registers and of the stack at one place of a function.

use std::collections::BTreeMap;

/// What is known of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Value {
    /// Nothing.
    Any,
    /// It is less than 2^32.
    Low,
    Number(u64),
    /// An address in the stack of this function, from its end.
    Frame(i64),
    /// One of these maps.
    Map(Maps),
    /// An address in a value of the map with this number, or null.
    Element {
        map: usize,
        offset: i64,
    },
    /// An address in a section.
    Global {
        section: usize,
        offset: i64,
    },
}

/// A set of maps, a bit for each number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Maps(u128);

impl Maps {
    /// Returns the set of one map, if it has a number that the set can have.
    pub(super) fn one(number: usize) -> Option<Self> {
        let bit = u32::try_from(number).ok()?;
        1u128.checked_shl(bit).map(Self)
    }

    /// Returns the numbers of the maps.
    pub(super) fn numbers(self) -> impl Iterator<Item = usize> {
        (0..u128::BITS as usize).filter(move |number| self.0 >> number & 1 == 1)
    }

    /// Returns the number of the map, if it is one.
    pub(super) fn only(self) -> Option<usize> {
        self.0.is_power_of_two().then(|| self.0.trailing_zeros() as usize)
    }
}

impl Value {
    /// Returns the map with a number.
    pub(super) fn map(number: usize) -> Self {
        Maps::one(number).map_or(Self::Any, Self::Map)
    }

    /// Returns what is known of a value that is one of two.
    fn or(self, other: Self) -> Self {
        match (self, other) {
            _ if self == other => self,
            _ if self.is_low() && other.is_low() => Self::Low,
            (Self::Map(one), Self::Map(other)) => Self::Map(Maps(one.0 | other.0)),
            (Self::Number(0), element @ Self::Element { .. })
            | (element @ Self::Element { .. }, Self::Number(0)) => element,
            _ => Self::Any,
        }
    }

    pub(super) fn is_low(self) -> bool {
        match self {
            Self::Low => true,
            Self::Number(number) => u32::try_from(number).is_ok(),
            _ => false,
        }
    }

    /// Returns the lower half of the value.
    pub(super) fn low(self) -> Self {
        match self {
            Self::Number(number) => Self::Number(number & u64::from(u32::MAX)),
            _ => Self::Low,
        }
    }

    /// Returns the value with a number added to it.
    pub(super) fn plus(self, number: i64) -> Self {
        let moved = |offset: i64| offset.checked_add(number);
        let moved = match self {
            Self::Number(of) => Some(Self::Number(of.wrapping_add_signed(number))),
            Self::Frame(offset) => moved(offset).map(Self::Frame),
            Self::Element { map, offset } => {
                moved(offset).map(|offset| Self::Element { map, offset })
            }
            Self::Global { section, offset } => {
                moved(offset).map(|offset| Self::Global { section, offset })
            }
            Self::Any | Self::Low | Self::Map(_) => None,
        };
        moved.unwrap_or(Self::Any)
    }
}

/// What is known at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    registers: [Value; 10],
    /// The values in the stack, 8 bytes each, by their offset from its end.
    stack: BTreeMap<i64, Value>,
    /// The lowest address in the stack that the function has computed. Others may have it, and
    /// change what is there.
    taken: i64,
}

/// The frame pointer.
const FRAME: u8 = 10;
/// The bytes of the stack.
const STACK: i64 = 512;

impl State {
    /// Returns the state at the start of a function with these arguments.
    pub(super) fn new(arguments: [Value; 5]) -> Self {
        let mut registers = [Value::Any; 10];
        registers[1..6].copy_from_slice(&arguments);
        Self { registers, stack: BTreeMap::new(), taken: 0 }
    }

    pub(super) fn get(&self, register: u8) -> Value {
        if register == FRAME {
            return Value::Frame(0);
        }
        self.registers.get(usize::from(register)).copied().unwrap_or(Value::Any)
    }

    pub(super) fn set(&mut self, register: u8, value: Value) {
        if let Value::Frame(offset) = value {
            self.taken = self.taken.min(offset);
        }
        if let Some(known) = self.registers.get_mut(usize::from(register)) {
            *known = value;
        }
    }

    /// Sets the result of a computation with these operands that is not followed. An address in the
    /// stack may have become any other one.
    pub(super) fn compute(&mut self, register: u8, operands: [Value; 2], result: Value) {
        if operands.iter().any(|operand| matches!(operand, Value::Frame(_))) {
            self.taken = -STACK;
        }
        self.set(register, result);
    }

    /// Returns the first five arguments of a call, as the called function sees them.
    pub(super) fn arguments(&self) -> [Value; 5] {
        [1, 2, 3, 4, 5].map(|register| match self.get(register) {
            Value::Frame(_) => Value::Any,
            value => value,
        })
    }

    /// Applies the effect of a call on the registers and on the stack.
    pub(super) fn call(&mut self, result: Value) {
        self.forget_taken();
        self.registers[..6].fill(Value::Any);
        self.registers[0] = result;
    }

    pub(super) fn load(&self, from: Value, size: u8) -> Value {
        match from {
            Value::Frame(offset) if size == 8 => {
                self.stack.get(&offset).copied().unwrap_or(Value::Any)
            }
            _ if size < 8 => Value::Low,
            _ => Value::Any,
        }
    }

    pub(super) fn store(&mut self, to: Value, size: u8, value: Value) {
        match to {
            Value::Frame(offset) => {
                let end = offset.saturating_add(size.into());
                self.stack.retain(|slot, _| *slot >= end || slot.saturating_add(8) <= offset);
                if size == 8 && value != Value::Any && (-STACK..0).contains(&offset) {
                    self.stack.insert(offset, value);
                }
                if let Value::Frame(_) = value {
                    self.taken = -STACK;
                }
            }
            Value::Element { .. } | Value::Global { .. } => {}
            _ => self.forget_taken(),
        }
    }

    /// Forgets what others may have changed.
    fn forget_taken(&mut self) {
        let taken = self.taken;
        self.stack.retain(|slot, _| slot.saturating_add(8) <= taken);
    }

    /// Adds what is known on another way to this place. Returns true if less is known now.
    pub(super) fn merge(&mut self, other: &Self) -> bool {
        let before = (self.registers, self.stack.len(), self.taken);
        let mut changed = false;
        for (known, other) in self.registers.iter_mut().zip(other.registers) {
            *known = known.or(other);
        }
        self.stack.retain(|slot, known| {
            let merged = other.stack.get(slot).map_or(Value::Any, |other| known.or(*other));
            changed |= merged != *known;
            *known = merged;
            merged != Value::Any
        });
        self.taken = self.taken.min(other.taken);
        changed || before != (self.registers, self.stack.len(), self.taken)
    }
}

#[cfg(test)]
mod tests {
    use super::{State, Value};

    const ELEMENT: Value = Value::Element { map: 3, offset: 0 };

    #[test]
    fn values_in_the_stack_survive_calls() {
        let mut state = State::new([Value::Any; 5]);
        state.store(Value::Frame(-16), 8, ELEMENT);
        // The address of a variable above it is passed.
        state.set(2, Value::Frame(0).plus(-8));
        state.store(Value::Frame(-8), 8, Value::Number(7));
        state.call(Value::Any);
        assert_eq!(state.load(Value::Frame(-16), 8), ELEMENT);
        assert_eq!(state.load(Value::Frame(-8), 8), Value::Any, "its address was taken");
        assert_eq!(state.load(Value::Frame(-16), 4), Value::Low);
    }

    #[test]
    fn stores_to_unknown_addresses_change_what_has_one() {
        let mut state = State::new([Value::Any; 5]);
        state.store(Value::Frame(-16), 8, Value::Number(24));
        state.store(Value::Any, 8, Value::Any);
        assert_eq!(state.load(Value::Frame(-16), 8), Value::Number(24));
        state.compute(3, [Value::Frame(0), Value::Any], Value::Any);
        state.store(Value::Any, 1, Value::Any);
        assert_eq!(state.load(Value::Frame(-16), 8), Value::Any);
        state.store(Value::Frame(-16), 8, Value::Number(24));
        state.store(Value::Frame(-12), 4, Value::Low);
        assert_eq!(state.load(Value::Frame(-16), 8), Value::Any, "overwritten in part");
    }

    #[test]
    fn only_what_all_ways_agree_on_is_known() {
        let arguments = [Value::Number(8), Value::Number(16), ELEMENT, Value::map(1), Value::Low];
        let mut state = State::new(arguments);
        state.store(Value::Frame(-8), 8, ELEMENT);
        let mut other =
            State::new([Value::Number(8), Value::Low, ELEMENT, Value::map(2), Value::Any]);
        other.store(Value::Frame(-16), 8, ELEMENT);
        assert!(state.merge(&other));
        let known = [1, 2, 3, 4, 5].map(|register| state.get(register));
        let Value::Map(maps) = known[3] else { panic!("{known:?}") };
        assert_eq!(maps.numbers().collect::<Vec<_>>(), [1, 2]);
        assert_eq!(known[..3], [Value::Number(8), Value::Low, ELEMENT]);
        assert_eq!(known[4], Value::Any);
        assert_eq!(Value::map(128), Value::Any, "more maps than a set can have");
        assert_eq!(state.load(Value::Frame(-8), 8), Value::Any);
        assert!(!state.merge(&other), "nothing new");
    }
}
