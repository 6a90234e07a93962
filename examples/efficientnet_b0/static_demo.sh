#!/usr/bin/env bash
# The predictor with and without a oneDNN of its own: static_demo.sh BUILD_FOLDER ONEDNN_SOURCE
# Expects Igata to be installed in BUILD_FOLDER/prefix.
set -euo pipefail
here=$(realpath "$(dirname "$0")")
build=$(realpath "$1")

title() { printf '\n\033[1m%s\033[0m\n' "$*"; }
bytes() { stat -L -c %s "$1"; }
size() { printf '  %-58s %6s MB\n' "$1" "$(awk -v bytes="$2" 'BEGIN { printf "%.1f", bytes / 1e6 }')"; }
needs() { ldd "$1" | awk '/=>/ { sub(/\.so.*/, "", $1); printf "%s%s", separator, $1; separator = ", " } END { print "" }'; }

# build_photo FOLDER OPTION...
build_photo() {
    local folder=$build/static_demo/$1
    shift
    cmake -S "$here/project" -B "$folder" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH="$build/prefix" \
        -DMODEL="$here/model.onnx" -DTHREADING=seq -DIGATA_ONEDNN_CACHE_DIR="$build/static_demo/onednn" "$@" >/dev/null
    cmake --build "$folder"
    strip -o "$folder/photo.stripped" "$folder/photo"
}

title "What the model needs of oneDNN"
"$build/prefix/bin/igata" onednn-flags "$here/model.onnx" --bind image:0=1 --threading seq | sed 's/^/  /'

title "Building oneDNN with that, once, and the predictor with it"
build_photo system -DIGATA_ONEDNN=system
build_photo static -DIGATA_ONEDNN=static -DIGATA_ONEDNN_SOURCE_DIR="$2"
system=$build/static_demo/system/photo.stripped
static=$build/static_demo/static/photo.stripped
if needs "$static" | grep -q libdnnl; then
    echo "static_demo: $static still needs libdnnl: there is no static oneDNN in $2" >&2
    exit 1
fi

title "Size, stripped"
weights=$(bytes "$build/static_demo/static/igata/photo/photo.bin")
library=$(ldd "$system" | awk '$1 ~ /^libdnnl/ { print $3 }')
size "weights, in each predictor" "$weights"
size "photo beside the system's oneDNN" "$(bytes "$system")"
[[ -z $library ]] || size "  and $(basename "$library")" "$(bytes "$library")"
size "photo with oneDNN inside" "$(bytes "$static")"
size "  of which code, oneDNN's and its own" $(($(bytes "$static") - weights))

title "What it needs"
printf '  beside the system'"'"'s: %s\n  with oneDNN inside:  %s\n' "$(needs "$system")" "$(needs "$static")"

title "The probability that a picture is a photograph"
"$static" "$here"/pictures/*.png | sed "s|$here/pictures/|  |"
