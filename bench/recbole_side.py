"""RecBole's side of bin/bench, in its own environment. Usage: recbole_side.py DATA BACKBONE THREADS
EVAL_BATCH_SIZE DEVICE"""

from __future__ import annotations

import itertools
import json
import logging
import os
import sys
import tempfile
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")
data, backbone, threads, eval_batch = Path(sys.argv[1]).resolve(), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
on_card = sys.argv[5] != "cpu"
sys.argv = sys.argv[:1]  # RecBole reads it

import torch  # noqa: E402
from recbole.config import Config  # noqa: E402
from recbole.data import create_dataset, data_preparation  # noqa: E402
from recbole.utils import get_model, get_trainer, init_seed  # noqa: E402
from worker import serve  # noqa: E402

NAMES = {"lightgcn": "LightGCN", "ngcf": "NGCF", "sgl": "SGL", "ncl": "NCL"}


def settings(folder: str) -> dict[str, object]:
    """The same setting as ours: pre-split files, 64 dimensions, 3 layers, batches of 1024, one uniform negative."""
    return {
        "data_path": folder, "benchmark_filename": ["train", "valid", "test"],
        "load_col": {"inter": ["user_id", "item_id"]}, "embedding_size": 64, "n_layers": 3, "reg_weight": 1e-5,
        "hidden_size_list": [64, 64, 64], "learning_rate": 0.005, "train_batch_size": 1024,
        "eval_batch_size": eval_batch, "metrics": ["Recall", "NDCG"], "topk": [10, 20], "valid_metric": "Recall@20",
        "use_gpu": on_card, "show_progress": False, "seed": 1, "worker": 0,
        "eval_args": {"group_by": "user", "order": "RO", "mode": "full", "split": {"RS": [0.8, 0.1, 0.1]}},
    }  # fmt: skip


def atomic_files(folder: Path) -> None:
    """Our JSONL splits as RecBole's atomic files."""
    (folder / "set").mkdir()
    for split in ("train", "valid", "test"):
        with (data / f"{split}.jsonl").open() as rows, (folder / "set" / f"set.{split}.inter").open("w") as out:
            out.write("user_id:token\titem_id:token\n")
            out.writelines(f"{r['user']}\t{r['item']}\n" for r in map(json.loads, rows))


def give_clusters(model: torch.nn.Module) -> None:
    """Random clusters for NCL, for k-means would want faiss. Its loss reads them in the warm-up too."""
    for side, count in (("user", model.n_users), ("item", model.n_items)):
        centres = torch.nn.functional.normalize(torch.randn(model.k, model.latent_dim))
        setattr(model, f"{side}_centroids", centres)
        setattr(model, f"{side}_2cluster", torch.randint(model.k, (count,)))


def main() -> None:
    """Load once, then serve ``steps N`` and ``evaluate 1``."""
    logging.disable(logging.CRITICAL)
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # RecBole writes its logs into the folder it is started in
        atomic_files(Path(folder))
        config = Config(model=NAMES[backbone], dataset="set", config_dict=settings(folder))
        init_seed(1, True)
        train, _, test = data_preparation(config, create_dataset(config))
        model = get_model(NAMES[backbone])(config, train.dataset).to(config["device"])
        trainer = get_trainer(config["MODEL_TYPE"], NAMES[backbone])(config, model)
    if backbone == "ncl":
        give_clusters(model)
    batches = itertools.chain.from_iterable(itertools.repeat(train))

    def steps(count: int) -> None:
        model.train()
        for batch in itertools.islice(batches, count):
            batch = batch.to(model.device)
            trainer.optimizer.zero_grad()
            losses = model.calculate_loss(batch)
            if backbone == "ncl":
                losses = losses[:-1]  # as its trainer does in the warm-up, in which our side is
            (sum(losses) if isinstance(losses, tuple) else losses).backward()
            trainer.optimizer.step()
        if on_card:
            torch.cuda.synchronize()

    serve({"steps": steps, "evaluate": lambda _: trainer.evaluate(test, load_best_model=False)})


if __name__ == "__main__":
    main()
