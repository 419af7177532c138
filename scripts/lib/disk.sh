# The files of an image: verified root, initrd, disk. Sourced by scripts/assemble.
# shellcheck shell=bash disable=SC2154

mib=1048576
esp_mib=512 root_mib=512 verity_mib=16 mfg_mib=16 state_mib=64

size_of() { du -h "$1" | cut -f1; }

# make_verified_root ROOT WORK VERSION: root.erofs, root.verity, verity.env. The same
# files give the same hash: times, salt and UUIDs are fixed.
make_verified_root() {
    local root=$1 work=$2 version=$3
    tool mkfs.erofs --quiet -zlz4hc,9 -T0 --all-root -U 5ea16a7e-0000-4000-8000-000000000001 \
        "$work/root.erofs" "$root"
    [[ $(stat -c %s "$work/root.erofs") -le $((root_mib * mib)) ]] \
        || fail "the root image is larger than its partition of $root_mib MiB"
    tool veritysetup format --hash=sha256 --data-block-size=4096 --hash-block-size=4096 \
        --salt="$(sha256sum <<<"sealgate $version" | cut -d' ' -f1)" \
        --uuid=5ea16a7e-0000-4000-8000-000000000002 \
        "$work/root.erofs" "$work/root.verity" >"$work/verity.txt"
    [[ $(stat -c %s "$work/root.verity") -le $((verity_mib * mib)) ]] \
        || fail "the hash tree is larger than its partition of $verity_mib MiB"
    awk -F': *' '/^Root hash/ { print "root_hash=" $2 } /^Salt/ { gsub(/[ \t]/, "", $2); print "salt=" $2 }
        /^Data blocks/ { print "data_blocks=" $2 }' "$work/verity.txt" | tr -d ' \t' >"$work/verity.env"
    [[ $(grep -c . "$work/verity.env") -eq 3 ]] || fail "veritysetup's answer is not understood"
}

# make_initrd MODULES FILE: busybox, dmsetup with its libraries, the modules, where the
# kernel has any, and `init`.
# Uncompressed: unpacking costs an emulated processor more than loading.
make_initrd() {
    local modules=$1 file=$2 tree=${2}.d path library
    mkdir -p "$tree"/{bin,dev,proc,sys,root,modules,usr/lib64,usr/lib/x86_64-linux-gnu}
    ln -s usr/lib "$tree/lib"
    ln -s usr/lib64 "$tree/lib64"
    cp "$tools/usr/bin/busybox" "$tools/usr/sbin/dmsetup" "$tree/bin/"
    cp -L "$tools/usr/lib64/ld-linux-x86-64.so.2" "$tree/usr/lib64/"
    while read -r library; do
        cp -L "$tools/usr/lib/x86_64-linux-gnu/$library" "$tree/usr/lib/x86_64-linux-gnu/"
    done < <(needed_libraries "$tools/usr/sbin/dmsetup")
    : >"$tree/modules/order"
    if [[ -n $modules ]]; then
        while read -r path; do
            library=$(basename "${path%.ko*}.ko")
            copy_module "$modules/$path" "$tree/modules/$library"
            echo "/modules/$library" >>"$tree/modules/order"
        done < <(module_files "$modules" "$here/scripts/lib/initrd/modules")
    fi
    install -m 0755 "$here/scripts/lib/initrd/init" "$tree/init"
    find "$tree" -exec touch -h -d @0 {} +
    (cd "$tree" && find . | LC_ALL=C sort | tool cpio --quiet -o -H newc -R 0:0 --reproducible) >"$file"
}

# All shared libraries a program of the tools tree loads, by file name.
needed_libraries() {
    "$tools/usr/lib64/ld-linux-x86-64.so.2" --library-path "$tools/usr/lib/x86_64-linux-gnu" \
        --list "$1" | awk '$2 == "=>" && $1 !~ /\// { print $1 }'
}

# make_disk WORK DATA-MIB SERIAL: the whole disk, without loop mounts. Slot B and mfg are
# empty; a box's first boot encrypts data, but in the lab's image it is there, for boots
# without firmware.
make_disk() {
    local work=$1 data_mib=$2 serial=$3 disk=$1/disk.img at=1 number=1 name size type file
    local linux=0fc63daf-8483-4772-8e79-3d69d8477de4 table
    mkdir -p "$work/state" "$work/data"
    [[ -z $serial ]] || echo "$serial" >"$work/state/serial"
    make_ext4 "$work/state.ext4" "$state_mib" state "$work/state" 5ea16a7e-0000-4000-8000-000000000003
    make_ext4 "$work/data.ext4" "$data_mib" data "$work/data" 5ea16a7e-0000-4000-8000-000000000004
    table="label: gpt
label-id: 5ea16a7e-0000-4000-8000-000000000010
"
    rm -f "$disk"
    truncate -s $(((1 + esp_mib + 2 * (root_mib + verity_mib) + mfg_mib + state_mib + data_mib + 1) * mib)) "$disk"
    while read -r name size type file; do
        table+="start=${at}MiB, size=${size}MiB, type=$type, name=$name, uuid=5ea16a7e-0000-4000-8000-0000000001$(printf %02d "$number")
"
        [[ -z $file ]] || place "$work/$file" "$disk" "$at"
        at=$((at + size))
        number=$((number + 1))
    done <<PARTITIONS
esp $esp_mib c12a7328-f81f-11d2-ba4b-00a0c93ec93b esp.vfat
root-a $root_mib 4f68bce3-e8cd-4db1-96e7-fbcaf984b709 root.erofs
verity-a $verity_mib 2c7357ed-ebd2-46d9-aec1-23d437ec2bf5 root.verity
root-b $root_mib 4f68bce3-e8cd-4db1-96e7-fbcaf984b709
verity-b $verity_mib 2c7357ed-ebd2-46d9-aec1-23d437ec2bf5
mfg $mfg_mib $linux
state $state_mib $linux state.ext4
data $data_mib $linux data.ext4
PARTITIONS
    tool sfdisk --quiet --wipe never --wipe-partitions never "$disk" <<<"$table" >/dev/null
}

# make_ext4 FILE MIB LABEL FOLDER UUID
make_ext4() {
    truncate -s "${2}M" "$1"
    tool mke2fs -q -t ext4 -L "$3" -U "$5" -d "$4" -m 0 \
        -E root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0,hash_seed="$5" "$1"
}

# place FILE DISK MIB: copies a partition to its place, holes stay holes.
place() { dd if="$1" of="$2" bs=1M seek="$3" conv=notrunc,sparse status=none; }

# What was put together, for people and for the boot tests.
write_manifest() {
    local work=$1 version=$2 flavour=$3 packages=$4 file
    echo '{'
    echo "  \"version\": \"$version\", \"flavour\": \"$flavour\","
    echo "  \"root_hash\": \"$root_hash\","
    echo "  \"vendor_roots_sha256\": \"$(sha256sum "$work/root/usr/share/sealgate/vendor-roots.json" | cut -d' ' -f1)\","
    echo '  "bytes": {'
    for file in vmlinuz initrd root.erofs root.verity sealgate.efi; do
        [[ ! -e $work/$file ]] || echo "    \"$file\": $(stat -c %s "$work/$file"),"
    done
    echo "    \"disk.img\": $(stat -c %s "$work/disk.img")"
    echo '  },'
    echo '  "packages": ['
    if [[ -n $packages ]]; then
        sed 's/%3a/:/; s/.*/    "&",/; $s/,$//' "$packages"
    fi
    echo '  ]'
    echo '}'
}
