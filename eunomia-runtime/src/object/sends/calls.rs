//! What calls and loads of addresses do: the records that helpers send, and the memory and the
//! functions that they refer to.

use super::{
    Origin, Send, Walk,
    state::{State, Value},
};
use crate::object::{instruction::Instruction, maps::MapKind, references::Place};

impl Walk<'_> {
    /// Returns the record that an instruction sends, once for each map that it may be sent through.
    pub(super) fn sends(
        &self,
        instruction: &Instruction,
        place: Place,
        block: u64,
        state: &State,
    ) -> Vec<Send> {
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
            return Vec::new();
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
            Value::Frame(offset) => Origin::Frame(offset),
            _ => Origin::Unknown,
        };
        let (map, size, register, appends) = match instruction.immediate {
            // The upper half of the flags appends bytes of a packet.
            helper if PERF.contains(&helper) => {
                let appends = !state.get(3).is_low();
                (2, number(5).filter(|_| !appends), 4, appends)
            }
            OUTPUT => (1, number(3), 2, false),
            helper if RESERVE.contains(&helper) => (1, number(2), 0, false),
            _ => return Vec::new(),
        };
        let reserved = register == 0;
        let from = if reserved || appends { Origin::Unknown } else { from(register) };
        let one = |map| Send { map, size, from, register, reserved, appends, place, block };
        match state.get(map) {
            Value::Map(maps) => maps.numbers().map(Some).map(one).collect(),
            _ => vec![one(None)],
        }
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
            return Value::map(*number);
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

    /// Returns the result of a call, and follows the called function if the call `is_met`.
    pub(super) fn call(
        &mut self,
        instruction: &Instruction,
        place: Place,
        is_met: bool,
        state: &State,
    ) -> Value {
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
            if is_met && let Some(index) = offset.and_then(|offset| self.calls.at(section, offset))
            {
                self.enter(index, state.arguments());
            }
            return Value::Any;
        }
        match (instruction.immediate, state.get(1)) {
            (CPU, _) => Value::Low,
            (helper, Value::Map(maps)) if LOOKUPS.contains(&helper) => maps
                .only()
                .filter(|map| self.has_values(*map))
                .map_or(Value::Any, |map| Value::Element { map, offset: 0 }),
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
