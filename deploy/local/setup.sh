#!/bin/sh
# Installs what is missing and nothing else.  usage: setup.sh run | setup.sh test VENV NODE CLAUDE
#
# Debian and its like through apt, macOS through brew; as root, or as a user with sudo. Silent if nothing is missing.
set -eu

have() { command -v "$1" >/dev/null 2>&1; }

fail() {
    echo "error: $1" >&2
    echo "hint: $2" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif have sudo; then sudo "$@"
    else fail "root is needed for: $*" "run it as root, or install sudo"
    fi
}

# install APT_PACKAGE BREW_PACKAGE
install() {
    echo "installing $1" >&2
    if have apt-get; then
        as_root apt-get update -qq >/dev/null
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$1" >/dev/null
    elif have brew; then
        brew install --quiet "$2" >/dev/null
    else
        fail "no apt-get and no brew on this machine" "install $1 by hand, then try again"
    fi
}

install_redis() {
    install redis-server redis
    # The stack runs a Redis of its own; one that came with the package would only take the usual port.
    if [ -d /run/systemd/system ]; then
        as_root systemctl disable --now --quiet redis-server >/dev/null 2>&1 || true
    fi
}

install_prometheus() {
    install prometheus prometheus
    # A test starts its own; the one that came with the package would only watch itself.
    if [ -d /run/systemd/system ]; then
        as_root systemctl disable --now --quiet prometheus >/dev/null 2>&1 || true
    fi
}

# One story sends an alert through it; without the package that story says that it is left out.
install_alertmanager() {
    (install prometheus-alertmanager alertmanager) || echo "prometheus-alertmanager cannot be had; its story is left out" >&2
    if [ -d /run/systemd/system ]; then
        as_root systemctl disable --now --quiet prometheus-alertmanager >/dev/null 2>&1 || true
    fi
}

# A virtual environment that matches the pinned requirements.
python_venv() {
    venv=$1
    wanted=tests/python/requirements.txt
    if cmp -s "$wanted" "$venv/requirements.txt"; then return; fi
    have python3 || install python3 python
    if ! python3 -c 'import ensurepip' 2>/dev/null; then install python3-venv python; fi
    echo "installing the Python clients of the tests" >&2
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted"
    cp "$wanted" "$venv/requirements.txt"
}

# The pinned packages and the scripts that use them, side by side: Node looks for packages next to a script, and none
# may lie in the source tree.
node_packages() {
    folder=$1
    wanted=tests/node/package-lock.json
    mkdir -p "$folder"
    ln -sfn "$PWD/tests/node" "$folder/scripts"
    if cmp -s "$wanted" "$folder/installed.json"; then return; fi
    have node || install nodejs node
    have npm || install npm node
    echo "installing the Node clients of the tests" >&2
    cp tests/node/package.json "$wanted" "$folder"
    # Their install scripts only build faster versions of what is there in JavaScript.
    (cd "$folder" && npm ci --loglevel=error --ignore-scripts --no-audit --no-fund >/dev/null)
    cp "$wanted" "$folder/installed.json"
}

# The real Claude Code, which some stories run against a stand-in of its provider; made for Linux alone, 400 MB.
claude_code() {
    folder=$1
    wanted=tests/claude/package-lock.json
    [ "$(uname)" = Linux ] || return 0
    if cmp -s "$wanted" "$folder/installed.json"; then return; fi
    echo "installing Claude Code for the tests" >&2
    mkdir -p "$folder"
    cp tests/claude/package.json "$wanted" "$folder"
    (cd "$folder" && npm ci --loglevel=error --ignore-scripts --no-audit --no-fund >/dev/null)
    cp "$wanted" "$folder/installed.json"
}

cd "$(dirname "$0")/../.."
have cargo || fail "Rust is missing" "install it from https://rustup.rs"
if ! have cc; then
    [ "$(uname)" = Darwin ] && fail "the compiler tools are missing" "xcode-select --install"
    install build-essential gcc
fi
have git || install git git
have redis-server || install_redis
case ${1:-} in
run) ;;
test)
    python_venv "$2"
    node_packages "$3"
    claude_code "$4"
    # The stories make certificates, start Redis with sentinels, and look at both through Redis's own client.
    have openssl || install openssl openssl
    have redis-cli || install redis-tools redis
    # On Linux the kernel ends a test's servers with the test.
    [ "$(uname)" != Linux ] || { have setpriv && have unshare; } || install util-linux util-linux
    # The operator's book asks with grpcurl and reads with jq.
    have jq || install jq jq
    have promtool || install_prometheus
    have prometheus-alertmanager || have alertmanager || install_alertmanager
    # One story bends the service's clock.
    have faketime || install faketime libfaketime
    if ! have cargo-nextest; then
        echo "installing cargo-nextest (a few minutes)" >&2
        cargo install --quiet --locked cargo-nextest
    fi
    ;;
*) fail "usage: setup.sh run | setup.sh test VENV NODE CLAUDE" "make calls it" ;;
esac
