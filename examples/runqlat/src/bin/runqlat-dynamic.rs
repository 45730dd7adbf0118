//! The same without a generated module: the skeleton is read at run time, and its document tells
//! that its map holds histograms.
#![forbid(unsafe_code)]

use std::{
    error::Error,
    io::{self, Write},
    sync::Arc,
    time::Duration,
};

use eunomia_runtime::{
    Skeleton,
    output::{Format, Printer},
};

fn main() -> Result<(), Box<dyn Error>> {
    let open =
        Skeleton::from_slice(include_bytes!("../../bpf/runqlat.json"), "runqlat.json")?.open()?;
    let args = open.command()?.get_matches();
    let skel = open.args(&args)?.load()?.attach()?;
    let stop = skel.control();
    ctrlc::set_handler(move || stop.stop())?;

    let (control, mut text) = (skel.control(), Vec::new());
    let checked = Arc::clone(skel.checked());
    let mut printer = Printer::new(&checked, Format::Text)?;
    while !control.is_stopped() {
        skel.poll(Duration::from_secs(1), |event| printer.write(&event, &mut text))?;
        io::stdout().write_all(&text)?;
        text.clear();
    }
    skel.finish(|event| printer.write(&event, &mut text))?;
    io::stdout().write_all(&text)?;
    Ok(())
}
