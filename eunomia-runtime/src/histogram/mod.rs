//! Histograms as BPF programs count them: slots by powers of two, or of equal width.
//!
//! They give text, percentiles and sums. They are plain memory and work on any system.
//!
//! ```
//! use eunomia_runtime::histogram::Log2Histogram;
//!
// // `__u32 slots[8]` of a sampled value.
//! let hist = Log2Histogram::from_slots(&[1u32, 0, 3, 12, 5, 0, 0, 0]);
//! assert_eq!(hist.percentile(50.0), Some(8..=15));
//! println!("{}", hist.text("usecs"));
//! ```

mod linear;
mod log2;
mod rows;

pub use linear::LinearHistogram;
pub use log2::Log2Histogram;
