#!/bin/sh
# Makes the secrets of the compose stack where there are none.  usage: make-secrets.sh [--rotate]
#
# The folder is for you alone. The files in it can be read in the containers, whose user is another than you; nobody else
# on this machine gets through the folder. --rotate writes a new token into the same file, which servers read anew by
# themselves; a file put in its place would stay unseen in containers that run.
set -eu
umask 077
folder=${SHIM_SECRETS:-$(dirname "$0")/secrets}
mkdir -p "$folder"
chmod 0700 "$folder"

secret() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }

# make FILE: a secret of its own on one line, unless it has one.
make() {
    [ -s "$folder/$1" ] && return
    secret >"$folder/$1"
    echo >>"$folder/$1"
    chmod 0444 "$folder/$1"
    echo "made $folder/$1"
}

# Where alerts go: what is written there, by a person or in SHIM_ALERT_URL, stays. Until then they reach nobody.
alert_url() {
    [ -s "$folder/alert_url" ] && [ -z "${SHIM_ALERT_URL:-}" ] && return
    [ ! -e "$folder/alert_url" ] || chmod 0600 "$folder/alert_url"
    echo "${SHIM_ALERT_URL:-http://127.0.0.1:9/no-address-yet}" >"$folder/alert_url"
    chmod 0444 "$folder/alert_url"
    if [ -n "${SHIM_ALERT_URL:-}" ]; then
        echo "wrote the address of alerts to $folder/alert_url"
    else
        echo "alerts reach nobody yet: write the incoming webhook of your chat into $folder/alert_url" >&2
    fi
}

if [ "${1:-}" = --rotate ]; then
    chmod 0600 "$folder/token"
    new=$(secret)
    echo "$new" >"$folder/token"
    chmod 0444 "$folder/token"
    echo "wrote a new token to $folder/token"
else
    make token
    make grafana_password
    alert_url
fi
