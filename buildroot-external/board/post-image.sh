#!/usr/bin/env bash
# post-image.sh - Buildroot's last step: hands root file system and kernel to the assembly
# that both flavours share.
#
# From the environment (scripts/image product sets it):
#   SEALGATE_ROOTS   the vendor's root keys
#   SEALGATE_KEYS    the vendor's keys of the boot chain and of updates
#   SEALGATE_TOOLS   Debian's tools that sign and assemble, as the lab uses them: Buildroot has
#                    no host package of sbsigntool or efitools
#   SEALGATE_OUT     where the image goes (default: Buildroot's images folder)
set -euo pipefail
external=$(cd "$(dirname "$0")/.." && pwd)
images=${1:?called by Buildroot with its images folder}
for needed in SEALGATE_KEYS SEALGATE_TOOLS; do
    : "${!needed:?build with scripts/image product, which sets it}"
done
: "${SEALGATE_ROOTS:?the vendor roots file: build with scripts/image product --roots FILE}"

architecture=$(sed -n 's/^BR2_ARCH="\(.*\)"/\1/p' "$BR2_CONFIG")
configuration=$(echo "$BUILD_DIR"/linux-[0-9]*/.config)
for wanted in "$external/board/linux.config" "$external/board/$architecture/linux.config"; do
    "$external/scripts/check-options" "$wanted" "$configuration"
done

kernel=$images/Image
[[ ! -e $images/bzImage ]] || kernel=$images/bzImage
PATH=$HOST_DIR/bin:$HOST_DIR/sbin:$PATH exec "$external/../scripts/assemble" \
    --flavour product --rootfs "$images/rootfs.tar" --kernel "$kernel" \
    --roots "$SEALGATE_ROOTS" --keys "$SEALGATE_KEYS" --tools "$SEALGATE_TOOLS" \
    --out "${SEALGATE_OUT:-$images/sealgate}"
