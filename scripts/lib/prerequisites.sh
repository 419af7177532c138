# What the scripts need from the system. Sourced, not run; every script that builds or
# tests goes through here, so that this is the one list.
# shellcheck shell=bash

# Debian packages, by what needs them.
prerequisite_packages=(
    # building
    build-essential pkg-config libtss2-dev
    # the TPM
    swtpm swtpm-tools
    # power cuts within an import
    strace
    # the dongle: the service, and virtual readers for tests
    libpcsclite-dev pcscd vsmartcard-vpcd
    # gate and namespaces
    nftables iproute2
    # time and addresses on the camera network, served and asked for
    chrony udhcpc
    # virtual cameras
    python3-gi python3-numpy python3-venv gir1.2-gstreamer-1.0 gir1.2-gst-rtsp-server-1.0
    gstreamer1.0-rtsp gstreamer1.0-plugins-base gstreamer1.0-plugins-good
    gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly
    # makers by MAC address
    ieee-data
    # an RTSP server of another family than GStreamer's
    vlc-bin vlc-plugin-base
    # looking at recordings with other players
    gstreamer1.0-tools gstreamer1.0-libav
    # looking at recordings and pages
    ffmpeg chromium fonts-dejavu-core
    # the image and its boots
    mmdebstrap qemu-system-x86 ovmf mtools fdisk e2fsprogs zstd cpio debian-archive-keyring
    # reading documents with somebody else's code
    python3-cryptography
    # the portal's other database: a cluster of the test's own
    postgresql
    # style
    shellcheck
)

# Says what is missing and ends with 2 where this machine can't be made ready.
require_debian_root() {
    if ! command -v apt-get >/dev/null; then
        echo "This needs Debian 12 or 13: apt-get is missing." >&2
        exit 2
    fi
    if [[ $(id -u) -ne 0 ]]; then
        echo "This needs root: it makes network namespaces and installs packages." >&2
        exit 2
    fi
    if ! command -v cargo >/dev/null; then
        echo "This needs a Rust toolchain (see rust-toolchain.toml): cargo is missing." >&2
        exit 2
    fi
}

# Installs the Debian packages that are not there yet.
install_packages() {
    local missing=() package
    for package in "${prerequisite_packages[@]}"; do
        dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed \
            || missing+=("$package")
    done
    if [[ ${#missing[@]} -gt 0 ]]; then
        echo "Installing Debian packages: ${missing[*]}"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
            "${missing[@]}" >/dev/null
    fi
}

# The same, and cargo-nextest.
install_prerequisites() {
    install_packages
    if ! cargo nextest --version >/dev/null 2>&1; then
        echo "Installing cargo-nextest (a few minutes, once)"
        install_cargo_tool cargo-nextest
    fi
}

# cargo-deny only where it is used: it takes minutes to build.
ensure_cargo_deny() {
    cargo deny --version >/dev/null 2>&1 && return
    echo "Installing cargo-deny (a few minutes, once)"
    install_cargo_tool cargo-deny
}

# Into build/tools, so that nothing outside the checkout changes.
install_cargo_tool() {
    cargo install --quiet --locked --root "$PWD/build/tools" "$1"
}
export PATH="$PWD/build/tools/bin:$PATH"
