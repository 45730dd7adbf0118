//! Values of types that are known only at run time, read and written through
//! [`crate::object::Layouts`].

mod encode;
mod event;
mod handlers;
mod json;
mod plan;
#[cfg(feature = "serde")]
mod serial;
mod text;
mod view;

pub(crate) use encode::{constants, scalar};
pub use encode::{encode, parse};
pub use event::Event;
pub use handlers::{Handler, Handlers};
pub(crate) use plan::Plans;
pub use view::Value;
