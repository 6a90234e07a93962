#!/usr/bin/env bash
# What the predictor does, in a page: demo.sh BUILD_FOLDER
set -euo pipefail
here=$(dirname "$0")
photo=$1/examples/efficientnet_b0/photo
cast=$1/examples/efficientnet_b0/igata/photo

title() { printf '\n\033[1m%s\033[0m\n' "$*"; }
megabytes() { stat -L -c %s "$1" | awk '{ printf "%.1f MB", $1 / 1e6 }'; }

title "The probability that a picture is a photograph, not a drawing"
"$photo" "$here"/pictures/*.png | awk '{
    count = split($1, path, "/")
    bar = sprintf("%*s", int($NF * 30 + 0.5), ""); gsub(/ /, "#", bar)
    printf "  %-14s %.3f  %-30s %s\n", path[count], $NF, bar, ($NF >= 0.5 ? "photograph" : "drawing") }'

title "Against what Keras and ONNX Runtime answered to the recorded inputs (at most 2e-5 apart)"
"$photo" --verify "$here" --rtol 0 --atol 2e-5 | sed 's/^/  /'

# Threads that wait by spinning starve the others where the cores are busy: README, Threads.
export GOMP_SPINCOUNT=${GOMP_SPINCOUNT:-5000}
title "Time, on this machine (GOMP_SPINCOUNT=$GOMP_SPINCOUNT)"
for threads in 1 $(($(nproc) > 1 ? 2 : 0)); do
    ((threads)) || continue
    "$photo" --benchmark 40 --threads "$threads" | awk -v threads="$threads" '
        /^create/ { create = $2 }
        /^first/  { first = $3 }
        /^run/    { median = $6 }
        END { printf "  %d thread%s  %6.2f ms a picture (median of 40), ready in %.0f ms, first result after %.0f ms more\n",
                     threads, (threads > 1 ? "s" : " "), median, create, first }'
done

title "Size"
printf '  %-24s %s\n' "model.onnx" "$(megabytes "$here/model.onnx")" "photo.cpp" "$(megabytes "$cast/photo.cpp")" \
    "photo.bin (weights)" "$(megabytes "$cast/photo.bin")" "photo, the predictor" "$(megabytes "$photo")"
printf '  it needs %s\n' "$(ldd "$photo" | awk '/=>/ { sub(/\.so.*/, "", $1); printf "%s%s", separator, $1; separator = ", " }')"

title "Yours now"
printf '  %s\n' "$photo your_picture.jpg" "$photo --help" "less $cast/photo.cpp"
