//! One case: a struct with its nested types, and a value of it, all from a seed.

use super::{
    model::{Declared, Enum, Member, Name, Record, Scalar, ScalarKind, Type, Value},
    random::Random,
};

/// Parts of C that only some cases use, so that a failure can be seen alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Feature {
    Bits,
    UnusedBits,
    Packed,
    Pack,
    Aligned,
    Unions,
    Anonymous,
    Nameless,
    Flexible,
    Empty,
}

/// The number of items of a flexible array.
pub(crate) const FLEXIBLE: u32 = 3;

const FEATURES: [Feature; 10] = [
    Feature::Bits,
    Feature::UnusedBits,
    Feature::Packed,
    Feature::Pack,
    Feature::Aligned,
    Feature::Unions,
    Feature::Anonymous,
    Feature::Nameless,
    Feature::Flexible,
    Feature::Empty,
];

/// A struct, `declared[top]`, and the value of the variable of that type.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) seed: u64,
    pub(crate) features: Vec<Feature>,
    /// The declared types, each before its first use.
    pub(crate) declared: Vec<Declared>,
    pub(crate) top: usize,
    pub(crate) value: Value,
}

impl Case {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut features = match random.below(6) {
            0 => Vec::new(),
            1 => vec![random.pick(&FEATURES)],
            _ => FEATURES.into_iter().filter(|_| random.percent(50)).collect(),
        };
        if features.contains(&Feature::UnusedBits) && !features.contains(&Feature::Bits) {
            features.push(Feature::Bits);
        }
        let mut maker = Maker { random, features, declared: Vec::new(), names: 0 };
        let top = maker.record(false, Name::Tag("top".to_owned()), 3);
        let value = maker.members_value(top);
        let Maker { features, declared, .. } = maker;
        Self { seed, features, declared, top, value }
    }

    pub(crate) fn has(&self, feature: Feature) -> bool {
        self.features.contains(&feature)
    }

    pub(crate) fn record(&self, index: usize) -> Option<&Record> {
        match &self.declared[index] {
            Declared::Record(record) => Some(record),
            _ => None,
        }
    }

    /// Returns the members of a record that have values.
    pub(crate) fn members(&self, index: usize) -> impl Iterator<Item = &Member> {
        self.record(index)
            .into_iter()
            .flat_map(|record| &record.members)
            .filter(|member| member.has_value())
    }

    /// Resolves typedefs.
    pub(crate) fn resolve<'a>(&'a self, ty: &'a Type) -> &'a Type {
        resolve(&self.declared, ty)
    }
}

fn resolve<'a>(declared: &'a [Declared], ty: &'a Type) -> &'a Type {
    match ty {
        Type::Declared(index) => match &declared[*index] {
            Declared::Typedef { ty, .. } => resolve(declared, ty),
            _ => ty,
        },
        _ => ty,
    }
}

struct Maker {
    random: Random,
    features: Vec<Feature>,
    declared: Vec<Declared>,
    names: usize,
}

impl Maker {
    /// Decides whether to use a feature here, if the case has it.
    fn now(&mut self, feature: Feature, percent: u64) -> bool {
        self.features.contains(&feature) && self.random.percent(percent)
    }

    /// Returns a name that is unique in the case.
    fn name(&mut self, prefix: &str) -> String {
        self.names += 1;
        format!("{prefix}{}", self.names)
    }

    fn declare(&mut self, declared: Declared) -> usize {
        self.declared.push(declared);
        self.declared.len() - 1
    }

    /// Declares a record with at most `depth` levels of records inside.
    fn record(&mut self, union: bool, name: Name, depth: u32) -> usize {
        let top = name == Name::Tag("top".to_owned());
        let count = if top { self.random.between(3, 10) } else { self.random.between(1, 5) };
        let mut members = Vec::new();
        for _ in 0..count {
            if !union && self.now(Feature::UnusedBits, 15) {
                members.push(self.unused_bits());
            }
            members.push(self.member(depth));
        }
        if !members.iter().any(|member| member.name.is_some()) {
            // C requires a member with a name.
            let name = self.name("m");
            members.push(Member::new(Some(name), Type::Scalar(SCALARS[1])));
        }
        if top && self.now(Feature::Flexible, 80) {
            let (name, ty) = (self.name("m"), self.scalar());
            members.push(Member { flexible: true, ..Member::new(Some(name), ty) });
        }
        let packed = self.now(Feature::Packed, 40);
        let aligned = self.now(Feature::Aligned, 40).then(|| 1 << self.random.between(1, 6));
        // `#pragma pack` needs a separate declaration.
        let pack = (name != Name::Nameless && self.now(Feature::Pack, 60))
            .then(|| 1 << self.random.below(4));
        self.declare(Declared::Record(Record { union, name, members, packed, aligned, pack }))
    }

