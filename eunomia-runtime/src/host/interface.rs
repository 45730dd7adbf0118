//! Network interfaces: their names and the XDP programs on them, as the kernel reports them.

use std::{fmt, io, mem::offset_of};

use libbpf_rs::libbpf_sys;

/// Returns the name of the interface with an index in the network namespace of this thread. The
/// error is ENXIO if the interface is not found.
pub(crate) fn name_of(index: u32) -> io::Result<String> {
    let mut name = [0; libc::IF_NAMESIZE];
    // SAFETY: the buffer has the length that the call requires.
    if unsafe { libc::if_indextoname(index, name.as_mut_ptr()) }.is_null() {
        return Err(io::Error::last_os_error());
    }
    let name: Vec<u8> = name
        .iter()
        .map(|letter| letter.cast_unsigned())
        .take_while(|letter| *letter != 0)
        .collect();
    Ok(String::from_utf8_lossy(&name).into_owned())
}

/// The mode in which an interface runs an XDP program.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum XdpMode {
    /// The driver runs it if the driver supports XDP, otherwise the network stack does.
    #[default]
    Best,
    /// The network stack runs it, on any interface (`XDP_FLAGS_SKB_MODE`).
    Generic,
    /// The driver runs it (`XDP_FLAGS_DRV_MODE`).
    Native,
    /// The network card runs it (`XDP_FLAGS_HW_MODE`).
    Offload,
}

/// Formats the mode for messages.
impl fmt::Display for XdpMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Best => "best",
            Self::Generic => "generic",
            Self::Native => "native",
            Self::Offload => "offload",
        })
    }
}

/// An XDP program that is attached to an interface, by this process or by another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttachedXdp {
    /// The id of the program, see [`Program::id`](crate::bpf::Program::id).
    pub program: u32,
    /// The mode in which it runs; never [`XdpMode::Best`].
    pub mode: XdpMode,
}

/// Returns the XDP programs of the interface with an index, without those of an interface that does
/// not exist: the kernel answers for it as for one without programs.
pub(crate) fn xdp_programs(index: u32) -> io::Result<Vec<AttachedXdp>> {
    // The features of the driver would cost another request, so they are left out.
    let opts = query(index, offset_of!(libbpf_sys::bpf_xdp_query_opts, feature_flags))?;
    let modes = [
        (opts.skb_prog_id, XdpMode::Generic),
        (opts.drv_prog_id, XdpMode::Native),
        (opts.hw_prog_id, XdpMode::Offload),
    ];
    Ok(modes
        .into_iter()
        .filter(|(program, _)| *program != 0)
        .map(|(program, mode)| AttachedXdp { program, mode })
        .collect())
}

/// Returns what the driver of an interface supports for XDP (`NETDEV_XDP_ACT_*`, Linux 6.3 and
/// later); 0 on older kernels.
///
/// # Errors
/// Those of libbpf's request.
#[cfg(feature = "dynamic")]
pub(crate) fn xdp_features(index: u32) -> io::Result<u64> {
    query(index, size_of::<libbpf_sys::bpf_xdp_query_opts>()).map(|opts| opts.feature_flags)
}

/// Queries the interface for the members in the first `size` bytes of the options.
fn query(index: u32, size: usize) -> io::Result<libbpf_sys::bpf_xdp_query_opts> {
    let mut opts =
        libbpf_sys::bpf_xdp_query_opts { sz: size as libbpf_sys::size_t, ..Default::default() };
    // SAFETY: the options live through the call, which writes at most the `sz` bytes of them.
    let error = unsafe { libbpf_sys::bpf_xdp_query(index.cast_signed(), 0, &raw mut opts) };
    if error < 0 { Err(io::Error::from_raw_os_error(-error)) } else { Ok(opts) }
}
