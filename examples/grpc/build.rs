//! Compiles the `.proto` in Rust: no `protoc` has to be on the machine.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let descriptors = protox::compile(["proto/greet.proto"], ["proto"])?;
    println!("cargo:rerun-if-changed=proto");
    Ok(tonic_prost_build::compile_fds(descriptors)?)
}
