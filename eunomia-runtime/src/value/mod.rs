//! Values of types that are known only at run time, read and written through
//! [`crate::object::Layouts`].

mod event;
mod form;
mod handlers;
mod json;
mod leaf;
mod plan;
#[cfg(feature = "dynamic")]
pub(crate) mod recording;
#[cfg(feature = "serde")]
mod serial;
mod text;
mod view;

pub use crate::object::encode::{encode, parse};
pub use event::Event;
pub use handlers::{Handler, Handlers};
pub use view::Value;
