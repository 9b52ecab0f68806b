#!/usr/bin/env bash
# test.sh [PYTEST ARGUMENT...]: set up, then ruff, mypy and every test, with real ROS and a browser.
#
# Without arguments the plain tests run in two processes and those that watch the clock (ros, browser)
# alone after them, where one that fails is tried twice more and named: a busy machine keeps no
# promise of time. With arguments pytest runs once, with these.
# ASYNFUSION_ENV chooses where things are installed (default: .venv in the repository).
# ASYNFUSION_DATA names the folder with training data; the tests that need it are skipped otherwise.
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

has_browser() {
  command -v chromium || command -v chromium-browser || command -v google-chrome
} >/dev/null

# Chromium draws the page that the viewer's test looks at; it is wanted where apt can bring it.
ensure_browser() {
  if has_browser; then return; fi
  if command -v apt-get >/dev/null && { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }; then
    install_packages chromium
  else
    say 'no Chromium here: browser tests will be skipped (install the package chromium to run them)'
  fi
}

ensure_browser
set_up test evaluation

cd "$REPO"
export OMP_NUM_THREADS=1 # the suite runs on two processes; more threads only get in each other's way
required=ros
if has_browser; then required=ros,browser; fi

check() {
  CURRENT_STEP=$1
  say "$1"
  "${@:2}"
}

check 'ruff: rules' ruff check .
check 'ruff: format' ruff format --check .
check 'mypy' mypy
if [ $# -gt 0 ]; then
  check 'pytest' python -m pytest --require "$required" "$@"
else
  check 'pytest: plain tests' python -m pytest -n 2 --dist loadfile -m 'not ros and not browser'
  check 'pytest: tests with ROS and a browser' python -m pytest --require "$required" \
    -m 'ros or browser' --reruns 2 --reruns-delay 5 -rR
fi
say 'all checks passed'
