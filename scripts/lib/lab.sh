# shellcheck shell=bash
# What the lab needs besides programs; sourced by scripts that start it, from the repository's root.

browser_driver=('playwright==1.65.*' 'axe-playwright-python==0.1.*')

# The browser's driver: Playwright from PyPI, and axe-core in a package of Python's (for tests
# alone), in build/venv.
install_browser_driver() {
    local venv=build/venv
    if [[ ! -x $venv/bin/python || $(cat "$venv/has" 2>/dev/null) != "${browser_driver[*]}" ]]; then
        echo "Installing the browser's driver from PyPI into $venv"
        # Debian's own interpreter and numpy; Chromium is Debian's as well.
        /usr/bin/python3 -m venv --system-site-packages "$venv"
        "$venv/bin/pip" install --quiet --disable-pip-version-check "${browser_driver[@]}"
        echo "${browser_driver[*]}" >"$venv/has"
    fi
}

# The lab's vendor keys, by the portal in this folder.
make_vendor_keys() {
    local binaries=$1 lab=build/lab
    # The roots file is written last: without it, making the keys was cut short.
    if [[ ! -e $lab/vendor/vendor-roots.json ]]; then
        echo "Making the lab's vendor keys in $lab/vendor"
        mkdir -p "$lab"
        rm -rf "$lab/vendor"
        "$binaries/sealgate-portal" keys init --flavour lab --dir "$lab/vendor" >/dev/null
    fi
}