    fn member(&mut self, depth: u32) -> Member {
        if self.now(Feature::Bits, 50) {
            return self.bit_field();
        }
        if depth > 0 && self.now(Feature::Anonymous, 35) {
            let union = self.now(Feature::Unions, 50);
            let record = self.record(union, Name::Nameless, depth - 1);
            return Member::new(None, Type::Declared(record));
        }
        let name = self.name("m");
        let mut member = Member::new(Some(name), self.ty(depth));
        member.qualifier = match self.random.below(12) {
            0 => "const ",
            1 => "volatile ",
            _ => "",
        };
        member.packed = self.now(Feature::Packed, 15);
        member.aligned = self.now(Feature::Aligned, 20).then(|| 1 << self.random.between(1, 6));
        member
    }

    fn unused_bits(&mut self) -> Member {
        let scalar = self.random.pick(&BIT_SCALARS);
        let bits = if self.random.percent(40) {
            0
        } else {
            self.random.between(1, scalar.bits.into()) as u32
        };
        Member { bits: Some(bits), ..Member::new(None, Type::Scalar(scalar)) }
    }

    fn bit_field(&mut self) -> Member {
        let name = self.name("m");
        let (ty, bits) = match self.random.below(10) {
            0 => (Type::Scalar(BOOL), 1),
            1 => {
                let index = self.enumeration();
                let Declared::Enum(ty) = &self.declared[index] else { unreachable!() };
                // As many bits as the constants need, or more.
                let (size, signed) = enum_bits(ty);
                let needed =
                    ty.constants.iter().map(|(_, value)| width(*value, signed)).max().unwrap_or(1);
                (Type::Declared(index), self.random.between(needed.into(), size.into()) as u32)
            }
            _ => {
                let scalar = self.random.pick(&BIT_SCALARS);
                let bits = self.random.between(1, scalar.bits.into()) as u32;
                (self.maybe_typedef(Type::Scalar(scalar)), bits)
            }
        };
        let aligned = self.now(Feature::Aligned, 10).then(|| 1 << self.random.between(1, 4));
        Member { bits: Some(bits), aligned, ..Member::new(Some(name), ty) }
    }

    fn ty(&mut self, depth: u32) -> Type {
        match self.random.below(20) {
            0..=8 => self.scalar(),
            9 => Type::Array(Box::new(Type::Scalar(CHAR)), self.random.between(1, 40) as u32),
            10 => Type::Pointer(self.random.pick(&POINTERS)),
            11 => Type::Declared(self.enumeration()),
            12..=14 => {
                let element = if depth > 0 { self.ty(depth - 1) } else { self.scalar() };
                let len =
                    if self.now(Feature::Empty, 25) { 0 } else { self.random.between(1, 4) as u32 };
                let array = Type::Array(Box::new(element), len);
                self.maybe_typedef(array)
            }
            _ if depth > 0 => self.nested(depth - 1),
            _ => self.scalar(),
        }
    }

    fn scalar(&mut self) -> Type {
        let scalar = self.random.pick(&SCALARS);
        self.maybe_typedef(Type::Scalar(scalar))
    }

    fn maybe_typedef(&mut self, ty: Type) -> Type {
        if !self.random.percent(15) {
            return ty;
        }
        let name = self.name("t");
        Type::Declared(self.declare(Declared::Typedef { name, ty }))
    }

    fn nested(&mut self, depth: u32) -> Type {
        // A record that is already declared and has a name may be used again.
        let reusable = |(_, declared): &(usize, &Declared)| matches!(declared, Declared::Record(record) if record.name != Name::Nameless);
        let known: Vec<usize> =
            self.declared.iter().enumerate().filter(reusable).map(|(index, _)| index).collect();
        if !known.is_empty() && self.random.percent(30) {
            return Type::Declared(self.random.pick(&known));
        }
        let union = self.now(Feature::Unions, 50);
        if self.now(Feature::Empty, 20) {
            let name = Name::Tag(self.name("s"));
            let empty = Record {
                union: false,
                name,
                members: Vec::new(),
                packed: false,
                aligned: None,
                pack: None,
            };
            return Type::Declared(self.declare(Declared::Record(empty)));
        }
        let name = if self.now(Feature::Nameless, 50) {
            Name::Nameless
        } else if self.random.percent(25) {
            Name::Typedef(self.name("t"))
        } else {
            Name::Tag(self.name("s"))
        };
        Type::Declared(self.record(union, name, depth))
    }

    fn enumeration(&mut self) -> usize {
        let tag = if self.now(Feature::Nameless, 50) { None } else { Some(self.name("e")) };
        let packed = self.random.percent(30);
        let (bits, signed) = match self.random.below(6) {
            0 => (64, true),
            1 => (64, false),
            2 => (31, true),
            _ => (self.random.between(3, 20) as u32, self.random.percent(30)),
        };
        let mut constants: Vec<(String, i128)> = Vec::new();
        for _ in 0..self.random.between(1, 5) {
            let name = self.name("C");
            let value = match constants.first() {
                // A second name for the same value.
                Some((_, first)) if self.random.percent(15) => *first,
                _ => self.random.number(bits, signed),
            };
            constants.push((name, value));
        }
        // No C type can hold both negative values and values above `i64::MAX`.
        if constants.iter().any(|(_, value)| *value < 0) {
            constants.iter_mut().for_each(|(_, value)| *value = i128::from(*value as i64));
        }
        self.declare(Declared::Enum(Enum { tag, constants, packed }))
    }

