#!/bin/bash
# One GPU job as one command:  bash benchmarks/gpu/job.sh JOB
#
#   DATA=data        recordings, or what `asynfusion data pack` made of them
#   RUNS=runs/gpu    what is done is kept here; the same command goes on from there
#   OUT=$RUNS/out    results to take home, in files of at most 15 MB
#   MINUTES=8        longest training in one call
#   SIZE=full        `tiny` rehearses the job on a CPU, with toy networks
#   PYTHON=python3
set -euo pipefail
cd "$(dirname "$0")/../.."
job=${1:?name a job of benchmarks/gpu/README.md}
DATA=${DATA:-data} RUNS=${RUNS:-runs/gpu} MINUTES=${MINUTES:-8} SIZE=${SIZE:-full} PYTHON=${PYTHON:-python3}
OUT=${OUT:-$RUNS/out}
mkdir -p "$RUNS" "$OUT"

asynfusion() { "$PYTHON" -m asynfusion_ros.cli "$@"; }

if [ "$SIZE" = tiny ]; then
  device=cpu
  base=(--config config/smoke.yaml) small=(--config config/smoke.yaml)
  cut=(--config config/smoke.yaml --set limit_mb=3)
  bench=(--quick --no-live) replay=(--quick) ablate=(--size tiny --seeds 1 --samples 1 --style-from 4)
else
  device=cuda
  base=(--config config/base.yaml)
  small=(--set precision=bf16 --set batch=256)
  cut=(--config config/base.yaml)
  bench=() replay=() ablate=(--size base --seeds 3 --style-from 4)
fi

prepare() {
  [ -e "$RUNS/prepared/manifest.json" ] || asynfusion prepare --data "$DATA" --out "$RUNS/prepared" "${cut[@]}"
}

train() { # NAME, then the options of its size
  local name=$1
  shift
  prepare
  asynfusion train --prepared "$RUNS/prepared" --out "$RUNS/$name-teacher" "$@" --set "minutes=$MINUTES"
}

distil() {
  local name=$1
  shift
  if [ ! -e "$RUNS/$name-teacher/config.json" ]; then
    echo "train-$name is not done; call it until it is" >&2
    exit 3
  fi
  prepare
  asynfusion distill --prepared "$RUNS/prepared" --teacher "$RUNS/$name-teacher" --out "$RUNS/$name" \
    "$@" --set "minutes=$MINUTES"
  [ ! -e "$RUNS/$name/config.json" ] || "$PYTHON" benchmarks/gpu/ship.py split "$RUNS/$name" "$OUT/$name"
}

model() { # the best model that is there
  for folder in "$RUNS/base" models/base "$RUNS/small" models/small; do
    [ ! -e "$folder/config.json" ] || { echo "$folder"; return; }
  done
}

case $job in
  prepare) prepare ;;
  train-base) train base "${base[@]}" ;;
  train-small) if [ "$SIZE" = tiny ]; then train small "${small[@]}"; else train small "${small[@]}" --set steps=8000; fi ;;
  distill-base) distil base "${base[@]}" ;;
  distill-small) if [ "$SIZE" = tiny ]; then distil small "${small[@]}"; else distil small "${small[@]}" --set steps=4000; fi ;;
  evaluate) asynfusion evaluate --data "$DATA" --checkpoint "$(model)" --json "$OUT/evaluation.json" ;;
  bench-gpu)
    asynfusion bench --device "$device" --checkpoint "$(model)" "${bench[@]}" \
      --json "$OUT/bench.json" --page "$OUT/bench.md"
    "$PYTHON" -m asynfusion_ros.bench.replay --device "$device" "${base[@]}" "${replay[@]}" \
      --json "$OUT/replay.json"
    if "$PYTHON" -c 'import asynfusion_ros.msg' 2>/dev/null; then
      "$PYTHON" benchmarks/first_pose.py --device "$device" --checkpoint "$(model)" --json "$OUT/first_pose.json"
    fi
    ;;
  timeline)
    "$PYTHON" -m asynfusion_ros.bench.timeline --device "$device" "${base[@]}" --out "$OUT/timeline.png"
    ;;
  test-gpu)
    if [ "$SIZE" = tiny ]; then
      "$PYTHON" -m pytest -q test/test_sampling_graphs.py
    else
      "$PYTHON" -m pytest -q --require gpu -m gpu test
    fi
    ;;
  sanitize) bash benchmarks/gpu/sanitize.sh "$device" "$OUT" ;;
  ablate)
    prepare
    for table in table2 table3 table4; do
      timeout "$((MINUTES * 60))" "$PYTHON" -m asynfusion_ros.cli reproduce "$table" --data "$DATA" \
        --out "$RUNS/study" --results "$OUT" --prepared "$RUNS/prepared" "${ablate[@]}"
    done
    ;;
  *)
    echo "no job $job: prepare, train-base, distill-base, train-small, distill-small, evaluate," \
      "bench-gpu, timeline, test-gpu, sanitize or ablate" >&2
    exit 2
    ;;
esac
