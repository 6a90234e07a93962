#!/usr/bin/env bash
# From Keras to a predictor, each step shown: tutorial.sh PYTHON BUILD_FOLDER [--weights FILE.h5]
set -euo pipefail
here=$(dirname "$0")
python=$1 build=$2
shift 2
out=$build/tutorial

show() { printf '\n\033[1m$ %s\033[0m\n' "$*"; "$@"; }

show "$python" "$here/convert.py" --out "$out" "$@" 2>"$build/tutorial.log" || { tail -n 20 "$build/tutorial.log"; exit 1; }
show "$build/bin/igata" check "$out/model.onnx"
show "$build/bin/igata" verify "$out/model.onnx" --data "$out" --engine generated --rtol 0 --atol 2e-5
show "$build/bin/igata" compile "$out/model.onnx" -o "$out/cpp" --name photo --bind image:0=1
