#!/usr/bin/env bash
# One denoised epoch, judged by jq and by a script of fifteen lines. Usage: swap.sh FOLDER (train.jsonl, items.jsonl)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
data=$1 work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
llmhd() { "$here/../../bin/llmhd" "$@"; }

llmhd summarize -q "$data/train.jsonl" --items "$data/items.jsonl" -o "$work/profiles.jsonl"
llmhd train-epoch "$data/train.jsonl" --dim 32 --batch 256 --lr 0.01 --seed 1 \
  -o "$work/model-1.npz" --embeddings "$work/emb-1.npz"
llmhd train-epoch "$data/train.jsonl" --from "$work/model-1.npz" \
  -o "$work/model-2.npz" --embeddings "$work/emb-2.npz" --next "$work/samples-3.npz"
llmhd prune "$work/samples-3.npz" --history "$work/emb-1.npz" --history "$work/emb-2.npz" --alpha 60 --max-noise 0.1 > "$work/noisy-3.jsonl"

if command -v jq > /dev/null; then
  jq -c -f "$here/judge.jq" < "$work/noisy-3.jsonl" > "$work/by-jq.jsonl"
  llmhd validate --kind judged "$work/by-jq.jsonl"
  llmhd train-epoch "$data/train.jsonl" --from "$work/model-2.npz" --samples "$work/samples-3.npz" --judged "$work/by-jq.jsonl" --alpha 20 -o "$work/model-3.npz"
else
  echo "swap.sh: jq is not installed; its half is left out" >&2
fi

"${LLMHD_PYTHON:-python3}" "$here/shared_words.py" - --profiles "$work/profiles.jsonl" --items "$data/items.jsonl" < "$work/noisy-3.jsonl" > "$work/by-words.jsonl"
llmhd validate --kind judged "$work/by-words.jsonl"
llmhd train-epoch "$data/train.jsonl" --from "$work/model-2.npz" --samples "$work/samples-3.npz" --judged "$work/by-words.jsonl" --alpha 20 -o "$work/model-3.npz"
