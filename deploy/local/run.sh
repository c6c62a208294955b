#!/bin/sh
# Brings up the local stack, plays the demo on one of its own, and stays with a live view on a terminal.  usage: run.sh SHIM
#
# A stack that ran before is left running; one started here is stopped at the end, whatever the end is.
set -eu
shim=$1

started=yes
"$shim" status >/dev/null 2>&1 && started=no

finish() {
    trap - EXIT INT TERM
    [ "$started" = no ] || "$shim" down
}
trap finish EXIT
trap 'exit 0' INT TERM

"$shim" up --detach
"$shim" demo
echo
if [ -t 1 ]; then
    "$shim" status --watch || true
else
    echo "next: $shim install claude-code (or claude-desktop), then start a conversation"
fi
