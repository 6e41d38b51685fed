//! Builds nothing yet: the place where C and Verilog are compiled when a feature asks for them.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
}
