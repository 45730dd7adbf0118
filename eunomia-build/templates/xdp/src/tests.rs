//! Tests of the BPF program, on packets that no interface sends (`BPF_PROG_TEST_RUN`). Those that
//! load it need root; `README.md` says how to run them.

use std::error::Error;

use clap::Parser as _;
use eunomia_runtime::bpf::TestInput;

use super::{Options, bpf};

const DROP: u32 = 1;
const PASS: u32 = 2;
const UDP: u8 = 17;

/// Returns an IPv4 packet to a port.
fn packet(protocol: u8, port: u16) -> Vec<u8> {
    let mut packet = vec![0; 64];
    packet[12..14].copy_from_slice(&[8, 0]); // IPv4
    packet[14] = 0x45; // its version, and a header of 20 bytes
    packet[23] = protocol;
    packet[36..38].copy_from_slice(&port.to_be_bytes());
    packet
}

#[test]
fn option_sets_variable() -> Result<(), Box<dyn Error>> {
    let options = Options::try_parse_from(["xdp", "eth0", "--drop-port", "53"])?;
    let mut open = bpf::open()?.args(&options.args)?;
    assert_eq!(open.rodata()?.drop_port.get()?, 53);
    Ok(())
}

#[test]
#[ignore = "needs root"]
fn packets_are_counted_and_dropped() -> Result<(), Box<dyn Error>> {
    let mut open = bpf::open()?;
    open.rodata()?.drop_port.set(53)?;
    let skel = open.load()?;
    let filter = skel.progs()?.filter;
    let verdict = |packet: &[u8]| -> eunomia_runtime::Result<u32> {
        Ok(filter.test(&TestInput::new().data(packet))?.return_value)
    };
    assert_eq!(verdict(&packet(UDP, 53))?, DROP);
    assert_eq!(verdict(&packet(UDP, 54))?, PASS);
    assert_eq!(verdict(&packet(6, 53))?, PASS, "TCP");
    assert_eq!(
        verdict(&packet(UDP, 53)[..20])?,
        PASS,
        "a header that is cut off"
    );

    let counts = skel.maps()?.counts;
    let udp = counts.get(UDP.into())?.ok_or("an array has all keys")?;
    assert_eq!(
        (udp.sum(|count| count.packets), udp.sum(|count| count.bytes)),
        (2, 128)
    );
    Ok(())
}
