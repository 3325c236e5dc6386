#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# arm64_root.sh - a folder with Debian's arm64 packages to link against and run from, and the cross file for Meson.
# usage: tools/cross/arm64_root.sh DIR GROUP...
#
# Makes DIR/root, the libraries (-dev) of these groups of tools/packages.txt and all that they depend on, unpacked, and
# DIR/aarch64.txt, for `meson setup --cross-file`; programs run under qemu-aarch64. The packages come from where this
# machine's apt gets its own, but into a state that lies in DIR: this machine's dpkg does not learn of another
# architecture, nothing is installed, and no right of root is needed. What is there already is not fetched again.
#
# Exit status 77, and a sentence: no arm64 packages can be had from there (another distribution, no network).
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
[ $# -ge 2 ] || {
    echo "usage: tools/cross/arm64_root.sh DIR GROUP..." >&2
    exit 2
}
mkdir -p "$1"
dir=$(CDPATH='' cd -- "$1" && pwd)
shift
root=$dir/root

packages=$(for group in "$@"; do awk -v group="$group" '$1 == group && $2 ~ /-dev$/ { print $2 }' "$here/../packages.txt"; done)
[ -n "$packages" ] || {
    echo "arm64_root: no packages in: $*" >&2
    exit 2
}

skip() {
    echo "arm64_root: $1"
    exit 77
}

apt() {
    APT_CONFIG=$dir/apt.conf apt-get -q -o Acquire::Retries=3 "$@"
}

# A state of apt's own in which nothing is installed.
prepare_apt() {
    mkdir -p "$dir/apt/lists/partial" "$dir/apt/cache/archives/partial"
    : >"$dir/apt/status"
    cat >"$dir/apt.conf" <<CONF
APT::Architecture "arm64";
APT::Architectures { "arm64"; };
APT::Install-Recommends "false";
APT::Sandbox::User "$(id -un)";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::CNF::DefaultEnabled "false";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
Dir::State "$dir/apt";
Dir::State::status "$dir/apt/status";
Dir::Cache "$dir/apt/cache";
DPkg::Post-Invoke "";
CONF
}

download() {
    # One source of several may have no arm64; what matters is whether the packages are found.
    apt update >"$dir/apt.log" 2>&1 || true
    # shellcheck disable=SC2086 # words
    apt install --download-only -y $packages >>"$dir/apt.log" 2>&1 || {
        tail -n 3 "$dir/apt.log"
        skip "no arm64 packages from this machine's Debian mirror"
    }
}

# Into folders as a merged /usr has them, whichever way a package names them.
unpack() {
    rm -rf "$root"
    for folder in bin lib sbin; do
        mkdir -p "$root/usr/$folder"
        ln -s "usr/$folder" "$root/$folder"
    done
    for deb in "$dir"/apt/cache/archives/*.deb; do
        dpkg-deb --fsys-tarfile "$deb" | tar -C "$root" -x --keep-directory-symlink --no-same-owner
    done
}

cross_file() {
    libraries=$root/usr/lib/aarch64-linux-gnu
    cat >"$dir/aarch64.txt" <<INI
[binaries]
c = 'aarch64-linux-gnu-gcc'
ar = 'aarch64-linux-gnu-ar'
strip = 'aarch64-linux-gnu-strip'
pkgconfig = 'pkg-config'
exe_wrapper = ['qemu-aarch64', '-L', '$root']

[built-in options]
c_args = ['--sysroot=$root']
c_link_args = ['--sysroot=$root', '-Wl,-rpath-link,$libraries']

[properties]
sys_root = '$root'
pkg_config_libdir = ['$libraries/pkgconfig', '$root/usr/share/pkgconfig']

[host_machine]
system = 'linux'
cpu_family = 'aarch64'
cpu = 'aarch64'
endian = 'little'
INI
}

# shellcheck disable=SC2086 # words
if [ "$(cat "$dir/packages" 2>/dev/null)" != "$(echo $packages)" ]; then
    rm -f "$dir/packages"
    prepare_apt
    download
    unpack
    rm -rf "$dir/apt" "$dir/apt.conf"
fi
cross_file
# shellcheck disable=SC2086 # words
echo $packages >"$dir/packages"
