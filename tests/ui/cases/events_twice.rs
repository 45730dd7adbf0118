//! A map or an option that is given twice is refused at its second place.
eunomia_macros::include_skeleton!("bpf/bootstrap.json", events(rb = "int", rb = "struct event"));
eunomia_macros::include_skeleton!("bpf/bootstrap.json", events("rb" = "int", rb = match pid { 1 => "struct event" }));
eunomia_macros::include_skeleton!("bpf/bootstrap.json", events(rb = "int"), mod = a, events(rb = "struct event"));

fn main() {}
