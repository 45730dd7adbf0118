//! Annotations in the comments of a C source.

use std::{env, fs, path::Path};

use eunomia_build::{Config, Skeleton};

use crate::folder;

const HEAD: &str = "#include <linux/bpf.h>\n#include <bpf/bpf_helpers.h>\n";

/// Builds a package of a source.
fn package(dir: &Path, source: &str) -> Result<Skeleton, String> {
    let (path, json) = (dir.join("noted.bpf.c"), dir.join("noted.json"));
    fs::write(&path, source).unwrap();
    let clang = env::var_os("EUNOMIA_CLANG").unwrap_or_else(|| "clang-19".into());
    let config = Config::new().source(path).clang(clang);
    config.package(&json).map_err(|error| error.to_string())?;
    Ok(Skeleton::from_file(json).unwrap())
}

#[test]
fn comments_reach_package() {
    let source = format!(
        r#"{HEAD}
/// @brief A demo.
/// @details It traces.
/// examples:
///   ./demo -p 5
/// @version 1.2
char LICENSE[] SEC("license") = "GPL";

/// @cmdarg {{"default": 7,
///   "short": "p", "long": "pid", "help": "say \"hi\""}}
/// @description target pid
const volatile int target_pid = 0;

/** Text on
 *  two lines
 */
const volatile _Bool flag = 0, other = 0;

/// @cmdarg {{"hidden": true}}
const volatile int secret = 0;

struct event {{ int a; }} event;

/// @sample {{"interval": 1000, "type": "log2_hist",
///          "unit": "us"}}
/// Latencies.
struct {{
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 8);
    __type(key, int);
    __type(value, int);
}} hists SEC(".maps");

/// @event struct event
struct {{
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
}} rb SEC(".maps");

#ifdef OFF
/// @cmdarg {{}}
int off;
#endif

/// @ifindex 1
/// @xdpopts {{"old_prog_fd": 0}}
/// @param context is of no interest
SEC("xdp") int handle(void *context) {{ return target_pid + flag + other + secret + event.a; }}
"#
    );
    let skeleton = package(&folder("annotations"), &source).unwrap();
    let doc = skeleton.doc.clone().unwrap();
    assert_eq!(
        (doc.brief.as_deref(), doc.details.as_deref(), doc.version.as_deref()),
        (Some("A demo."), Some("It traces.\nexamples:\n  ./demo -p 5"), Some("1.2"))
    );
    let variables: Vec<_> = skeleton.sections.iter().flat_map(|s| &s.variables).collect();
    let variable = |name: &str| *variables.iter().find(|known| known.name == name).unwrap();
    let arg = variable("target_pid").arg.clone().unwrap();
    assert_eq!(
        (arg.default, arg.short.as_deref(), arg.long.as_deref(), arg.help.as_deref()),
        (Some(7.into()), Some("p"), Some("pid"), Some("say \"hi\""))
    );
    assert_eq!(variable("target_pid").description.as_deref(), Some("target pid"));
    for name in ["flag", "other"] {
        assert_eq!(variable(name).description.as_deref(), Some("Text on\n two lines"));
    }
    let map = |name: &str| skeleton.maps.iter().find(|map| map.name == name).unwrap();
    let sample = map("hists").sample.clone().unwrap();
    assert_eq!((sample.interval, sample.unit.as_deref()), (1000, Some("us")));
    assert_eq!(map("hists").description.as_deref(), Some("Latencies."));
    let program = &skeleton.programs[0];
    assert_eq!(program.other["ifindex"], 1);
    assert!(!program.other.contains_key("param"));

    let checked = skeleton.check().unwrap();
    let options: Vec<_> = checked
        .setup()
        .unwrap()
        .arguments
        .into_iter()
        .map(|argument| argument.arg.long.to_string())
        .collect();
    assert_eq!(options, ["pid", "flag", "other"]);
    assert!(checked.summary().to_string().contains("struct event"), "{}", checked.summary());
}

#[test]
fn faults_have_lines_of_source() {
    let dir = folder("annotation_faults");
    let variable = "const volatile int pid = 0;\nSEC(\"xdp\") int p(void *c) { return pid; }\n";
    let lines = |source: &str| {
        let error = package(&dir, &format!("{HEAD}{source}")).unwrap_err();
        let prefix = format!("{}:", dir.join("noted.bpf.c").display());
        error.lines().map(|line| line.replace(&prefix, "")).collect::<Vec<_>>()
    };
    for (comment, expected) in [
        ("/// @cmdarg {\"short\" \"p\"}\n", "3:22: malformed JSON of `@cmdarg`: expected `:`"),
        ("/// @cmdarg\n", "3:5: `@cmdarg` has no value; write its JSON after it"),
        (
            "/// @cmdarg {\"short\": \"pp\"}\n",
            "3:5: data_sections[0].variables[0].cmdarg.short: \"pp\" is not a valid short option; use one letter or digit",
        ),
        (
            "/// @cmdarg {\"short\": 5}\n",
            "3:5: data_sections[0].variables[0].cmdarg.short: expected a string, found a number",
        ),
        (
            "/// @sample {\"interval\": 1}\nint helper(int);\n",
            "3:5: `@sample` is not about a variable, map or program of the object; put the comment right before the definition",
        ),
        (
            "/// @cmdarg {\"short\": \"p\"}\n/// @cmdarg {\"short\": \"q\"}\n",
            "4:5: data_sections[0].variables[0].cmdarg: `cmdarg.short` is given twice; keep one of them",
        ),
    ] {
        assert_eq!(lines(&format!("{comment}{variable}")), [expected]);
    }
}

/// Each variable would get each key.
#[test]
fn comments_of_many_variables_are_refused() {
    let keys: String = (0..300).map(|number| format!("/// @k{number} x\n")).collect();
    let names: Vec<String> = (0..300).map(|number| format!("v{number}")).collect();
    let source = format!(
        "{HEAD}char LICENSE[] SEC(\"license\") = \"GPL\";\n{keys}const volatile int {};\n\
         SEC(\"xdp\") int handle(void *context) {{ return v0; }}\n",
        names.join(", ")
    );
    let refused = package(&folder("many-annotations"), &source).unwrap_err();
    let expected = "noted.bpf.c:1:1: the doc comments say more than 65536 things of variables, maps and programs; use comments without \
                    the marks of doc comments";
    assert!(refused.ends_with(expected), "{refused}");
}
