#!/bin/sh
# Keeps a commit from writing over files that another Claude window or person has leased.
#
#   cp docs/pre-commit.sh .git/hooks/pre-commit && chmod +x .git/hooks/pre-commit
#
# Leases of your own do not count if SHIM_HOLDER is the name they were acquired with. Without SHIM, or while its service
# is away, the commit goes on; `--strict` would refuse it. `git commit --no-verify` passes by the check.
set -eu
command -v shim >/dev/null 2>&1 || exit 0
exec shim files check --staged
