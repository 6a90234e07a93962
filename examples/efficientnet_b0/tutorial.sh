#!/usr/bin/env bash
# From Keras to a predictor, each step shown: tutorial.sh PYTHON BUILD_FOLDER [--weights FILE.h5]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=$(realpath -s "$1") build=$(realpath "$2")
shift 2
out=$build/tutorial
mkdir -p "$out"

show() { printf '\n\033[1m$ %s\033[0m\n' "$*"; "$@"; }
quietly() { printf '\n\033[1m$ %s\033[0m\n' "$*"; "$@" >"$out/log" 2>&1 || { tail -n 20 "$out/log"; exit 1; }; }

show "$python" "$here/convert.py" --out "$out" "$@" 2>"$out/log" || { tail -n 20 "$out/log"; exit 1; }
show "$build/bin/igata" check "$out/model.onnx"
show "$build/bin/igata" verify "$out/model.onnx" --data "$out" --engine generated --rtol 0 --atol 2e-5

quietly cmake --install "$build" --prefix "$out/prefix"
quietly cmake -S "$here/project" -B "$out/project" -DCMAKE_PREFIX_PATH="$out/prefix" -DMODEL="$out/model.onnx"
quietly cmake --build "$out/project"
for image in 0 1; do
    show "$out/project/photo" "image=$out/test_data_set_$image/input_0.npy" --output "dense=$out/probability_$image.npy"
done
"$python" - "$out" <<'EOF'
import sys
import numpy as np

out = sys.argv[1]
print()
for index, name in enumerate(("all zeros", "all ones")):
    keras = np.load(f"{out}/test_data_set_{index}/output_0.npy")
    predictor = np.load(f"{out}/probability_{index}.npy")
    print(f"{name}: Keras {keras[0, 0]:.7f}, the predictor {predictor[0, 0]:.7f}")
    assert np.abs(keras - predictor).max() <= 2e-5
EOF
