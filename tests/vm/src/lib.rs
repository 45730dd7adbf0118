#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod command;
mod error;
mod fetch;
mod initramfs;
mod kernel;
mod machine;
mod matrix;
mod report;
mod run;
mod sources;

pub use self::{
    error::Error,
    kernel::Kernel,
    machine::Ended,
    matrix::{Event, Outcome, matrix, prepare},
    report::{Report, Verdict},
    run::{Run, kernel},
};
