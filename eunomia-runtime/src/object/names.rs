//! C spellings of types, for documentation and to hold a document's texts against BTF.

use super::{
    btf::{Kind, TypeId},
    layout::Layouts,
};

impl Layouts {
    /// The type as C writes it, for example `char[16]` or `struct event *`.
    pub fn c_name(&self, id: TypeId) -> String {
        self.spell(id, 8)
    }

    /// `budget` ends the spelling of pointers that lead back to themselves through typedefs-free chains.
    fn spell(&self, id: TypeId, budget: u8) -> String {
        let ty = self.btf.get(id);
        let tagged = |keyword: &str| if ty.name.is_empty() { format!("{keyword} {{..}}") } else { format!("{keyword} {}", ty.name) };
        let Some(left) = budget.checked_sub(1) else { return "..".to_owned() };
        match &ty.kind {
            Kind::Void => "void".to_owned(),
            Kind::Struct { .. } => tagged("struct"),
            Kind::Union { .. } => tagged("union"),
            Kind::Enum { .. } => tagged("enum"),
            Kind::Forward => tagged("struct"),
            Kind::Pointer { to } => {
                let to = self.spell(*to, left);
                if to.ends_with('*') { format!("{to}*") } else { format!("{to} *") }
            }
            Kind::Prototype => "void ()".to_owned(),
            Kind::Array { .. } => {
                let (mut element, mut dimensions) = (id, String::new());
                while let Kind::Array { element: of, len } = self.btf.get(element).kind {
                    dimensions.push_str(&format!("[{len}]"));
                    element = of;
                }
                self.spell(element, left) + &dimensions
            }
            Kind::Modifier { to, keyword: "" } => self.spell(*to, left),
            Kind::Modifier { to, keyword } => format!("{keyword} {}", self.spell(*to, left)),
            Kind::Variable { ty, .. } => self.spell(*ty, left),
            _ => ty.name.clone(),
        }
    }

    /// A declaration of `name` as C writes it, for example `char comm[16]`.
    pub fn c_declaration(&self, name: &str, id: TypeId) -> String {
        let ty = self.c_name(id);
        match ty.find('[') {
            Some(at) => format!("{} {name}{}", &ty[..at], &ty[at..]),
            None if ty.ends_with('*') => format!("{ty}{name}"),
            None => format!("{ty} {name}"),
        }
    }

    /// Whether `text`, as compilers write it into documents, means the type `id`.
    pub(crate) fn is_spelled(&self, id: TypeId, text: &str) -> bool {
        let bare = |text: &str| {
            let words: Vec<&str> = text.split_whitespace().filter(|word| !matches!(*word, "const" | "volatile")).collect();
            words.concat().replace("{..}", "")
        };
        let (_, resolved) = self.btf.resolve(id);
        if matches!(resolved.kind, Kind::Pointer { .. }) {
            // Pointers all have one layout, and their spellings differ from tool to tool.
            return text.ends_with('*') || text.contains("(*") || bare(text) == bare(&self.c_name(id));
        }
        let (_, direct) = self.btf.unmodified(id);
        if direct.name.is_empty() && matches!(direct.kind, Kind::Struct { .. } | Kind::Union { .. } | Kind::Enum { .. }) {
            // Nothing in the text could be compared.
            return true;
        }
        let text = match bare(text).as_str() {
            "bool" => "_Bool".to_owned(),
            text => text.to_owned(),
        };
        let mut id = id;
        loop {
            let spelled = match bare(&self.c_name(id)).as_str() {
                "bool" => "_Bool".to_owned(),
                spelled => spelled.to_owned(),
            };
            if spelled == text {
                return true;
            }
            match self.btf.get(id).kind {
                Kind::Typedef { to } | Kind::Modifier { to, .. } => id = to,
                _ => return false,
            }
        }
    }
}
