# Debian 13's packages for the image and for the tools that make it. Sourced, not run.
# shellcheck shell=bash

debian_suite=trixie

# The host's own mirrors, as lines `deb ADDRESS SUITE main` for the suite we build from:
# a machine that can install packages can build the image, wherever its mirror is.
debian_sources() {
    local release address component found=
    local codename
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    # shellcheck disable=SC2016  # apt fills these in
    while read -r address release component; do
        [[ $component == main && $release == "$codename"* ]] || continue
        echo "deb $address $debian_suite${release#"$codename"} main"
        [[ $release == "$codename" ]] && found=yes
    done < <(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' \
        'Identifier: Packages' | LC_ALL=C sort -u)
    [[ -n $found ]]
}

# debian_tree WHAT PACKAGES-FILE CACHE [PACKAGE...]: unpacks the file's packages and those
# named, and what they depend on, without running any of their scripts, and prints where:
# a tar with owners, cached by its inputs.
# A pool file that the mirror lacks (404) is looked for in its other suites: the newest
# version first, then without updates and security.
debian_tree() {
    local what=$1 list=$2 cache=$3 packages sources key target attempt
    shift 3
    packages=$( (sed 's/#.*//' "$list" && echo "$*") | tr -s ' \n' ',,' | sed 's/^,//;s/,$//')
    sources=$(debian_sources) || refuse "the host's apt sources name no Debian mirror"
    key=$(fingerprint "$packages" "$sources")
    target=$cache/$what-$key.tar
    if [[ ! -e $target ]]; then
        need_command mmdebstrap mmdebstrap
        step "fetching and unpacking Debian packages for the $what"
        mkdir -p "$cache"
        rm -f "$cache/$what-"*.tar "$cache/$what-"*.packages
        for attempt in all main all; do
            if unpack_packages "$packages" "$sources" "$attempt" "$target.part"; then
                mv "$target.part.packages" "${target%.tar}.packages"
                mv "$target.part" "$target"
                break
            fi
            step "that failed; trying other sources"
        done
        [[ -e $target ]] || fail "the packages for the $what can't be had from the mirror"
    fi
    echo "$target"
}

# unpack_packages PACKAGES SOURCES all|main TAR
unpack_packages() {
    local packages=$1 sources=$2 which=$3 tar=$4 mode=root
    [[ $(id -u) -eq 0 ]] || mode=unshare
    if [[ $which == main ]]; then
        sources=$(grep " $debian_suite main$" <<<"$sources")
    fi
    # The hook writes down which versions went in.
    # shellcheck disable=SC2016  # mmdebstrap's shell fills in $1
    mmdebstrap --quiet --mode="$mode" --variant=extract --architectures=amd64 --format=tar \
        --keyring=/usr/share/keyrings --include="$packages" \
        --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Retries "3"' \
        --skip=download/empty --skip=essential/unlink \
        --extract-hook='ls "$1/var/cache/apt/archives" | sed -n "s/\.deb$//p" > '"'$tar.packages'" \
        "$debian_suite" "$tar" - <<<"$sources"
}
