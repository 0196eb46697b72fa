//! The house stands as drawn: the arrows between the crates, and the lints that hold in all of them.

use std::path::Path;

use portcullis_tests::architecture::{manifest_value, violations, workspace};

#[test]
fn imports_run_one_way_between_the_crates_of_this_workspace() {
    let packages = workspace();
    assert!(packages.iter().any(|package| package.name == "portcullis-core"), "{packages:?}");
    assert_eq!(violations(&packages), Vec::<String>::new());
}

#[test]
fn unsafe_code_is_forbidden_in_the_lints_that_every_crate_takes_over() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    let level = manifest_value(&root, &["workspace", "lints", "rust", "unsafe_code"]);
    assert_eq!(level.as_deref(), Some("forbid"));
}
