#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The main job on a CPU, in minutes: enlarge a photograph by a network that ships; then train a small
# slimmable EDSR x2 by CSD on photographs, score it, export teacher and student as MINDIR and ONNX,
# draw what came out.
# Usage: bash scripts/quickstart.sh [--full] [--data DIR] [--vgg FILE] [--output DIR]
set -euo pipefail
here=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
  cat <<'USAGE'
Usage: bash scripts/quickstart.sh [--full] [--data DIR] [--vgg FILE] [--output DIR]
  --full        train for 1,200 steps instead of 600
  --data DIR    your photographs, each at least 64x64; every fifth one is kept for validation
                (default: photographs that come with scikit-image)
  --vgg FILE    VGG-19 weights for the contrast (.npz, .safetensors, .ckpt)
                (default: random weights, which show the method but not its benefit)
  --output DIR  where everything goes; run again, it goes on from there
                (default: runs/quickstart; with --data -NAME is added, with --full -full)
USAGE
}

absolute() { case "$1" in /*) echo "$1" ;; *) echo "$here/$1" ;; esac; }

data="" vgg=random output="" full=""
while (($#)); do
  case "$1" in
    -h | --help) usage; exit 0 ;;
    --full) full=yes; shift ;;
    --data | --vgg | --output)
      (($# >= 2)) || { echo "error: $1 needs a value" >&2; usage >&2; exit 2; }
      declare "${1#--}=$(absolute "$2")"
      shift 2 ;;
    *) echo "error: unknown argument $1" >&2; usage >&2; exit 2 ;;
  esac
done
if [[ -n "$data" && ! -d "$data" ]]; then
  echo "error: --data $data is not a folder: give a folder of photographs" >&2
  exit 2
fi
# Other pictures, and other steps, are another run.
output=${output:-$PWD/runs/quickstart${data:+-$(basename "$data")}${full:+-full}}
steps=${full:+1200}
steps=${steps:-600}
source scripts/venv.sh
source scripts/packages.sh
# Without a compiler training works, too, but slowly.
command -v g++ >/dev/null || install_packages "warning: the fast convolution" g++ || true
start=$SECONDS

"$PYTHON" scripts/quickstart_pictures.py collect ${data:+--data "$data"} --output "$output"
photograph=$(find "$output/pictures/valid" -type f | LC_ALL=C sort | head -n 1)
"$PYTHON" upscale.py --input "$photograph" --output "$output/large.png" --overwrite
echo "$output/large.png: $(basename "$photograph") enlarged by a network that ships, after $((SECONDS - start)) s"

"$PYTHON" train.py --config configs/quickstart.yaml --set "train.steps=$steps" --resume --run_dir "$output/run" --vgg "$vgg" \
  --data_path "$output/pictures/train" --valid_path "$output/pictures/valid"
"$PYTHON" eval.py --ckpt "$output/run/last.ckpt" --data "$output/pictures/valid" \
  --widths 0.25 1.0 --json "$output/scores.json" --report "$output/report.html" \
  | tee "$output/scores.txt"
rm -rf "$output/export"
"$PYTHON" export.py --ckpt "$output/run/last.ckpt" --file_format ALL --width 1.0 0.25 \
  --output "$output/export" >/dev/null
"$PYTHON" scripts/quickstart_pictures.py draw --output "$output"

cat <<SUMMARY

Done in $(((SECONDS - start) / 60)) min $(((SECONDS - start) % 60)) s. In $output:
  large.png          a photograph enlarged by photo_x2, which ships with SlimSR
  run/last.ckpt      teacher and student (width 0.25) in one network; run/log.jsonl has every number
  scores.txt         the table above; scores.json has every picture
  export/            teacher and student as plain networks, MINDIR and ONNX, compared and timed;
                     python upscale.py --model "$output/export" --width 0.25 --input PICTURES --output DIR
  strip.png          LR | bicubic | student | teacher | HR
  curve.png          training loss and validation PSNR
Look at all of it in a browser: $output/report.html
SUMMARY
