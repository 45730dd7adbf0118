//! Using an item of a generated module whose feature is disabled gives an error that names the
//! feature.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use eunomia_build::Config;

fn rustc(words: &[&str], folder: &Path) -> Output {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let words =
        ["--edition=2024", "--crate-type=lib", "--emit=metadata", "--color=never", "--out-dir"]
            .iter()
            .chain(words);
    Command::new(rustc)
        .args(words.clone().take(5))
        .arg(folder)
        .args(words.skip(5))
        .output()
        .unwrap()
}

/// Creates a folder with modules and with the runtime compiled without features, which then has no
/// dependencies.
fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("features");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let runtime = rustc(
        &["--crate-name=eunomia_runtime", "--cap-lints=allow", "../eunomia-runtime/src/lib.rs"],
        &folder,
    );
    assert!(runtime.status.success(), "{}", String::from_utf8_lossy(&runtime.stderr));
    for name in ["args", "streams"] {
        Config::new().skeleton(format!("bpf/{name}.json")).out_dir(&folder).generate().unwrap();
    }
    folder
}

#[test]
fn error_names_missing_feature() {
    let folder = folder();
    let compile = |body: &str| {
        let file = folder.join("user.rs");
        let text =
            format!("include!(\"args.rs\"); include!(\"streams.rs\"); pub fn user() {{ {body} }}");
        fs::write(&file, text).unwrap();
        let library =
            format!("eunomia_runtime={}", folder.join("libeunomia_runtime.rmeta").display());
        let output =
            rustc(&["--crate-name=user", "--extern", &library, file.to_str().unwrap()], &folder);
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    // Code that uses none of the features compiles without a message.
    let (compiles, text) =
        compile("let _ = args::Args::default(); let _ = streams::types::Sample::default();");
    assert!(compiles && text.is_empty(), "{text}");
    for (body, feature) in [
        ("let _ = args::Args::parse();", "clap"),
        ("let _ = args::Args::try_parse_from([\"x\"]).unwrap();", "clap"),
        ("let _ = streams::types::SampleBatch::default();", "columns"),
        ("let _ = streams::open();", "load"),
    ] {
        let (compiles, text) = compile(body);
        let error =
            format!("error[E0277]: the feature `{feature}` of eunomia-runtime is not enabled");
        let note = format!("note: `cargo add eunomia-runtime --features {feature}` enables it");
        assert!(!compiles && text.starts_with(&error) && text.contains(&note), "{body}\n{text}");
        assert_eq!(text.matches("error[").count(), 1, "{text}");
    }
    // For modules of the runtime, the compiler itself names the feature.
    for (body, feature) in [
        ("use eunomia_runtime::columns::Columns as _;", "columns"),
        ("use eunomia_runtime::Skeleton;", "dynamic"),
        ("use eunomia_runtime::tokio::EventStream;", "tokio"),
        ("use eunomia_runtime::symbols::Symbols;", "symbolize"),
    ] {
        let (compiles, text) = compile(body);
        assert!(
            !compiles
                && text.contains(&format!("the item is gated behind the `{feature}` feature")),
            "{body}\n{text}"
        );
    }
}
