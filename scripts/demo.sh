#!/usr/bin/env bash
# demo.sh: set up, start the whole graph on a bundled speech clip, and show the avatar in a browser.
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
  cat <<'EOS'
bash scripts/demo.sh [OPTION...]

  --audio SOURCE   wav:FILE, mic, or tts:"some text"  (default: the bundled clip, again and again)
  --port N         port of the viewer's page          (default: 8765)
  --headless       no viewer
  --seconds N      stop after N seconds; with --report, N seconds after the first motion
  --report FILE    measure the graph from a separate process and write a JSON report;
                   the exit status tells whether what was measured is sound
  --no-open        print the viewer's address without opening a browser
  -h, --help       this text

Words after -- go to `asynfusion up`, which lists them with --help.
The graph runs in a ROS domain of its own, and on this machine alone, unless ROS_DOMAIN_ID and
ROS_AUTOMATIC_DISCOVERY_RANGE are set. Stop it with Ctrl-C.
EOS
}

parse_arguments() {
  PORT=8765 VIEWER=yes OPEN=yes REPORT='' ARGUMENTS=()
  local source seconds
  while [ $# -gt 0 ]; do
    case $1 in
      --audio | --port | --seconds | --report)
        [ $# -ge 2 ] || die "$1 needs a value" "see bash scripts/demo.sh --help"
        ;;
    esac
    case $1 in
      --audio)
        source=$2
        case $source in
          wav:*)
            [ -f "${source#wav:}" ] || die "there is no file ${source#wav:}" "give the path of a wav or flac file"
            ARGUMENTS+=(--audio wav --wav "$(realpath "${source#wav:}")")
            ;;
          tts:*) ARGUMENTS+=(--audio tts --text "${source#tts:}") ;;
          mic) ARGUMENTS+=(--audio mic) ;;
          *) die "--audio is '$source'" 'give wav:FILE, mic, or tts:"some text"' ;;
        esac
        shift 2
        ;;
      --port)
        PORT=$2
        [[ $PORT =~ ^[1-9][0-9]{0,4}$ && $PORT -le 65535 ]] ||
          die "--port is '$PORT'" "give a number from 1 to 65535"
        shift 2
        ;;
      --seconds)
        seconds=$2
        [[ $seconds =~ ^[0-9]+(\.[0-9]+)?$ ]] || die "--seconds is '$seconds'" "give a number of seconds"
        ARGUMENTS+=(--seconds "$seconds")
        shift 2
        ;;
      --report)
        REPORT=$(realpath -m "$2")
        [ -d "$(dirname "$REPORT")" ] || die "there is no folder $(dirname "$REPORT")" "make it, or give another --report"
        ARGUMENTS+=(--report "$REPORT")
        shift 2
        ;;
      --headless) VIEWER=no && shift ;;
      --no-open) OPEN=no && shift ;;
      -h | --help) usage && exit 0 ;;
      --) ARGUMENTS+=("${@:2}") && break ;;
      *) die "unknown option '$1'" "see bash scripts/demo.sh --help" ;;
    esac
  done
  if [ $VIEWER = yes ]; then ARGUMENTS+=(--viewer-port "$PORT"); else ARGUMENTS+=(--no-viewer); fi
}

port_answers() { (exec 3<>"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null; }

# Wait for the page, say where it is, and open it where there is a screen.
announce_viewer() {
  local patience_s=180
  while ! port_answers; do
    sleep 0.5
    patience_s=$((patience_s - 1))
    [ $patience_s -gt 0 ] || return 0
  done
  say "the avatar is at  http://127.0.0.1:$PORT  (Ctrl-C stops everything)"
  if [ $OPEN = yes ] && [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ] && command -v xdg-open >/dev/null; then
    xdg-open "http://127.0.0.1:$PORT" >/dev/null 2>&1 || true
  fi
}

# Start the graph, pass on requests to stop, and return its exit status.
run_graph() {
  local graph announcer='' code=0 lifeline=()
  # so that the graph ends even if this script is killed outright
  if command -v setpriv >/dev/null; then lifeline=(setpriv --pdeathsig TERM); fi
  "${lifeline[@]}" asynfusion up "${ARGUMENTS[@]}" &
  graph=$!
  trap 'STOPPED=yes; kill -TERM "$graph" 2>/dev/null || true' INT TERM HUP
  if [ $VIEWER = yes ]; then
    announce_viewer &
    announcer=$!
  fi
  while kill -0 "$graph" 2>/dev/null; do
    code=0
    wait "$graph" || code=$?
  done
  trap - INT TERM HUP
  if [ -n "$announcer" ]; then kill "$announcer" 2>/dev/null || true; fi
  return $code
}

# Fail where the report (which the probe has printed) tells of no motion, or of useless motion.
check_report() {
  python - "$REPORT" <<'PY'
import json
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    report = json.load(file)
faults = []
if not report.get("joint_states_hz"):
    faults.append("no joint states came")
if not report.get("blendshapes_hz"):
    faults.append("no blendshapes came")
if report.get("stamp_mismatches"):
    faults.append(f"{report['stamp_mismatches']} poses lack their face, or faces their pose")
if report.get("nan_frames"):
    faults.append(f"{report['nan_frames']} frames held NaN")
if not report.get("mouth_range"):
    faults.append("the mouth did not move")
if faults:
    sys.exit("the report shows: " + "; ".join(faults))
PY
}

parse_arguments "$@"
# shellcheck disable=SC2119 # no extras
set_up
if [ $VIEWER = yes ] && port_answers; then
  die "port $PORT is taken" "stop what listens there, or give another: --port $((PORT + 1))"
fi
export ROS_DOMAIN_ID=${ROS_DOMAIN_ID:-$((1 + $$ % 100))}
export ROS_AUTOMATIC_DISCOVERY_RANGE=${ROS_AUTOMATIC_DISCOVERY_RANGE:-LOCALHOST}
say "starting the graph; to listen in from another shell:"
say "  source $ASYNFUSION_ENV/setup.bash; export ROS_DOMAIN_ID=$ROS_DOMAIN_ID ROS_AUTOMATIC_DISCOVERY_RANGE=$ROS_AUTOMATIC_DISCOVERY_RANGE"

CURRENT_STEP='run the graph'
STOPPED=no code=0
if [ -n "$REPORT" ]; then rm -f "$REPORT"; fi
run_graph || code=$?
if [ $STOPPED = yes ]; then
  say "stopped"
  exit 0
fi
if [ $code -ne 0 ]; then
  die "the graph ended with exit status $code" "read the node's own message above"
fi
if [ -n "$REPORT" ]; then
  [ -s "$REPORT" ] || die "no report was written to $REPORT" "let it run until the probe has finished; read the messages above"
  CURRENT_STEP='read the report'
  check_report || die "the run was not sound" "read the messages above; /diagnostics tells more while the graph runs"
fi
say "ended"
