# LLMHD on RLMRec's Amazon-book set, stage by stage: every file of every epoch is a target. The studies are in Makefile.
#
#   make -f pipe.mk SOURCE=/path/to/amazon-book               three epochs with 10 % random noise added to train
#   make -f pipe.mk SOURCE=… EPOCHS=40 NOISE=0.05 SEED=2      other settings rebuild only what depends on them
#   make -f pipe.mk SOURCE=… SCORE='python my_scorer.py'      with another scorer (examples/swap-a-stage)
SOURCE ?= ../../../shared/data/amazon-book
WORK ?= work
NOISE ?= 0.1
SEED ?= 1
EPOCHS ?= 3
LLMHD ?= ../../bin/llmhd

DATA := $(WORK)/noise-$(NOISE)-$(SEED)
OUT := $(DATA)/llmhd
TRAINING ?= --backbone lightgcn --loss bpr --dim 64 --layers 3 --batch 1024 --lr 0.005 --seed $(SEED)
PRUNING ?= --alpha 3000 --max-noise 0.1 --candidates 0.5 --seed $(SEED)
JUDGING ?= --alpha 3000
UPDATING ?= --alpha 3000 --max-noise 0.1 --candidates 0.5

include ../pipeline.mk

$(WORK)/clean/train.jsonl $(WORK)/clean/valid.jsonl $(WORK)/clean/test.jsonl $(WORK)/clean/items.jsonl &:
	$(LLMHD) import rlmrec $(SOURCE) -o $(WORK)/clean

$(DATA)/train.jsonl: $(WORK)/clean/train.jsonl
	mkdir -p $(DATA)
	$(LLMHD) inject-noise $< --ratio $(NOISE) --seed $(SEED) --against $(WORK)/clean/valid.jsonl --against $(WORK)/clean/test.jsonl -o $@

$(DATA)/%.jsonl: $(WORK)/clean/%.jsonl | $(DATA)/train.jsonl
	ln -sf ../clean/$*.jsonl $@
