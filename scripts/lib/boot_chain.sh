# What the firmware checks: own keys, the boot loader, one signed unified kernel image a
# version, the EFI system partition. Sourced by scripts/image and scripts/assemble; uses
# their variables `tools` and `here`.
# shellcheck shell=bash disable=SC2154

# A GUID of our own as the owner of the keys' entries in the firmware.
key_owner=5ea16a7e-0000-4000-8000-000000000020
# PCR 11 is extended with this word right before the data key is asked for, and with
# `ready` right after: what runs later cannot ask again.
data_phase=sysinit

# make_boot_keys FOLDER: Secure Boot's PK, KEK and db, the key that signs what PCR 11 is to
# be, and the key that signs updates. Once for each vendor; never in git.
make_boot_keys() {
    local folder=$1 name
    [[ ! -e $folder/complete ]] || return 0
    need_command openssl openssl
    rm -rf "$folder"
    mkdir -p "$folder"
    (
        umask 077
        for name in PK KEK db; do
            openssl req -new -x509 -newkey rsa:2048 -nodes -sha256 -days 7300 \
                -subj "/O=Sealgate/CN=Sealgate lab $name/" -keyout "$folder/$name.key" \
                -out "$folder/$name.crt" 2>/dev/null
        done
        openssl genpkey -algorithm rsa -pkeyopt rsa_keygen_bits:2048 -out "$folder/pcr.key" 2>/dev/null
        openssl pkey -in "$folder/pcr.key" -pubout -out "$folder/pcr.pub"
        openssl genpkey -algorithm ed25519 -out "$folder/update.key"
        openssl pkey -in "$folder/update.key" -pubout -out "$folder/update.pub"
    )
    touch "$folder/complete"
}

# make_enrolment KEYS FOLDER: the signed variables PK, KEK and db that the loader hands to a
# firmware in set-up mode.
make_enrolment() {
    local keys=$1 to=$2 work=$2.d name signer
    mkdir -p "$to" "$work"
    for name in PK KEK db; do
        tool cert-to-efi-sig-list -g "$key_owner" "$keys/$name.crt" "$work/$name.esl"
    done
    while read -r name signer; do
        # The date is signed: fixed, so that the same keys make the same files.
        tool sign-efi-sig-list -t '2026-01-01 00:00:00' -g "$key_owner" -k "$keys/$signer.key" \
            -c "$keys/$signer.crt" "$name" "$work/$name.esl" "$to/$name.auth" >/dev/null
    done <<<'PK PK
KEK PK
db KEK'
}

