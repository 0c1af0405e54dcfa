"""The kinds of file that are arrays, not rows: binary only."""

from __future__ import annotations

from llmhd_tools.files.fields import Kind

BINARY: tuple[Kind, ...] = (
    Kind(
        "embeddings", 1, "Final embeddings z of a finished epoch; a prediction is their dot product.", (),
        "`train-epoch --embeddings`, `fit popularity`, `distil`, your own recommender",
        "`prune`, `update-profiles`, `suspect`, `relate`, `evaluate`, `diagnose`",
        forms=("binary",),
        arrays=(("user", "float32 (users, dim)"), ("item", "float32 (items, dim)")),
    ),
    Kind(
        "ranker", 1, "A recommender without embeddings: item weights B applied to what users touched, X; or a blend.", (),
        "`fit`, `blend`", "`evaluate`, `suspect --history`, `blend`", forms=("binary",),
        arrays=(("interactions.*", "X (users, items), sparse rows: `start` int64, `item` int32, `value` float32"),
                ("weights.*", "B (items, items), likewise; a score is an entry of X B"),
                ("blend", "of a blend, float64: the weight of each part; else absent"),
                ("known.*", "of a blend: what users touched; scores are standardised over the rest"),
                ("0.*, 1.*, …", "of a blend, its parts: `user` and `item`, or `interactions.*` and `weights.*`")),
    ),
    Kind(
        "vectors", 1, "Vectors of users' and items' texts; relevance is their cosine. One side may be missing.", (),
        "`embed`, `align`, you", "`align`, `suspect --vectors`, `train-epoch --aligned`, `fit`", forms=("binary",),
        arrays=(("user", "float32 (users, width)"), ("item", "float32 (items, width)")),
    ),
    Kind(
        "model", 1, "All that training needs to go on; meta holds `config`, `epoch`, `step` and the graph's digest.", (),
        "`train-epoch -o`", "`train-epoch --from`, `update-profiles`", forms=("binary",),
        arrays=(("param.*", "float32, parameters"), ("first.*, second.*", "float32, Adam's moments"),
                ("denoiser.*", "what the denoiser remembers of the interactions"),
                ("sampler.*", "what the sampler of negatives remembers: the users' pools")),
    ),
)  # fmt: skip
