#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod input;

use eunomia_build::{Diagnostics, Embed, Skeleton};
use proc_macro::TokenStream;
use quote::quote;

use input::{Input, Path};

/// Generates a module for a JSON skeleton, with its types, maps, variables, programs, and the
/// functions that open, load and attach it.
///
/// ```text
/// eunomia_macros::include_skeleton!("bpf/bootstrap.json");
/// eunomia_macros::include_skeleton!("$OUT_DIR/x.json", mod = tracer);
/// eunomia_macros::include_skeleton!("x.skel.json", object = "x.bpf.o", debug = "target/x.rs");
/// ```
///
/// - The path is relative to the package's `Cargo.toml`; a leading `$OUT_DIR/` is the output
///   directory of the build script. The path may also name a BPF object (`.bpf.o`) in place of a
///   skeleton.
///   A skeleton with an object for each architecture gives the module of the target's.
/// - `mod = name` names the module. The default is the file's name up to the first dot.
/// - `object = "path"` adds the object to a skeleton that has only metadata.
/// - `args(prefix = "net-")` sets a prefix for the options of `Args`, so that the `Args` of several
///   modules fit into one parser.
/// - `events(map = "struct event")` sets the type of a map's records if the document does not.
/// - `events(map = match kind { KIND_OPEN => "struct open_event", 2 => "struct close_event" })`
///   sets the types of a map with records of several types. All types have the member `kind` (or
///   `header.kind`), an integer or enum, at the same offset, and its value selects the type. Values
///   are numbers or names of constants. `Export::Map` then holds the enum `MapRecord`, with a
///   variant for each type, and `Unknown` for the bytes of any other record.
/// - `types("struct config", "enum kind")` defines C types of the object although no event, variable
///   or map has them, each with all types that it holds.
/// - `programs(hook = "xdp")` sets the type of a program whose section names none, by a section
///   that names one. `open` of the module sets the type of the program.
/// - `stale = true` accepts a skeleton whose C source, found beside it, has changed since the
///   skeleton was built. Without it this is a compile error, for skeletons that `cargo eunomia
///   build` or `Config::package` built.
/// - `debug = "path"` writes the formatted expansion to a file (needs the feature `debug` of this
///   crate).
///
/// # Errors
/// All faults of the skeleton are reported at once, on its path. Faults of an object that
/// `object` names are reported on the object's path.
#[proc_macro]
pub fn include_skeleton(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as Input);
    expand(&input).unwrap_or_else(|error| error.into_compile_error()).into()
}

fn expand(input: &Input) -> syn::Result<proc_macro2::TokenStream> {
    let file = input.skeleton.text.as_str();
    if file.ends_with(".bpf.c") {
        return Err(refuse(&input.skeleton, format!("{file}: {}", eunomia_build::C_SOURCE)));
    }
    let bytes = input.skeleton.read()?;
    let architectures = Skeleton::architectures(&bytes);
    if architectures.is_empty() {
        return module(input, &bytes, std::env::consts::ARCH);
    }
    // A macro does not know the target of the build.
    let modules = architectures.iter().map(|arch| {
        let module = module(input, &bytes, arch)?;
        Ok(quote!(#[cfg(target_arch = #arch)] #module))
    });
    let modules = modules.collect::<syn::Result<Vec<_>>>()?;
    let missing = format!("{file} is only for {}", architectures.join(", "));
    Ok(quote! {
        #(#modules)*
        #[cfg(not(any(#(target_arch = #architectures),*)))]
        ::core::compile_error!(#missing);
    })
}

fn refuse(path: &Path, message: String) -> syn::Error {
    syn::Error::new(path.span, message)
}

/// Returns the module of the package for an architecture.
fn module(input: &Input, bytes: &[u8], arch: &str) -> syn::Result<proc_macro2::TokenStream> {
    let file = input.skeleton.text.as_str();
    let diagnostics = |diagnostics: Diagnostics| refuse(&input.skeleton, diagnostics.to_string());
    let name = eunomia_build::object_name(
        input.skeleton.file.file_name().unwrap_or_default().to_string_lossy().as_ref(),
    );
    let mut skeleton = Skeleton::from_slice_for(bytes, file, arch).map_err(diagnostics)?;
    if let Some(object) = &input.object {
        // Faults of the object alone are reported on its path.
        let diagnostic = |diagnostics: Diagnostics| refuse(object, diagnostics.to_string());
        skeleton = skeleton.with_object(object.read()?, &object.text).map_err(diagnostic)?;
    }
    let stale = eunomia_build::stale(&skeleton, &input.skeleton.file);
    if let Some(stale) = stale.diagnostics.filter(|_| input.stale != Some(true)) {
        return Err(diagnostics(stale));
    }
    skeleton.events.extend(input.events.iter().cloned());
    skeleton.types.clone_from(&input.types);
    for (program, section) in &input.programs {
        skeleton = skeleton.with_program(program, section);
    }
    skeleton.option_prefix =
        input.args_prefix.as_ref().map(|prefix| prefix.value()).unwrap_or_default();
    let module = input
        .module
        .as_ref()
        .map_or(name, |module| module.to_string().trim_start_matches("r#").to_owned());
    let module = eunomia_build::tokens(skeleton, &module, &Embed::Literal).map_err(diagnostics)?;
    if let Some(debug) = &input.debug {
        debug.write(module.clone())?;
    }
    // The `include_bytes!` makes the expansion depend on the files.
    let watched =
        [Some(&input.skeleton), input.object.as_ref()].into_iter().flatten().map(|path| &path.file);
    let watched = watched.chain(&stale.depends_on).map(|path| path.display().to_string());
    Ok(quote! {
        #module
        #(const _: &[::core::primitive::u8] = ::core::include_bytes!(#watched);)*
    })
}
