//! How long a project that uses the library takes to be built, from nothing.

use std::{fs, path::Path, time::Instant};

use crate::{
    Outcome,
    programs::{command, output},
};

/// What is built: its title, and what stands behind the path of the library.
const KINDS: [(&str, &str); 2] =
    [("default features", ""), ("`full`", r#", default-features = false, features = ["full"]"#)];

/// Prints how long a clean release build of a project takes that does nothing but use the library.
pub fn print() -> Outcome {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    for (title, features) in KINDS {
        let folder = std::env::temp_dir().join(format!("portcullis-bench-build-{}", std::process::id()));
        let took = build(root, &folder, features);
        fs::remove_dir_all(&folder)?;
        println!("{title:20}{:>8.1} s", took?);
    }
    Ok(())
}

fn build(root: &Path, folder: &Path, features: &str) -> Outcome<f64> {
    fs::create_dir_all(folder.join("src"))?;
    let library = root.canonicalize()?.join("crates/portcullis");
    let manifest = format!(
        "[package]\nname = \"consumer\"\nedition = \"2024\"\n\n[workspace]\n\n\
         [dependencies]\nportcullis = {{ path = {library:?}{features} }}\n"
    );
    fs::write(folder.join("Cargo.toml"), manifest)?;
    fs::write(folder.join("src/main.rs"), "use portcullis as _;\n\nfn main() {}\n")?;
    // The versions that the library is tested with.
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock"))?;
    let cargo = |task: &str| {
        let mut cargo = command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.arg(task).current_dir(folder).env("CARGO_TARGET_DIR", folder.join("target"));
        cargo
    };
    // What is downloaded is not built.
    output(&mut cargo("fetch"))?;
    let start = Instant::now();
    output(cargo("build").arg("--release"))?;
    Ok(start.elapsed().as_secs_f64())
}
