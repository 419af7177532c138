# The root file system: what is left out, what goes on top, how it is sealed. Sourced by
# scripts/assemble; uses its variables `tools` and `here`.
# shellcheck shell=bash disable=SC2154

# tool NAME ARGUMENTS...: runs a tool from the tools tree through that tree's own loader,
# so that neither its version nor its libraries depend on the host; or the host's.
tool() {
    local name=$1 folder
    shift
    if [[ -n $tools ]]; then
        for folder in usr/sbin usr/bin; do
            if [[ -e $tools/$folder/$name ]]; then
                MKE2FS_CONFIG=$tools/etc/mke2fs.conf \
                    "$tools/usr/lib64/ld-linux-x86-64.so.2" \
                    --library-path "$tools/usr/lib/x86_64-linux-gnu:$tools/usr/lib/x86_64-linux-gnu/systemd" \
                    --argv0 "$name" "$tools/$folder/$name" "$@"
                return
            fi
        done
        fail "the tools tree has no $name"
    fi
    PATH=$PATH:/usr/sbin:/sbin "$name" "$@"
}

# A lab key signs licenses for nobody to pay for: a product image never trusts one.
check_roots() {
    need_command python3 python3
    python3 - "$1" "$2" <<'PYTHON' || refuse "$1 is not usable for the flavour $2"
import json, sys
path, flavour = sys.argv[1:]
try:
    document = json.load(open(path, encoding="utf-8-sig"))
    found = document["flavour"]
    roots = [(root["name"], root["class"]) for root in document["roots"]]
except (OSError, ValueError, KeyError, TypeError) as error:
    sys.exit(f"{path} is no vendor roots file: {error!r}")
if not roots:
    sys.exit(f"{path} names no root key")
if flavour == "product":
    lab = [name for name, of in roots if of != "product"]
    if found != "product" or lab:
        sys.exit(f"{path} is for the flavour {found!r} and has lab keys {lab}: a product refuses them")
elif found != flavour:
    sys.exit(f"{path} is for the flavour {found!r}")
PYTHON
}

# leave_out ROOT LIST: removes what the list's patterns match, but what `!` keeps.
leave_out() {
    local root=$1 list=$2 pattern path
    local -A keep=()
    local -a drop=()
    while read -r pattern; do
        [[ -n $pattern && $pattern != '#'* ]] || continue
        if [[ $pattern == '!'* ]]; then
            while read -r path; do keep[$path]=1; done < <(compgen -G "$root/${pattern#!}" || true)
        else
            while read -r path; do drop+=("$path"); done < <(compgen -G "$root/$pattern" || true)
        fi
    done <"$list"
    for path in "${drop[@]}"; do
        [[ -z ${keep[$path]:-} ]] || continue
        if keeps_below "$path"; then
            while read -r -d '' inner; do
                [[ -n ${keep[$inner]:-} ]] || rm -f "$inner"
            done < <(find "$path" ! -type d -print0)
            find "$path" -depth -type d -empty -delete
        else
            rm -rf "$path"
        fi
    done
}

