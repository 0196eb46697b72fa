//! Every input that is kept goes through its target: the seeds, and whatever fuzzers ever found. No fuzzer is needed for it.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::{
    collections::BTreeSet,
    fs, io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use portcullis_fuzz_targets::TARGETS;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz").join(name)
}

/// The files of a target, sorted; a folder that is not there has none.
fn inputs(kind: &str, target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = match fs::read_dir(folder(kind).join(target)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => panic!("{kind}/{target}: {error}"),
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

fn replay(target: &str) {
    let (_, run) = TARGETS.iter().find(|(name, _)| *name == target).expect("a target");
    let run = |input: &[u8], of: &Path| {
        if catch_unwind(AssertUnwindSafe(|| run(input))).is_err() {
            panic!(
                "{target} fails on {}, or on a part of it: {:?}",
                of.display(),
                String::from_utf8_lossy(input)
            );
        }
    };
    let (seeds, found) = (inputs("corpus", target), inputs("regressions", target));
    assert!(!seeds.is_empty(), "{target} has no seeds");
    for (path, input) in seeds.iter().chain(&found) {
        run(input, path);
        // What a fuzzer does first, in small: some cuts, and some flipped bits.
        let expensive = ["pem", "pkcs12", "config_toml"].contains(&target);
        let steps = if expensive { 3 } else { 16 };
        for step in 1..=steps {
            let at = input.len() * step / (steps + 1);
            run(&input[..at], path);
            let mut flipped = input.clone();
            if let Some(byte) = flipped.get_mut(at) {
                *byte ^= 1 << (step % 8);
            }
            run(&flipped, path);
        }
    }
}

macro_rules! every_kept_input_passes {
    ($($target:ident)*) => {
        mod every_kept_input_passes {
            $(#[test] fn $target() { super::replay(stringify!($target)); })*

            pub(super) const TESTED: &[&str] = &[$(stringify!($target)),*];
        }
    };
}

every_kept_input_passes! {
    authorization basic claims client_address config_toml cookies discovery endpoint http_values introspection_answer
    json_object jwks jws ldap_filter ldap_message ldap_names pem pkcs12 request_path token_answer websocket_frames
    websocket_protocols
}

#[test]
fn every_target_has_a_test_a_fuzzer_and_its_own_folders() {
    let names: BTreeSet<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, every_kept_input_passes::TESTED.iter().copied().collect());

    let manifest = fs::read_to_string(folder("Cargo.toml")).unwrap();
    let fuzzers: BTreeSet<&str> = manifest
        .lines()
        .filter_map(|line| line.strip_prefix("path = \"fuzz_targets/")?.strip_suffix(".rs\""))
        .collect();
    let mut expected = names.clone();
    expected.insert("differential");
    assert_eq!(fuzzers, expected);
    for name in &names {
        let text = fs::read_to_string(folder("fuzz_targets").join(format!("{name}.rs"))).unwrap();
        assert!(text.contains(&format!("portcullis_fuzz_targets::{name}::run(data)")), "{name}: {text}");
    }

    for kind in ["corpus", "regressions"] {
        for entry in fs::read_dir(folder(kind)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if entry.file_type().unwrap().is_file() {
                continue;
            }
            assert!(expected.contains(name.as_str()), "{kind}/{name} is nobody's");
        }
    }
}

#[test]
fn what_is_kept_is_small() {
    let sizes = TARGETS.iter().flat_map(|(name, _)| inputs("corpus", name)).map(|(_, input)| input.len());
    assert!(sizes.sum::<usize>() < 1 << 20);
}
