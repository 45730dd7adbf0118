//! What calls and loads of addresses do: the records that helpers send, and the memory and the
//! functions that they refer to.

use super::{
    Origin, Send, Walk,
    state::{State, Value},
};
use crate::object::{instruction::Instruction, maps::MapKind, references::Place};

impl Walk<'_> {
    /// Returns the record that an instruction sends.
    pub(super) fn send(
        &self,
        instruction: &Instruction,
        place: Place,
        state: &State,
    ) -> Option<Send> {
        /// `bpf_perf_event_output`, `bpf_skb_output`, `bpf_xdp_output`
        const PERF: [i32; 3] = [25, 111, 121];
        /// `bpf_ringbuf_output`
        const OUTPUT: i32 = 130;
        /// `bpf_ringbuf_reserve`, `bpf_ringbuf_reserve_dynptr`
        const RESERVE: [i32; 2] = [131, 198];
        if instruction.code != Instruction::CALL
            || instruction.source != 0
            || self.references.symbol(place).is_some()
        {
            return None;
        }
        let number = |register| match state.get(register) {
            Value::Number(number) => Some(number),
            _ => None,
        };
        let from = |register| match state.get(register) {
            Value::Element { map, offset } => u64::try_from(offset)
                .map_or(Origin::Unknown, |offset| Origin::Element { map, offset }),
            Value::Global { section, offset } => u64::try_from(offset)
                .map_or(Origin::Unknown, |offset| Origin::Global { section, offset }),
            _ => Origin::Unknown,
        };
        let (map, size, from, reserved, appends) = match instruction.immediate {
            // The upper half of the flags appends bytes of a packet.
            helper if PERF.contains(&helper) => match state.get(3).is_low() {
                true => (2, number(5), from(4), false, false),
                false => (2, None, Origin::Unknown, false, true),
            },
            OUTPUT => (1, number(3), from(2), false, false),
            helper if RESERVE.contains(&helper) => (1, number(2), Origin::Unknown, true, false),
            _ => return None,
        };
        let map = match state.get(map) {
            Value::Map(number) => Some(number),
            _ => None,
        };
        Some(Send { map, size, from, reserved, appends, place, block: 0 })
    }

    /// Returns the value that an `ld_imm64` loads. The address of a function may be called.
    pub(super) fn loaded(&mut self, low: i32, high: Option<&Instruction>, place: Place) -> Value {
        let Some(symbol) = self.references.symbol(place) else {
            let high = high.map_or(0, |high| high.immediate.cast_unsigned());
            return Value::Number(u64::from(high) << 32 | u64::from(low.cast_unsigned()));
        };
        let section = usize::from(symbol.st_shndx);
        let Some(offset) = symbol.st_value.checked_add_signed(low.into()) else {
            return Value::Any;
        };
        if let Some(number) = self.numbers.get(&(section, offset)) {
            return Value::Map(*number);
        }
        match self.elf.sections.get(section) {
            Some(of) if of.executable => {
                if let Some(index) = self.calls.at(section, offset) {
                    self.enter(index, [Value::Any; 5]);
                }
                Value::Any
            }
            Some(_) if section != 0 => {
                self.found.used.insert((section, offset));
                i64::try_from(offset).map_or(Value::Any, |offset| Value::Global { section, offset })
            }
            _ => Value::Any,
        }
    }

    /// Follows the called function, and returns the result of the call.
    pub(super) fn call(&mut self, instruction: &Instruction, place: Place, state: &State) -> Value {
        /// The helpers that return the address of a map's value: `bpf_map_lookup_elem`,
        /// `bpf_sk_storage_get`, `bpf_inode_storage_get`, `bpf_task_storage_get`,
        /// `bpf_map_lookup_percpu_elem`, `bpf_cgrp_storage_get`.
        const LOOKUPS: [i32; 6] = [1, 107, 145, 156, 195, 210];
        /// `bpf_get_smp_processor_id`
        const CPU: i32 = 8;
        let to = match self.references.symbol(place) {
            Some(symbol) if symbol.st_shndx == 0 => return Value::Any,
            Some(symbol) => Some((
                usize::from(symbol.st_shndx),
                symbol.st_value.checked_add_signed(instruction.distance()),
            )),
            None if instruction.calls_function() => {
                Some((place.0, place.1.checked_add_signed(instruction.distance())))
            }
            None => None,
        };
        if let Some((section, offset)) = to {
            if let Some(index) = offset.and_then(|offset| self.calls.at(section, offset)) {
                self.enter(index, state.arguments());
            }
            return Value::Any;
        }
        match (instruction.immediate, state.get(1)) {
            (CPU, _) => Value::Low,
            (helper, Value::Map(map)) if LOOKUPS.contains(&helper) && self.has_values(map) => {
                Value::Element { map, offset: 0 }
            }
            _ => Value::Any,
        }
    }

    /// Reports whether the values of a map are data, not maps.
    fn has_values(&self, map: usize) -> bool {
        self.maps
            .get(map)
            .is_some_and(|map| !matches!(map.kind, MapKind::ARRAY_OF_MAPS | MapKind::HASH_OF_MAPS))
    }
}
