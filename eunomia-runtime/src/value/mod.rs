//! Values of types that are known only at run time, read and written through the layouts that BTF
//! gives.

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

#[doc(hidden)]
pub use crate::object::encode::{encode, parse};
pub use event::Event;
pub use handlers::{Handler, Handlers};
pub use view::{Value, ValueKind};
