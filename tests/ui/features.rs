//! What a generated module has with a feature that is off names the feature where it is used.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use eunomia_build::Config;

fn rustc(words: &[&str], folder: &Path) -> Output {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let words = ["--edition=2024", "--crate-type=lib", "--emit=metadata", "--color=never", "--out-dir"].iter().chain(words);
    Command::new(rustc).args(words.clone().take(5)).arg(folder).args(words.skip(5)).output().unwrap()
}

/// A folder with the runtime without features, which has no dependencies, and with a module.
fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("features");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let runtime = rustc(&["--crate-name=eunomia_runtime", "--cap-lints=allow", "../eunomia-runtime/src/lib.rs"], &folder);
    assert!(runtime.status.success(), "{}", String::from_utf8_lossy(&runtime.stderr));
    for name in ["args", "streams"] {
        Config::new().skeleton(format!("bpf/{name}.json")).out_dir(&folder).generate().unwrap();
    }
    folder
}

#[test]
fn features_that_are_off_are_named_where_they_are_missed() {
    let folder = folder();
    let compile = |body: &str| {
        let file = folder.join("user.rs");
        let text = format!("include!(\"args.rs\"); include!(\"streams.rs\"); pub fn user() {{ {body} }}");
        fs::write(&file, text).unwrap();
        let library = format!("eunomia_runtime={}", folder.join("libeunomia_runtime.rmeta").display());
        let output = rustc(&["--crate-name=user", "--extern", &library, file.to_str().unwrap()], &folder);
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    // Nobody who asks for nothing of them hears of them.
    let (compiles, said) = compile("let _ = args::Args::default(); let _ = streams::types::Sample::default();");
    assert!(compiles && said.is_empty(), "{said}");
    for (body, feature) in [
        ("let _ = args::Args::parse();", "clap"),
        ("let _ = args::Args::try_parse_from([\"x\"]).unwrap();", "clap"),
        ("let _ = streams::types::SampleBatch::default();", "columns"),
        ("let _ = streams::open();", "load"),
    ] {
        let (compiles, said) = compile(body);
        let error = format!("error[E0277]: the feature `{feature}` of eunomia-runtime is not enabled");
        let note = format!("note: `cargo add eunomia-runtime --features {feature}` enables it");
        assert!(!compiles && said.starts_with(&error) && said.contains(&note), "{body}\n{said}");
        assert_eq!(said.matches("error[").count(), 1, "{said}");
    }
    // Those of the runtime's own modules the compiler names by itself.
    for (body, feature) in [
        ("use eunomia_runtime::columns::Columns as _;", "columns"),
        ("use eunomia_runtime::Skeleton;", "dynamic"),
        ("use eunomia_runtime::tokio::Events;", "tokio"),
        ("use eunomia_runtime::symbols::Symbols;", "symbolize"),
    ] {
        let (compiles, said) = compile(body);
        assert!(!compiles && said.contains(&format!("the item is gated behind the `{feature}` feature")), "{body}\n{said}");
    }
}
