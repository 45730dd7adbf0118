//! Counts the packets of an interface by protocol.
#![forbid(unsafe_code)]

use std::{
    error::Error,
    io::{self, Write as _},
    process::ExitCode,
    sync::mpsc,
    time::Duration,
};

use clap::Parser;
use eunomia_runtime::bpf::XdpMode;

eunomia_macros::include_skeleton!("src/bpf/NAME.json", mod = bpf);

#[cfg(test)]
mod tests;

/// Counts the packets of an interface by protocol
#[derive(Parser)]
struct Options {
    /// The interface, for example eth0
    interface: String,
    /// Options of the BPF program's variables
    #[command(flatten)]
    args: bpf::Args,
    /// End after this many seconds
    #[arg(long, value_name = "S")]
    duration: Option<u64>,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            // Says what the machine or the process lacks.
            eprint!("{}", eunomia_runtime::preflight());
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let skel = bpf::open()?.args(&options.args)?.load()?;
    // Detached when the link is dropped. Never takes the place of another program.
    let _link = skel
        .progs()?
        .filter
        .attach_to(options.interface.as_str(), XdpMode::Best)?;

    let (stop, stopped) = mpsc::channel();
    ctrlc::set_handler(move || stop.send(()).unwrap_or_default())?;
    let mut out = io::stdout().lock();
    for _ in 0..options.duration.unwrap_or(u64::MAX) {
        let is_stopped = stopped.recv_timeout(Duration::from_secs(1)).is_ok();
        let counts = skel.maps()?.counts;
        for protocol in 0..counts.len() {
            let Some(count) = counts.get(protocol)? else {
                continue;
            };
            let packets = count.sum(|count| count.packets);
            let bytes = count.sum(|count| count.bytes);
            if packets > 0 {
                let name = name(protocol);
                writeln!(out, "{name:<10} {packets:>10} packets {bytes:>12} bytes")?;
            }
        }
        writeln!(out)?;
        if is_stopped {
            break;
        }
    }
    Ok(())
}

/// Returns the name of a protocol.
fn name(protocol: u32) -> String {
    let name = match protocol {
        1 => "ICMP",
        6 => "TCP",
        17 => "UDP",
        58 => "ICMPv6",
        other => return other.to_string(),
    };
    name.to_owned()
}
