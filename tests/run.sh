#!/bin/sh
# The test command behind `make test`: each part in turn, its time, and the first failure ends it.
set -eu
cd "$(dirname "$0")/.."
export SMTPLAB_FULL=1 PYTHONDONTWRITEBYTECODE=1
[ "${CI:-}" = true ] && export SMTPLAB_NO_SKIP=1

part() {
    name=$1; shift
    began=$(date +%s)
    printf '\n== %s\n' "$name"
    "$@"
    printf '== %s: %s s\n' "$name" "$(($(date +%s) - began))"
}

part "lint" "$BIN/ruff" check --quiet .
part "format" "$BIN/ruff" format --quiet --check .
part "types" "$BIN/mypy" --no-error-summary
part "tests" "$BIN/pytest" -n 2 --dist loadfile tests
part "notebooks" "$BIN/pytest" -n 2 --dist loadfile -p no:cacheprovider --nbval --nbval-current-env --nbval-cell-timeout 120 notebooks
