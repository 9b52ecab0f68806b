#!/usr/bin/env bash
# demo.sh: set up, start the whole graph on a bundled speech clip, and show the avatar in a browser.
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
  cat <<'EOS'
bash scripts/demo.sh [OPTION...]

  --audio SOURCE   wav:FILE, mic, or tts:"some text"   (default: the bundled clip, in a loop)
  --port N         port of the viewer's page           (default: 8765)
  --headless       no viewer; needs --seconds
  --seconds N      stop after N seconds
  --report FILE    measure the graph from a separate process and write a JSON report
  --no-open        print the viewer's address without opening a browser
  -h, --help       this text

The graph runs in its own ROS domain and on this machine alone unless ROS_DOMAIN_ID and
ROS_AUTOMATIC_DISCOVERY_RANGE are set. Stop it with Ctrl-C.
EOS
}