# make_uki WORK KEYS VERSION: sealgate.efi from vmlinuz, initrd and cmdline; signed, with the
# signed PCR 11 that goes with it.
make_uki() {
    local work=$1 keys=$2 version=$3 wrappers=$1/wrappers name
    mkdir -p "$wrappers"
    # ukify calls its helpers by themselves: each through the tools tree's loader.
    for name in sbin:sbsign bin:sbsign bin:sbverify lib/systemd:systemd-measure; do
        [[ -e $tools/usr/${name%%:*}/${name##*:} ]] || continue
        cat >"$wrappers/${name##*:}" <<WRAPPER
#!/bin/sh
exec "$tools/usr/lib64/ld-linux-x86-64.so.2" \\
    --library-path "$tools/usr/lib/x86_64-linux-gnu:$tools/usr/lib/x86_64-linux-gnu/systemd" \\
    "$tools/usr/${name%%:*}/${name##*:}" "\$@"
WRAPPER
        chmod +x "$wrappers/${name##*:}"
    done
    PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$tools/usr/lib/python3/dist-packages \
        python3 "$tools/usr/bin/ukify" build \
        --tools "$wrappers" --linux "$work/vmlinuz" --initrd "$work/initrd" \
        --cmdline "@$work/cmdline" --os-release "@$work/root/usr/lib/os-release" \
        --uname "$version" --stub "$tools/usr/lib/systemd/boot/efi/linuxx64.efi.stub" \
        --secureboot-private-key "$keys/db.key" --secureboot-certificate "$keys/db.crt" \
        --pcr-private-key "$keys/pcr.key" --pcr-public-key "$keys/pcr.pub" \
        --phases "$data_phase" --pcr-banks sha256 \
        --output "$work/sealgate.efi" >"$work/ukify.log" 2>&1 \
        || fail "the unified kernel image cannot be made: $(tail -n 3 "$work/ukify.log")"
}

# make_esp WORK KEYS VERSION MIB: the EFI system partition as it leaves the factory.
make_esp() {
    local work=$1 keys=$2 version=$3 mib=$4 esp=$1/esp.vfat name
    sbsign_file "$keys" "$tools/usr/lib/systemd/boot/efi/systemd-bootx64.efi" "$work/loader.efi"
    make_enrolment "$keys" "$work/enrolment"
    truncate -s "${mib}M" "$esp"
    tool mkfs.fat --invariant -F 32 -i 5ea16a7e -n ESP "$esp" >/dev/null
    # A dark screen is no boot menu: no waiting, and no way to change the command line.
    printf 'timeout 0\neditor no\nauto-entries no\nauto-firmware no\nsecure-boot-enroll force\n' >"$work/loader.conf"
    in_esp mmd EFI EFI/BOOT EFI/Linux loader loader/keys loader/keys/auto
    to_esp "$work/loader.efi" EFI/BOOT/BOOTX64.EFI
    to_esp "$work/loader.conf" loader/loader.conf
    for name in PK KEK db; do
        to_esp "$work/enrolment/$name.auth" "loader/keys/auto/$name.auth"
    done
    to_esp "$work/sealgate.efi" "EFI/Linux/sealgate_$version+3.efi"
}

in_esp() {
    local command=$1 name
    shift
    for name in "$@"; do tool "$command" -i "$esp" "::$name"; done
}

to_esp() {
    touch -d @1767225600 "$1"
    SOURCE_DATE_EPOCH=1767225600 tool mcopy -m -i "$esp" "$1" "::$2"
}

# sbsign_file KEYS FROM TO
sbsign_file() {
    tool sbsign --key "$1/db.key" --cert "$1/db.crt" --output "$3" "$2" 2>/dev/null \
        || fail "$2 cannot be signed"
}

# make_bundle WORK KEYS VERSION FLAVOUR FILE: one signed file that brings a box to this
# version: a line that says what follows, signed, then root, hash tree and kernel image.
make_bundle() {
    python3 - "$@" <<'PYTHON' || fail "the update cannot be made"
import base64, hashlib, json, os, shutil, subprocess, sys
work, keys, version, flavour, file = sys.argv[1:]
parts = []
for name, path in ("root", "root.erofs"), ("verity", "root.verity"), ("kernel", "sealgate.efi"):
    with open(f"{work}/{path}", "rb") as part:
        sha256 = hashlib.file_digest(part, "sha256").hexdigest()
    parts.append({"name": name, "bytes": os.path.getsize(f"{work}/{path}"), "sha256": sha256})
kind = "application/vnd.sealgate.update.v1+json"
payload = json.dumps({"format": 1, "version": version, "flavour": flavour, "parts": parts}).encode()
# DSSE v1, pre-authentication encoding.
signed = f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload
with open(f"{work}/signed", "wb") as out:
    out.write(signed)
signature = subprocess.run(
    ["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", f"{keys}/update.key", "-in", f"{work}/signed"],
    check=True, capture_output=True).stdout
text = lambda data: base64.b64encode(data).decode()
head = {"payloadType": kind, "payload": text(payload), "signatures": [{"keyid": "update", "sig": text(signature)}]}
with open(file, "wb") as out:
    out.write(json.dumps(head).encode() + b"\n")
    for _, path in ("root", "root.erofs"), ("verity", "root.verity"), ("kernel", "sealgate.efi"):
        with open(f"{work}/{path}", "rb") as part:
            shutil.copyfileobj(part, out)
PYTHON
}
