#!/bin/bash
# compute-sanitizer over the replayed windows of a tiny network: bash benchmarks/gpu/sanitize.sh [cuda] [OUT]
# memcheck finds accesses outside of memory, racecheck races inside kernels, initcheck reads of memory
# that nobody wrote. Races between streams are what test/test_sampling_graphs.py looks for.
set -euo pipefail
cd "$(dirname "$0")/../.."
device=${1:-cuda} out=${2:-runs/gpu/out}
mkdir -p "$out"
PYTHON=${PYTHON:-python3}
if [ "$device" = cpu ]; then # a rehearsal without the tool
  "$PYTHON" benchmarks/gpu/tiny_windows.py --device cpu
  exit
fi
for tool in memcheck racecheck initcheck; do
  echo "== $tool"
  timeout 170 compute-sanitizer --tool "$tool" --target-processes all --error-exitcode 9 \
    "$PYTHON" benchmarks/gpu/tiny_windows.py --device cuda 2>&1 | tee "$out/sanitizer_$tool.txt" | tail -n 5
done
