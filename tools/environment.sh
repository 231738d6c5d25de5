# Sourced by the tools: goes to the root of the project, and makes sure that .venv holds what the project needs.
cd "$(dirname "$0")/.." || exit 1

fail() {
  echo "$(basename "$0"): $*" >&2
  exit 1
}

# Sets `python` to one that is new enough: $PYTHON, or the first that answers.
find_python() {
  for python in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11 python}; do
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      return
    fi
  done
  if [ -n "${PYTHON:-}" ]; then
    fail "PYTHON=$PYTHON is no Python 3.11 or newer."
  fi
  fail "Python 3.11 or newer is missing. Install it, or name one: PYTHON=/path/to/python tools/setup"
}

# What .venv is made from. When this changes, .venv is out of date.
fingerprint() {
  cat pyproject.toml constraints.txt package.json package-lock.json tools/hatch_build.py | cksum
}

up_to_date() {
  [ -x .venv/bin/python ] &&
    [ "$(cat .venv/.fingerprint 2>/dev/null)" = "$(fingerprint)" ] &&
    [ -f ratchet_mcp/engine/worker/ses.umd.min.js ]
}

ensure_environment() {
  up_to_date || tools/setup
}
