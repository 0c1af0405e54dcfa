"""RecBole's side of test_recbole.py, in its own environment. Usage: recbole_losses.py FOLDER OUT.npz

Reads FOLDER/set/set.{train,valid,test}.inter; writes its tables, one batch, losses and gradients of each model in its
own numbering (row 0 pads both sides), and full-sort metrics of LightGCN's tables.
"""

from __future__ import annotations

import logging
import sys
import warnings

warnings.filterwarnings("ignore")
folder, out = sys.argv[1:]
sys.argv = sys.argv[:1]  # RecBole reads it

import numpy as np  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from recbole.config import Config  # noqa: E402
from recbole.data import create_dataset, data_preparation  # noqa: E402
from recbole.utils import get_model, get_trainer, init_seed  # noqa: E402

SHARED = {
    "benchmark_filename": ["train", "valid", "test"], "load_col": {"inter": ["user_id", "item_id"]}, "use_gpu": False,
    "embedding_size": 8, "n_layers": 3, "hidden_size_list": [8, 8, 8], "message_dropout": 0.0, "reg_weight": 0.01,
    "train_batch_size": 32, "eval_batch_size": 100000, "topk": [5, 10], "valid_metric": "Recall@5",
    "metrics": ["Recall", "NDCG", "Precision", "Hit", "MRR"], "metric_decimal_place": 12, "show_progress": False,
    "eval_args": {"group_by": "user", "order": "RO", "mode": "full", "split": {"RS": [0.8, 0.1, 0.1]}},
    "drop_ratio": 0.2, "ssl_weight": 0.3, "ssl_tau": 0.4, "ssl_temp": 0.3, "ssl_reg": 0.02, "alpha": 1.7,
    "proto_reg": 0.03, "num_clusters": 4, "seed": 3, "worker": 0,
}  # fmt: skip


def fix_clusters(model, arrays):
    """Clusters that k-means might have found."""
    rng = np.random.default_rng(4)
    for side, size in (("user", model.n_users), ("item", model.n_items)):
        centres, cluster = rng.normal(size=(4, 8)).astype(np.float32), rng.integers(4, size=size)
        setattr(model, f"{side}_centroids", F.normalize(torch.from_numpy(centres), dim=1))
        setattr(model, f"{side}_2cluster", torch.from_numpy(cluster))
        arrays |= {f"ncl.{side}.centres": centres, f"ncl.{side}.cluster": cluster}


def views(model, arrays):
    """The edges of SGL's two views, users and item nodes."""
    for number, graphs in enumerate((model.sub_graph1, model.sub_graph2)):
        for layer, graph in enumerate(graphs if isinstance(graphs, list) else [graphs]):
            row, column = graph.coalesce().indices().numpy()
            keep = row < model.n_users
            arrays[f"{model.type}.view.{number}.{layer}"] = np.stack([row[keep], column[keep] - model.n_users])


def measure(name, arrays, **given):
    """Loss and gradients of one model on the first batch."""
    config = Config(model=name, dataset="set", config_dict=SHARED | {"data_path": folder} | given)
    init_seed(3, True)
    dataset = create_dataset(config)
    train, valid, test = data_preparation(config, dataset)
    init_seed(5, True)
    model = get_model(name)(config, train.dataset)
    key = given.get("type", name)
    for parameter in model.parameters():  # biases too
        torch.nn.init.normal_(parameter, std=0.4)
    model.train()
    batch = next(iter(train))
    if name == "NCL":
        fix_clusters(model, arrays)
    if name == "SGL":
        views(model, arrays)
    loss = model.calculate_loss(batch)
    loss = sum(loss) if isinstance(loss, tuple) else loss
    loss.backward()
    arrays[f"{key}.loss"] = loss.detach().numpy()
    arrays[f"{key}.batch"] = np.stack([batch[f].numpy() for f in ("user_id", "item_id", "neg_item_id")])
    for at, parameter in model.named_parameters():
        arrays[f"{key}.param.{at}"], arrays[f"{key}.grad.{at}"] = parameter.detach().numpy(), parameter.grad.numpy()
    if name == "LightGCN":
        for split, data in (("train", train), ("valid", valid), ("test", test)):
            rows = data.dataset.inter_feat
            arrays[f"edges.{split}"] = np.stack([rows["user_id"].numpy(), rows["item_id"].numpy()])
        arrays["sizes"] = np.array([model.n_users, model.n_items])
        trainer = get_trainer(config["MODEL_TYPE"], name)(config, model)
        for split, data in (("valid", valid), ("test", test)):
            for metric, value in trainer.evaluate(data, load_best_model=False).items():
                arrays[f"metric.{split}.{metric}"] = np.array(value)


def main():
    """Measure every model."""
    logging.disable(logging.CRITICAL)
    torch.set_num_threads(1)
    arrays = {}
    for name, given in (
        ("LightGCN", {}),
        ("NGCF", {}),
        ("NCL", {}),
        *(("SGL", {"type": t}) for t in ("ED", "ND", "RW")),
    ):
        measure(name, arrays, **given)
    np.savez(out, **arrays)


main()
