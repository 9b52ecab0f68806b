#!/usr/bin/env bash
# Sound from one host, the avatar on another, and a link between them that is cut for a while: two
# network namespaces stand for the hosts. Needs root and a sourced workspace.
set -euo pipefail

usage() {
  echo "usage: sudo -E bash scripts/examples/two_hosts.sh REPORT.json [SECONDS [CUT_S]]"
  echo "runs SECONDS (40), cuts the link for CUT_S (5) in their middle, 0 for not at all"
}
[[ $# -ge 1 && $# -le 3 ]] || { usage >&2; exit 2; }
[[ $EUID -eq 0 ]] || { echo "making network namespaces needs root" >&2; usage >&2; exit 2; }
python3 -c "import rclpy, asynfusion_ros.msg" 2>/dev/null || {
  echo "ROS or this package is missing: source the workspace's setup file first" >&2
  exit 2
}
report=$1 seconds=${2:-40} cut_s=${3:-5}
export ROS_AUTOMATIC_DISCOVERY_RANGE=SUBNET ROS_DOMAIN_ID=${ROS_DOMAIN_ID:-76}

clean_up() {
  kill -INT $(jobs -p) 2>/dev/null || true
  wait || true
  for host in asyn_sound asyn_body; do
    ip netns delete "$host" 2>/dev/null || true
  done
}
trap clean_up EXIT

ip netns add asyn_sound
ip netns add asyn_body
ip link add to_body netns asyn_sound type veth peer name to_sound netns asyn_body
ip -n asyn_sound address add 10.76.0.1/24 dev to_body
ip -n asyn_body address add 10.76.0.2/24 dev to_sound
for link in "asyn_sound to_body" "asyn_body to_sound"; do
  read -r host device <<<"$link"
  ip -n "$host" link set lo up
  ip -n "$host" link set "$device" up
  ip -n "$host" route add 224.0.0.0/4 dev "$device" # discovery is multicast
done

ip netns exec asyn_body python3 -m asynfusion_ros.cli up --audio topic --no-viewer \
  --seconds "$seconds" --report "$report" &
avatar=$!
ip netns exec asyn_sound python3 -m asynfusion_ros.nodes.start audio_source_node --ros-args \
  -p loop:=true &

if [[ $cut_s != 0 ]]; then
  sleep $((seconds / 2))
  echo "the link is down"
  ip -n asyn_sound link set to_body down
  sleep "$cut_s"
  ip -n asyn_sound link set to_body up
  ip -n asyn_sound route replace 224.0.0.0/4 dev to_body
  echo "the link is up again"
fi
wait "$avatar"
cat "$report"
