# Shared by the scripts beside it: installs what is missing, says so, and finds the binary.
# shellcheck shell=bash

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }

fail() {
  printf '%s\n' "$*" >&2
  exit 1
}

# Installs Debian packages for commands or files that are missing: need COMMAND PACKAGE.
need() {
  command -v "$1" >/dev/null 2>&1 && return
  local sudo=""
  if [ "$(id -u)" != 0 ]; then
    if ! sudo -n true 2>/dev/null; then
      fail "$1 is missing: install the Debian package $2, or run this as root"
    fi
    sudo="sudo"
  fi
  say "installing $2 for $1"
  $sudo apt-get update -qq
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2"
}

# Installs QuickFIX, the other side of FIX in tests and comparisons.
need_quickfix() {
  need g++ g++
  [ -e /usr/include/quickfix/Application.h ] || need quickfix-headers libquickfix-dev
}

# Installs DPDK, which drives devices without the kernel.
need_dpdk() {
  need cc gcc
  need pkg-config pkg-config
  [ -e /usr/include/dpdk/rte_ethdev.h ] || need dpdk-headers libdpdk-dev
}

# Waits until a file holds a word: wait_for WORD FILE.
wait_for() {
  local _
  for _ in $(seq 1200); do
    grep -q "$1" "$2" 2>/dev/null && return
    sleep 0.05
  done
  fail "no '$1' came: $(cat "$2" 2>/dev/null)"
}

# A FIX session for a client that calls itself CLIENT.
fix_session() {
  cat <<CONFIG
[[fix.session]]
id = 101
version = "FIX.4.4"
target = "CLIENT"
first_account = 1
last_account = 1000
rate = "load-test"
self_trade = "allow"
CONFIG
}

# Five instruments, of which EDGE is routed to an exchange that listens on a port: venue PORT.
venue() {
  local symbol
  for symbol in ACME BOLT CRUX DYNE EDGE; do
    printf '[[instrument]]\nsymbol = "%s"\nreference_price = "300"\n' "$symbol"
  done
  cat <<CONFIG
[[venue]]
name = "EXCH"
session = 950
version = "FIX.4.4"
instruments = ["EDGE"]
[venue.primary]
address = "127.0.0.1:$1"
sender = "WIREMATCH"
target = "EXCH"
CONFIG
}

# A configuration on ports of its own, with that session: fix_config DATA PORT.
fix_config() {
  cat <<CONFIG
data = "$1/data"
[entry]
address = "127.0.0.1:$(($2 + 20))"
[feed]
address = "127.0.0.1:$(($2 + 21))"
group = "127.0.0.1:$(($2 + 22))"
[fix]
address = "127.0.0.1:$2"
CONFIG
  fix_session
}

need_rust() {
  command -v cargo >/dev/null 2>&1 || fail "cargo is missing: install Rust 1.95 or later from rust-lang.org"
  need cc gcc
}

# What the Verilog is simulated and checked with.
need_verilog() {
  need g++ g++
  need verilator verilator
  need yosys yosys
  need iverilog iverilog
}
