//! Compiles KEDA's messages, without protoc.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let files = protox::compile(["proto/externalscaler.proto"], ["proto"])?;
    tonic_prost_build::configure().build_transport(true).compile_fds(files)?;
    println!("cargo::rerun-if-changed=proto");
    Ok(())
}
