//! Compiles the `.proto` files with protox, in pure Rust: a fresh machine has no `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = "ringbench/v1/agent.proto";
    println!("cargo:rerun-if-changed={file}");
    let descriptors = protox::compile([file], ["."])?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}