# Whether something that is kept lies below a folder; sees leave_out's `keep`.
keeps_below() {
    local kept
    [[ -d $1 && ! -L $1 ]] || return 1
    for kept in "${!keep[@]}"; do
        [[ $kept == "$1"/* ]] && return 0
    done
    return 1
}

apply_overlays() {
    local root=$1 overlay
    shift
    for overlay in "$@"; do
        [[ -d $overlay ]] || refuse "there is no folder $overlay"
        # Links to folders in the root (/lib, /sbin) stay links; modes come from git,
        # which knows two of them.
        tar -C "$overlay" --mode='u=rwX,go=rX' -cf - . | tar -C "$root" --keep-directory-symlink -xf -
    done
}

install_binaries() {
    local from=$1 root=$2 binary
    need_command strip binutils
    for binary in sealgate-supervisor sealgate-recorder sealgate-system sealgate; do
        [[ -x $from/$binary ]] || refuse "$from has no $binary: build it first"
        strip -o "$root/usr/bin/$binary" "$from/$binary"
        chmod 0755 "$root/usr/bin/$binary"
    done
}

# module_files MODULES LIST: the list's modules and what they need, in loading order, as
# paths below MODULES; what is built into the kernel is left out.
module_files() {
    local modules=$1 list=$2
    python3 - "$modules" "$list" <<'PYTHON'
import os, sys
folder, wanted = sys.argv[1:]
def key(path):
    return os.path.basename(path).split(".ko")[0].replace("-", "_")
needs = {}
with open(f"{folder}/modules.dep") as file:
    for line in file:
        path, _, after = line.partition(":")
        needs[key(path)] = (path, after.split())
with open(f"{folder}/modules.builtin") as file:
    builtin = {key(line.strip()) for line in file}
order = []
def take(name):
    if name in builtin:
        return
    if name not in needs:
        sys.exit(f"the kernel has no module {name}")
    path, after = needs[name]
    for needed in reversed(after):
        take(key(needed))
    if path not in order:
        order.append(path)
with open(wanted) as file:
    for line in file:
        if line.strip() and not line.startswith("#"):
            take(line.strip().replace("-", "_"))
print("\n".join(order))
PYTHON
}

# copy_module FROM TO: uncompressed, as the root image is compressed as a whole and an
# emulated processor unpacks xz slowly.
copy_module() {
    case $1 in
        *.xz) xz -dc "$1" ;;
        *.zst) zstd -qdc "$1" ;;
        *.gz) gzip -dc "$1" ;;
        *) cat "$1" ;;
    esac >"$2"
}

# Only the listed modules go into the root: a sealed machine gets no new hardware.
install_root_modules() {
    local modules=$1 root=$2 release path target
    release=$(basename "$modules")
    while read -r path; do
        target=$root/usr/lib/modules/$release/${path%.ko*}.ko
        mkdir -p "$(dirname "$target")"
        copy_module "$modules/$path" "$target"
    done < <(module_files "$modules" "$here/scripts/lib/initrd/root-modules")
    cp "$modules"/modules.{builtin,builtin.modinfo,order} "$root/usr/lib/modules/$release/"
    tool depmod -b "$root/usr" "$release"
}

# Users, names, empty folders, and no file that gives anybody more rights.
finish_root() {
    local root=$1 version=$2 flavour=$3
    cat >"$root/usr/lib/os-release" <<TEXT
ID=sealgate
NAME=Sealgate
PRETTY_NAME="Sealgate $version ($flavour)"
VERSION_ID=$version
IMAGE_ID=sealgate-$flavour
IMAGE_VERSION=$version
TEXT
    mkdir -p "$root"/{dev,proc,sys,run,tmp,var,state,efi,root}
    if [[ ! -e $root/etc/shadow ]] || ! grep -q '^sealgate-recorder:' "$root/etc/passwd"; then
        # Its list of users goes to standard error; the date would be in /etc/shadow.
        SOURCE_DATE_EPOCH=0 tool systemd-sysusers --root="$root" 2>"$root.sysusers" \
            || fail "the users cannot be made: $(tail -n 3 "$root.sysusers")"
    fi
    # No password opens this box.
    if grep -Ev '^[^:]+:[!*]' "$root/etc/shadow"; then
        fail "an account of the root file system can be signed in to"
    fi
    find "$root" -perm /6000 ! -type l -exec chmod ug-s {} +
    chmod 0600 "$root/etc/shadow"
    rm -f "$root"/etc/{passwd,group,shadow,gshadow,subuid,subgid}- "$root/etc/.pwd.lock"
    [[ -x $root/usr/bin/sealgate-supervisor && -x $root/usr/bin/sealgate-recorder && -x $root/usr/bin/sealgate-system && -x $root/usr/bin/sealgate ]] \
        || fail "the root file system has no Sealgate binaries: give --binaries"
}
