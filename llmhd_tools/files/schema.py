"""The kinds of file and their fields. ``docs/formats.md`` and ``llmhd validate`` are made from this table."""

from __future__ import annotations

from llmhd_tools.files.fields import Field, Kind
from llmhd_tools.files.schema_binary import BINARY
from llmhd_tools.files.schema_results import RESULTS

_USER = Field("user", "user", "the user's id, the user's own spelling")
_ITEM = Field("item", "item", "the item's id, the user's own spelling")
_BATCH = Field("batch", "int", "number of the mini-batch in its epoch, from 0", low=0)
_NEGATIVE = Field("negative", "item", "pairwise only: the sampled item that the user has not touched", required=False)
_LABEL = Field("label", "label", "pointwise only: 1 observed, 0 sampled", required=False, low=0, high=1)
_LOSS = Field("loss", "float32", "loss of this sample under the model that drew it", low=0)
_NOISY = (
    *(_BATCH, _USER, _ITEM, _NEGATIVE, _LABEL, _LOSS),
    Field("variance", "float", "variance of (user, item)'s prediction over the history (Eq. 17)", False, low=0),
    Field("negative_variance", "float", "pairwise only: the same for (user, negative)", False, low=0),
    Field("candidate", "bool", "true: may be a hard sample, to be judged"),
    Field("noisy_rows", "int", "how many noisy rows the epoch has; where it stands, all must be there", False, low=1),
)
_SPREAD = Field("spread", "float", "with --repeat: standard deviation of the answers' scores", False, low=0)
_SCORE = "how well the item fits the user's profile, 1 (not at all) to 10"

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            "interactions", 1, "Who touched what: the implicit feedback.",
            (
                _USER,
                _ITEM,
                Field("rating", "number", "the user's rating, on the source's own scale", False),
                Field("timestamp", "number", "when: the source's own number, or of a date the seconds since 1970 (UTC)", False),
                Field("weight", "float", "how much the pair counts, such as how often it stood in the source", False, above=0),
                Field("noise", "bool", "true: known to be noise; only measuring looks at it (`--noise`, `diagnose`)", False),
                Field("hard", "bool", "true: known to be clean but hard; only `--noise` looks at it", False),
            ),
            "`import`, `inject-noise`", "everything",
        ),
        Kind(
            "items", 1, "What the items are, in words.",
            (
                _ITEM,
                Field("profile", "text", "the text that prompts show for this item"),
                Field("title", "text", "its title", False),
            ),
            "`import`, you", "all that reads texts", forms=("text",),
        ),
        Kind(
            "appraisals", 1, "How well those who chose an item liked it on the whole: one number an item.",
            (
                _ITEM,
                Field("score", "number", "higher is better: a model's 1 to 10, or a column of yours on its own scale", False),
                _SPREAD,
                Field("error", "text", "why the item has no score", False),
                Field("model", "text", "who appraised it, or the column", False),
            ),
            "`appraise`, you", "`blend --prior`, `distil`",
        ),
        Kind(
            "rejected", 1, "Rows that an import left out. What it could read of one stands beside.",
            (
                Field("file", "text", "the name of the file that the row stood in"),
                Field("line", "int", "its line there, from 1; of Parquet and NPZ its row", low=1),
                Field("reason", "text", "why it was left out"),
                Field("user", "user", "the user's id", False, partly=True),
                Field("item", "item", "the item's id", False, partly=True),
                Field("rating", "number", "the user's rating", False),
                Field("timestamp", "number", "when", False),
                Field("text", "text", "of a row that could not be read: the row itself", False),
            ),
            "`import --rejected`", "you", forms=("text",), may_be_empty=True,
        ),
        Kind(
            "profiles", 1, "What the users like, in words.",
            (
                _USER,
                Field("profile", "text", "the text that prompts show for this user"),
                Field("version", "int", "0 as summarised, one more with each update", False, low=0),
                Field("model", "text", "who wrote it", False),
                Field("error", "text", "why this user has no profile (then `profile` is empty)", False),
            ),
            "`summarize`, `update-profiles`, `import`, you", "all that reads texts", forms=("text",),
        ),
        Kind(
            "samples", 1, "The samples of the coming epoch in batch order; meta holds `epoch` and `step`, its first T.",
            (_BATCH, _USER, _ITEM, _NEGATIVE, _LABEL, _LOSS),
            "`train-epoch --next`", "`prune`, `train-epoch --samples`",
        ),
        Kind(
            "noisy", 1, "The high-loss rows of samples, B_N, and which of them may be hard.",
            (Field("row", "int", "row of the samples file, from 0", low=0), *_NOISY),
            "`prune`", "`score`", may_be_empty=True,
        ),
        Kind(
            "judged", 1, "Noisy rows with the scores of the candidates.",
            (
                Field("row", "int", "row of the samples file, from 0", False, low=0),
                *_NOISY,
                Field("score", "number", f"candidates only: {_SCORE}", False, low=1, high=10),
                Field("negative_score", "number", "candidates only, pairwise only: the negative's", False, low=1, high=10),
                Field("p_mass", "float", "with --expected-score: probability that the model gave to 1..10", False, low=0),
                Field("negative_p_mass", "float", "the same for `negative_score`", False, low=0),
                _SPREAD,
                Field("negative_spread", "float", "the same for `negative_score`", False, low=0),
                Field("error", "text", "why a candidate has no score", False),
                Field("model", "text", "who scored it", False),
            ),
            "`score`", "`train-epoch --judged`", may_be_empty=True,
        ),
        Kind(
            "flags", 1, "How often each pair looked like a false positive or a false negative.",
            (
                _USER,
                _ITEM,
                Field("label", "label", "1: training pair, perhaps a false positive; 0: tracked negative", low=0, high=1),
                Field("count", "int", "epochs in which the pair was flagged", low=0),
                Field("sent", "bool", "true: already used to update the user's profile"),
            ),
            "`update-profiles`", "`update-profiles`, `train-epoch --drop`", may_be_empty=True,
        ),
        Kind(
            "suspects", 1, "Training pairs by how much each looks like a false positive, and which are to leave the graph.",
            (
                _USER,
                _ITEM,
                Field("prediction", "float", "mean of the pair's prediction over the history", False),
                Field("likeness", "float", "cosine of the item's text vector and those of the user's other items", False),
                Field("appraisal", "float", "how well the item pleases on the whole: its appraisal", False),
                Field("score", "number", f"of those judged: {_SCORE}", False, low=1, high=10),
                Field("p_mass", "float", "with --expected-score: probability that the model gave to 1..10", False, low=0),
                _SPREAD,
                Field("suspicion", "float", "how much it looks like a false positive, in standard deviations", False),
                Field("cut", "bool", "true: to leave the graph and the loss; until then, to be judged"),
                Field("weight", "float", "in the place of a cut: how much the pair counts in the loss", False, above=0),
                Field("error", "text", "why a pair to be judged has no score", False),
                Field("model", "text", "who scored it", False),
            ),
            "`suspect`, `score`", "`score`, `suspect --scores`, `train-epoch --drop`", may_be_empty=True,
        ),
        Kind(
            "verdicts", 1, "What became of the noisy rows of a finished epoch.",
            (
                _USER, _ITEM, _NEGATIVE, _LABEL,
                Field("verdict", "text", "`hard`: kept for training; `dropped`: left out of the loss"),
            ),
            "`train-epoch --verdicts`", "`evaluate --verdicts`", may_be_empty=True,
        ),
        Kind(
            "relations", 1, "Disputed pairs and what a language model makes of them, from two sides (LLMHNI).",
            (
                _USER,
                _ITEM,
                Field("label", "label", "1: an interaction that the model scores low; 0: none, and scored high", low=0, high=1),
                Field("user_view", "text", "the profile against the item: `High`, `Mid` or `Low`", False),
                Field("item_view", "text", "the user's best-scored items against the item: `High`, `Mid` or `Low`", False),
                Field("verdict", "text", "`hard`: both views are `High`; `noisy`: they are not", False),
                Field("error", "text", "why there is no verdict", False),
                Field("model", "text", "who answered", False),
            ),
            "`relate`, you", "`train-epoch --relations`", may_be_empty=True,
        ),
        Kind(
            "metrics", 1, "Measurements.",
            (
                Field("epoch", "int", "the epoch measured", False, low=0),
                Field("split", "text", "what was measured: valid, test, train"),
                Field("metric", "text", "recall, ndcg, … or a count such as noisy, hard"),
                Field("k", "int", "length of the ranked list, where the metric has one", False, low=1),
                Field("value", "float", "the value"),
                Field("user", "user", "one user's value; absent: the mean over users", False, partly=True),
            ),
            "`evaluate`, `run`", "`compare`, `plot`, you",
        ),
        Kind(
            "comparison", 1, "Methods side by side: what `compare` makes of runs, or published figures.",
            (
                Field("row", "text", "the method"),
                Field("split", "text", "what was measured: test, valid, train", False),
                Field("metric", "text", "recall, ndcg, …"),
                Field("k", "int", "length of the ranked list, where the metric has one", False, low=1),
                Field("value", "float", "the mean over runs, or the published figure"),
                Field("sd", "float", "the sample's standard deviation over runs, where there are two", False, low=0),
                Field("runs", "int", "how many runs", False, low=1),
                Field("epoch", "float", "the mean of their best epochs", False, low=0),
                Field("place", "int", "1: best; 2: runner-up", False, low=1, high=2),
                Field("against", "text", "the method that it was tested against", False),
                Field("p", "float", "two-sided p of the t-test paired by seed", False, low=0, high=1),
                Field("tests", "int", "for how many tests p is corrected (Holm); absent: it is not", False, low=1),
                Field("published", "bool", "true: the figure of others, neither ranked nor tested", False),
            ),
            "`compare`, you", "`compare --beside`, you", forms=("text",),
        ),
        Kind(
            "agreement", 1, "How far scores agree with known noise, or with another judge: one number a record.",
            (
                Field("against", "text", "`noise`, or the file of the other judge"),
                Field("measure", "text", "auc, auc-within (users), kappa, precision, recall, calibration, pearson, …"),
                Field("score", "int", "of a calibration: the score whose noisy share it is", False, low=1, high=10),
                Field("value", "float", "the value"),
                Field("sd", "float", "its standard error, by a jackknife over users", False, low=0),
                Field("pairs", "int", "how many pairs it is of", low=0),
            ),
            "`judge`", "you",
        ),
        Kind(
            "diagnostics", 1, "Hard samples and noise, epoch by epoch: one number a record.",
            (
                Field("epoch", "int", "the epoch of the embeddings", low=0),
                Field("within", "text", "`all` samples, or `high-loss`: those of largest loss"),
                Field("group", "text", "in all: easy, hard, noisy; in high-loss: clean, noisy"),
                Field("against", "text", "the group that this one is compared with", False),
                Field("measure", "text", "loss, prediction, negative-prediction, variance, negative-variance, score", False),
                Field("statistic", "text", "count, share, mean, sd, q05 … q95, auc (to exceed the other group), matched-auc"),
                Field("value", "float", "the value"),
            ),
            "`diagnose`", "`plot`, you",
        ),
        *RESULTS,
        *BINARY,
    )
}  # fmt: skip
