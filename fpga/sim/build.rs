//! Verilates the devices of `fpga/rtl` and compiles them with their harness; only behind the feature
//! `fpga-sim`, so nobody else needs the tools.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// A device in one of its sizes: prefix, top module, parameters, harness, maker, waveforms.
struct Size {
    prefix: &'static str,
    top: &'static str,
    parameters: &'static [&'static str],
    harness: &'static str,
    maker: &'static str,
    traced: bool,
}

const SIZES: &[Size] = &[
    Size {
        prefix: "Voffload",
        top: "offload",
        parameters: &[],
        harness: "offload.cpp",
        maker: "make_offload",
        traced: false,
    },
    Size {
        prefix: "Vsmall",
        top: "offload",
        parameters: &[
            "-GSLOT_BITS=5",
            "-GBUCKET_BITS=6",
            "-GFILLS_MAX=6",
            "-GDEPTH_BITS=6",
            "-GSYMBOLS=4",
            "-GSYMBOL_BITS=2",
        ],
        harness: "offload.cpp",
        maker: "make_small",
        traced: false,
    },
    Size {
        prefix: "Vmany",
        top: "offload",
        parameters: &["-GSYMBOLS=64", "-GSYMBOL_BITS=6", "-GSLOT_BITS=16", "-GBUCKET_BITS=15"],
        harness: "offload.cpp",
        maker: "make_many",
        traced: false,
    },
    Size {
        prefix: "Vwire",
        top: "wire_path",
        parameters: &[],
        harness: "wire.cpp",
        maker: "make_wire",
        traced: true,
    },
];

/// Packages before the modules that name them; the tools find modules by their files' names.
const PACKAGES: &[&str] = &["message_pkg.sv", "core_pkg.sv"];

/// What all devices share.
const COMMON: &str = "wirematch_fpga";

pub(crate) fn build() {
    println!("cargo:rerun-if-changed=fpga/rtl");
    println!("cargo:rerun-if-changed=fpga/sim");
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo names the folder"));
    let root = said(&["--getenv", "VERILATOR_ROOT"]);
    // The script runs whenever a source of the crate changes; the models take minutes.
    let (made_of, kept) = (ingredients(&root), out.join("fpga_ingredients"));
    if fs::read_to_string(&kept).ok().as_ref() != Some(&made_of) {
        let _ = fs::remove_file(&kept);
        make(&out, &Path::new(&root).join("include"));
        fs::write(kept, made_of).expect("the folder is ours");
    }
    println!("cargo:rustc-link-search=native={}", out.display());
    let devices = SIZES.iter().map(|size| size.prefix.to_lowercase());
    for library in devices.chain([COMMON.into()]) {
        println!("cargo:rustc-link-lib=static={library}");
    }
    println!("cargo:rustc-link-lib=stdc++");
    println!("cargo:rustc-link-lib=pthread");
}

/// What the models are made of, as a number, and by which tool.
fn ingredients(root: &str) -> String {
    let mut number = crate::build::BASIS;
    ["fpga/rtl", "fpga/sim"]
        .iter()
        .for_each(|path| crate::build::add(Path::new(path), &mut number));
    format!("{number:032x} {root} {}", said(&["--version"]))
}

fn make(out: &Path, include: &Path) {
    for size in SIZES {
        verilate(size, &out.join(size.prefix));
        compile(size, &out.join(size.prefix), include);
    }
    let mut common = compiler(include);
    common.file("fpga/sim/seam.cpp").include("fpga/sim");
    for file in ["verilated.cpp", "verilated_threads.cpp", "verilated_vcd_c.cpp"] {
        common.file(include.join(file));
    }
    common.compile(COMMON);
}

/// What Verilator says of itself.
fn said(asked: &[&str]) -> String {
    let asked = Command::new("verilator").args(asked).output();
    let output = asked.expect("feature fpga-sim needs Verilator: apt-get install verilator g++");
    String::from_utf8_lossy(&output.stdout).trim().into()
}

fn verilate(size: &Size, into: &Path) {
    let _ = fs::remove_dir_all(into);
    let mut verilator = Command::new("verilator");
    verilator.args(["--cc", "-O3", "--x-assign", "fast", "--x-initial", "fast", "--noassert"]);
    verilator.args(["-Wno-fatal", "-Wno-lint", "-DCOLLISION_SPOILS", "-Ifpga/rtl"]);
    verilator.args(["--top-module", size.top, "--prefix", size.prefix]).args(size.parameters);
    verilator.arg("--Mdir").arg(into);
    if size.traced {
        verilator.args(["--trace", "--trace-structs"]);
    }
    verilator.args(PACKAGES.iter().map(|file| format!("fpga/rtl/{file}")));
    verilator.arg(format!("fpga/rtl/{}.sv", size.top));
    let status = verilator.status().expect("Verilator starts");
    assert!(status.success(), "Verilator refuses {}: run scripts/fpga lint", size.top);
}

fn compile(size: &Size, model: &Path, include: &Path) {
    let mut build = compiler(include);
    build.include(model).include("fpga/sim").file(Path::new("fpga/sim").join(size.harness));
    build.define("MODEL", size.prefix).define("MAKE", size.maker);
    for entry in fs::read_dir(model).expect("Verilator wrote there") {
        let path = entry.expect("a file of Verilator's").path();
        if path.extension().is_some_and(|extension| extension == "cpp") {
            build.file(path);
        }
    }
    build.compile(&size.prefix.to_lowercase());
}

fn compiler(include: &Path) -> cc::Build {
    let mut build = cc::Build::new();
    build.cpp(true).std("c++17").include(include).include(include.join("vltstd"));
    build.warnings(false).opt_level(2).cargo_metadata(false);
    for (name, value) in [("VM_TRACE", "1"), ("VM_TRACE_VCD", "1"), ("VM_COVERAGE", "0")] {
        build.define(name, value);
    }
    build.define("VM_SC", "0");
    build
}
