# Runs as Make targets, for studies that compare methods over seeds; included by their Makefiles.
#
#   RUNS/NOISE/BACKBONE/METHOD-SEED/test.jsonl   a finished run of `llmhd run`; the folder holds all of it
#   $(call folder,NOISE,SEED)                    the including Makefile's: where train, valid, test and items.jsonl are
#   options.METHOD                               what METHOD adds to the words of `run`; @/ stands for that folder
#   name.METHOD                                  its name in tables, where that is another
#   STUDIES                                      the targets of `all`, which leave their tables and figures in TABLES
#
# A killed run is taken up where it stood. Words that differ from those of a run's last start start it again with
# --resume: more epochs are then trained, and where other settings differ, `run` says so; remove the folder if you mean it.
# Each stage is a variable, so that it can be swapped: make SUMMARIZE=./my_profiles RUN='llmhd run --device cuda'
include $(dir $(lastword $(MAKEFILE_LIST)))make.mk
.SECONDEXPANSION:

LLMHD ?= llmhd
PYTHON ?= python3
SUMMARIZE ?= $(LLMHD) summarize
EMBED ?= $(LLMHD) embed
ALIGN ?= $(LLMHD) align
INJECT ?= $(LLMHD) inject-noise
RUN ?= $(LLMHD) run
COMPARE ?= $(LLMHD) compare
PLOT ?= $(LLMHD) plot
# who summarises, scores and updates: lexical, embed:MODEL, openai:MODEL
LLM ?= lexical
# who makes the vectors of LLMHNI, and judges its pairs
EMBEDDER ?= $(LLM)
DOMAIN ?= generic
SEEDS ?= 1 2 3
THREADS ?= 1
METRICS ?= recall@5,recall@10,ndcg@5,ndcg@10
# what all runs have in common
TRAINING ?=
# steps T over which the methods' shares grow, which a short run has to shorten
ALPHA ?= 3000
RAMP ?= 30000
export OMP_NUM_THREADS := $(THREADS)

.DEFAULT_GOAL := all
.PHONY: all results $(STUDIES) FORCE
all: $(STUDIES)
FORCE:

# ---- the methods of the paper's Table 1; a study of others adds theirs
TEXTS ?= --items @/items.jsonl --profiles @/profiles.jsonl --llm $(LLM) --domain $(DOMAIN)
LLMHD_OPTIONS ?= --denoise llmhd $(TEXTS) --alpha $(ALPHA) --max-noise 0.05 --candidates 0.5 --confidence 3 --noise
options.bce := --loss bce
options.bpr := --loss bpr
options.trimmed := --loss bpr --select trimmed:ndcg@10
options.t-ce := --loss bce --denoise t-ce --set ramp=$(RAMP)
options.r-ce := --loss bce --denoise r-ce
options.rgcf := --loss bpr --denoise rgcf
options.dcf := --loss bce --denoise dcf --set ramp=$(RAMP)
options.loss := --loss bpr --denoise loss --alpha $(ALPHA) --max-noise 0.05 --noise
options.llmhd-bce := --loss bce $(LLMHD_OPTIONS)
options.llmhd-bpr := --loss bpr $(LLMHD_OPTIONS)
# pairs that leave the graph, by predictions alone or by texts as well, and harder negatives (docs/graph.md, docs/methods.md)
CUT ?= --clean graph --clean-at 8 --clean-share 0.08 --noise
DRAWS ?= 16
options.graph := --loss bpr $(CUT) --text-weight 0
options.graph-text := --loss bpr $(CUT) --vectors @/vectors.npz
options.graph-wide := $(options.graph-text) --clean-share 0.16
options.dynamic := --loss bpr --negatives dynamic --set draws=$(DRAWS)
options.dynamic-graph := $(options.graph-text) --negatives dynamic --set draws=$(DRAWS)
options.dynamic-wide := $(options.graph-wide) --negatives dynamic --set draws=$(DRAWS)
name.graph := BPR, graph cut
name.graph-text := BPR, graph cut by text too
name.graph-wide := BPR, twice as much cut by text too
name.dynamic := dynamic negatives
name.dynamic-graph := dynamic negatives, graph cut by text too
name.dynamic-wide := dynamic negatives, twice as much cut by text too
name.bce := BCE
name.bpr := BPR
name.trimmed := BPR, epoch chosen without the rows of highest loss
name.t-ce := T-CE
name.r-ce := R-CE
name.rgcf := RGCF
name.dcf := DCF
name.loss := loss-based dropping
name.llmhd-bce := LLMHD-BCE
name.llmhd-bpr := LLMHD-BPR

# LLMHNI and its four ablations; and ours, with more draws in the place of the pool
LLMHNI ?= --loss bpr --denoise llmhni --items @/items.jsonl --profiles @/profiles.jsonl --aligned @/aligned.npz \
    --llm $(EMBEDDER) --domain $(DOMAIN)
