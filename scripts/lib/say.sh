# Words that every script says in the same way. Sourced, not run.
# shellcheck shell=bash

# Prints the header of the script that was called: its help.
usage() { sed -n '2,/^set -euo/{/^set -euo/d;s/^# \{0,1\}//;p}' "$0"; }

# step TEXT: one line of progress, with the seconds since the script began.
step() { printf '[%4d s] %s\n' "$SECONDS" "$*" >&2; }

# refuse TEXT: what is missing or wrong with the call, in one line; ends with 2.
refuse() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 2
}

# fail TEXT: what went wrong; ends with 1.
fail() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# need_command COMMAND PACKAGE: refuses where COMMAND is not to be had.
need_command() {
    command -v "$1" >/dev/null || refuse "the command $1 is missing (Debian package $2)"
}

# retry TIMES COMMAND...: for what depends on the network.
retry() {
    local times=$1 attempt
    shift
    for ((attempt = 1; attempt < times; attempt++)); do
        "$@" && return
        step "that failed; attempt $((attempt + 1)) of $times in $((attempt * 5)) s"
        sleep $((attempt * 5))
    done
    "$@"
}

# fingerprint WHAT...: one hash over texts and the content of files and folders, to tell
# whether something made earlier still fits. `@PATH` means what is at PATH.
fingerprint() {
    local what
    for what in "$@"; do
        case $what in
            @*) fingerprint_path "${what#@}" ;;
            *) printf '%s\n' "$what" ;;
        esac
    done | sha256sum | cut -c1-16
}

# Names, kinds, modes and targets first, then contents.
fingerprint_path() (
    cd "$(dirname "$1")" || exit
    find "$(basename "$1")" -printf '%M %p %l\n' | LC_ALL=C sort
    find "$(basename "$1")" -type f -print0 | LC_ALL=C sort -z | xargs -0 -r sha256sum
)
