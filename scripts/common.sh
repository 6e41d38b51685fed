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

need_rust() {
  command -v cargo >/dev/null 2>&1 || fail "cargo is missing: install Rust 1.95 or later from rust-lang.org"
  need cc gcc
}