    fn members_value(&mut self, index: usize) -> Value {
        let Declared::Record(record) = &self.declared[index] else { unreachable!() };
        let members: Vec<_> = record
            .members
            .iter()
            .filter(|member| member.has_value())
            .map(|member| (member.ty.clone(), member.bits, member.flexible))
            .collect();
        if record.union {
            // C can set an anonymous member that is not the first only through the names inside, so
            // only named members are set.
            let named: Vec<usize> = record
                .members
                .iter()
                .enumerate()
                .filter(|(_, member)| member.name.is_some())
                .map(|(i, _)| i)
                .collect();
            let arm = self.random.pick(&named);
            let (ty, bits, _) = &members[arm];
            return Value::Arm(arm, Box::new(self.value(ty, *bits)));
        }
        let mut values = Vec::new();
        for (ty, bits, flexible) in &members {
            values.push(if *flexible { self.items(ty, FLEXIBLE) } else { self.value(ty, *bits) });
        }
        Value::Members(values)
    }

    fn items(&mut self, ty: &Type, len: u32) -> Value {
        Value::Items((0..len).map(|_| self.value(ty, None)).collect())
    }

    fn value(&mut self, ty: &Type, bits: Option<u32>) -> Value {
        match resolve(&self.declared, ty).clone() {
            Type::Pointer(_) => Value::Number(self.random.number(64, false)),
            Type::Scalar(Scalar { kind: ScalarKind::Float, .. }) => {
                Value::Eighths(self.random.bits() as i32 / 256)
            }
            Type::Scalar(Scalar { kind: ScalarKind::Bool, .. }) => {
                Value::Number(self.random.below(2).into())
            }
            Type::Scalar(scalar) => Value::Number(
                self.random
                    .number(bits.unwrap_or(scalar.bits), scalar.kind != ScalarKind::Unsigned),
            ),
            Type::Array(element, len) => self.items(&element, len),
            Type::Declared(index) => match &self.declared[index] {
                Declared::Enum(ty) => {
                    let values: Vec<i128> = ty.constants.iter().map(|(_, value)| *value).collect();
                    Value::Number(self.random.pick(&values))
                }
                _ => self.members_value(index),
            },
        }
    }
}

/// Returns the number of bits of an enum's integer, and whether it is signed.
pub(crate) fn enum_bits(ty: &Enum) -> (u32, bool) {
    let signed = ty.constants.iter().any(|(_, value)| *value < 0);
    let needed = ty.constants.iter().map(|(_, value)| width(*value, signed)).max().unwrap_or(1);
    let sizes: &[u32] = if ty.packed { &[8, 16, 32, 64] } else { &[32, 64] };
    let size = sizes.iter().copied().find(|size| needed <= *size);
    (size.unwrap_or(64), signed)
}

/// Returns the number of bits that a number needs.
fn width(value: i128, signed: bool) -> u32 {
    let magnitude = if value < 0 { !value } else { value };
    (128 - magnitude.leading_zeros() + u32::from(signed)).max(1)
}

const fn scalar(name: &'static str, bits: u32, kind: ScalarKind) -> Scalar {
    Scalar { name, bits, kind }
}

const CHAR: Scalar = scalar("char", 8, ScalarKind::Char);
const BOOL: Scalar = scalar("_Bool", 8, ScalarKind::Bool);

const BIT_SCALARS: [Scalar; 10] = [
    scalar("signed char", 8, ScalarKind::Signed),
    scalar("unsigned char", 8, ScalarKind::Unsigned),
    scalar("short", 16, ScalarKind::Signed),
    scalar("unsigned short", 16, ScalarKind::Unsigned),
    scalar("int", 32, ScalarKind::Signed),
    scalar("unsigned int", 32, ScalarKind::Unsigned),
    scalar("long", 64, ScalarKind::Signed),
    scalar("unsigned long", 64, ScalarKind::Unsigned),
    scalar("long long", 64, ScalarKind::Signed),
    scalar("unsigned long long", 64, ScalarKind::Unsigned),
];

const SCALARS: [Scalar; 16] = [
    BIT_SCALARS[0],
    BIT_SCALARS[1],
    BIT_SCALARS[2],
    BIT_SCALARS[3],
    BIT_SCALARS[4],
    BIT_SCALARS[5],
    BIT_SCALARS[6],
    BIT_SCALARS[7],
    BIT_SCALARS[8],
    BIT_SCALARS[9],
    scalar("__int128", 128, ScalarKind::Signed),
    scalar("unsigned __int128", 128, ScalarKind::Unsigned),
    scalar("float", 32, ScalarKind::Float),
    scalar("double", 64, ScalarKind::Float),
    BOOL,
    CHAR,
];

const POINTERS: [&str; 5] = [
    "void *@",
    "const char *@",
    "struct top *@",
    "int (*@)(int, struct elsewhere *)",
    "unsigned long long **@",
];
