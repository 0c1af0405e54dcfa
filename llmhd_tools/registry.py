"""The methods that there are: name on the command line -> class in the file of that name (``t-ce`` is ``t_ce.py``)."""

BACKBONES = {
    "lightgcn": "LightGCN",
    "mf": "MF",
    "ngcf": "NGCF",
    "sgl": "SGL",
    "ncl": "NCL",
    "simgcl": "SimGCL",
    "xsimgcl": "XSimGCL",
    "alpharec": "AlphaRec",
}  # train/backbones/

OBJECTIVES = {"bpr": "BPR", "bce": "BCE", "softmax": "Softmax"}  # train/objectives/

# train/denoisers/
DENOISERS = {"none": "NoDenoiser", "t-ce": "TCE", "r-ce": "RCE", "rgcf": "RGCF", "dcf": "DCF", "llmhni": "LLMHNI"}

# of negatives: train/samplers/
SAMPLERS = {"uniform": "Uniform", "dynamic": "Dynamic", "semantic": "Semantic"}

STAGED = ("loss", "llmhd")  # denoisers of `run` that are stages before the training step

# backbones without epochs: train/fitted/
FITTED = {"popularity": "Popularity", "itemknn": "ItemKNN", "ease": "EASE", "l3ae": "L3AE"}
