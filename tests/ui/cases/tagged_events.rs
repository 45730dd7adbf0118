//! Every fault in the types of tagged events is reported where the user wrote it.
eunomia_macros::include_skeleton!(
    "../../../../tests/bpf/tagged.json",
    events(
        files = match knd { KIND_OPEN => "struct open_event" },
        balls = match header.kind {
            1 => "struct pnig",
            KIND_OPN => "struct pong",
            1 => "struct pong",
            99999 => "struct ping",
        },
    )
);
eunomia_macros::include_skeleton!("../../../../tests/bpf/tagged.json", events(file = match kind { 1 => "struct open_event" }));
eunomia_macros::include_skeleton!("../../../../tests/bpf/tagged.json", events(files = kind));
eunomia_macros::include_skeleton!("../../../../tests/bpf/tagged.json", events(files = match kind { "1" => "struct open_event" }));
eunomia_macros::include_skeleton!("../../../../tests/bpf/tagged.json", events(files = match kind { 1 => open_event }));

fn main() {}