DRAWN := --negatives dynamic --set draws=$(DRAWS)
# after which epoch the graph is corrected, with slow negatives and with fast ones
RELATE_AT ?= 8
LLMHNIS ?= llmhni llmhni-uniform llmhni-alike llmhni-g llmhni-whole llmhni-dynamic llmhni-views llmhni-cut
options.llmhni := $(LLMHNI) --negatives semantic --relate-at $(RELATE_AT)
options.llmhni-uniform := $(filter-out --aligned %/aligned.npz,$(LLMHNI)) --relate-at $(RELATE_AT)
options.llmhni-alike := $(options.llmhni) --set cross-weight=0
options.llmhni-g := $(LLMHNI) --negatives semantic --relate-at 0
options.llmhni-whole := $(options.llmhni) --set dropped-weight=0
options.llmhni-dynamic := $(options.llmhni-uniform) $(DRAWN) --relate-at 3
options.llmhni-views := --loss bpr --denoise llmhni $(DRAWN) --relate-at 0
options.llmhni-cut := $(options.llmhni-views) $(CUT) --clean-at 4 --vectors @/vectors.npz
name.llmhni := LLMHNI
name.llmhni-uniform := LLMHNI, uniform negatives
name.llmhni-alike := LLMHNI, graphs not aligned
name.llmhni-g := LLMHNI, graph not corrected
name.llmhni-whole := LLMHNI, no dropped edges
name.llmhni-dynamic := LLMHNI, dynamic negatives
name.llmhni-views := dynamic negatives, dropped edges
name.llmhni-cut := the same, graph cut by text too

# ---- runs
# The parts of a run's name, such as 0.05/lightgcn/llmhd-bpr-1
noise = $(word 1,$(subst /, ,$(1)))
backbone = $(word 2,$(subst /, ,$(1)))
seed = $(lastword $(subst -, ,$(1)))
method = $(patsubst %-$(call seed,$(1)),%,$(notdir $(1)))
data = $(call folder,$(call noise,$(1)),$(call seed,$(1)))
own = $(options.$(call method,$(1)))
# the words of `run`, and the files that they name
run_words = $(subst @/,$(data)/,$(template))
inputs = $(filter $(data)/%,$(run_words))
template = @/train.jsonl --valid @/valid.jsonl --test @/test.jsonl --threads $(THREADS) --seed $(call seed,$(1)) \
    --backbone $(call backbone,$(1)) $(TRAINING) $(own)

$(RUNS)/%/words: FORCE
	$(if $(options.$(call method,$*)),,$(error no options.$(call method,$*), so there is no such method))
	$(shell mkdir -p $(@D))$(file >$@.new,$(call run_words,$*))
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$(RUNS)/%/test.jsonl: $(RUNS)/%/words $$(call inputs,$$*)
	@echo 'run $*'
	@$(RUN) $(call run_words,$*) --resume -o $(@D) > $@.part 2> $(@D)/log || { tail -n 3 $(@D)/log >&2; exit 1; }
	@mv $@.part $@

%/vectors.npz: %/items.jsonl
	$(EMBED) -q $< --llm $(LLM) -o $@

%/encoded.npz: %/items.jsonl %/profiles.jsonl
	$(EMBED) -q $^ --llm $(EMBEDDER) -o $@

%/aligned.npz: %/encoded.npz %/train.jsonl
	$(ALIGN) -q $^ -o $@

%/profiles.jsonl: %/train.jsonl %/items.jsonl
	$(SUMMARIZE) -q $< --items $*/items.jsonl --llm $(LLM) --domain $(DOMAIN) -o $@

# $(call tests,NOISE,BACKBONE,METHODS): what to make; $(call rows,…): the same runs as words of `compare` and `plot`.
# A fourth word are other seeds than all.
over_seeds = $(foreach m,$(3),$(foreach s,$(or $(4),$(SEEDS)),$(RUNS)/$(1)/$(2)/$(m)-$(s)))
tests = $(addsuffix /test.jsonl,$(over_seeds))
rows = $(foreach m,$(3),$(foreach s,$(or $(4),$(SEEDS)),'$(or $(name.$(m)),$(m))=$(RUNS)/$(1)/$(2)/$(m)-$(s)'))

# ---- tables: $(call table,WORDS of compare) prints one and keeps it as JSONL
define table
	@mkdir -p $(@D)
	@echo '$(basename $(@F))'
	@$(COMPARE) -q $(1) --metrics $(METRICS)
	@$(COMPARE) $(1) --metrics $(METRICS) -o $@
endef

# into the pages of the project: docs/results.md is made of what lies in docs/results
results: $(STUDIES)
	mkdir -p ../../docs/results
	shopt -s nullglob; for file in $(TABLES)/*.svg $(TABLES)/[!u]*.jsonl; do cp $$file ../../docs/results/$(notdir $(CURDIR))-$(SIZE)-$${file##*/}; done
	PYTHONPATH=../.. $(PYTHON) ../../docs/make.py
