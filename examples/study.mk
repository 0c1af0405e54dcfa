# Runs as Make targets, for studies that compare methods over seeds; included by their Makefiles.
#
#   RUNS/NOISE/BACKBONE/METHOD-SEED/test.jsonl   a finished run of `llmhd run`; the folder holds all of it
#   $(call folder,NOISE,SEED)                    the including Makefile's: where train, valid, test and items.jsonl are
#   methods/METHOD.toml                          what METHOD is: a file of `run --config`, with its name in tables (title);
#                                                @/ stands for that folder
#   options.METHOD                               words of `run` that METHOD adds to its file, or is where it has none
#   file.METHOD, name.METHOD                     whose file it builds on, and its name in tables, where these are others
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
# what the study has for all methods whose files do not say otherwise: steps T over which the methods' shares grow, which a
# short run has to shorten, and the epoch after which LLMHNI corrects its graph
ALPHA ?= 3000
RAMP ?= 30000
RELATE_AT ?= 8
export OMP_NUM_THREADS := $(THREADS)

.DEFAULT_GOAL := all
.PHONY: all results $(STUDIES) FORCE
all: $(STUDIES)
FORCE:

# ---- methods: of each file its title, what it builds on, which choices it makes, and what it reads
METHODS_IN := $(dir $(lastword $(MAKEFILE_LIST)))methods
$(shell mkdir -p $(RUNS); awk -F ' = ' '$$1 !~ /^[a-z-]+$$/ { next } \
    { m = FILENAME; gsub(".*/|[.]toml", "", m); gsub("\"", "", $$2); print "says." m " += " $$1 } \
    $$1 ~ /^(title|denoise)$$/ { print $$1 "." m " := " $$2 } \
    $$1 == "base" { gsub("[][,]|[.]toml", "", $$2); print "base." m " := " $$2 } \
    $$2 ~ "^@/" { print "reads." m " += " $$2 }' $(METHODS_IN)/*.toml > $(RUNS)/methods.mk)
include $(RUNS)/methods.mk
LLMHNIS ?= llmhni llmhni-uniform llmhni-alike llmhni-g llmhni-whole llmhni-dynamic llmhni-views llmhni-cut
# Of a method: whose file it is or builds on; that file and all that it builds on; what these say
stem = $(or $(file.$(1)),$(if $(title.$(1)),$(1)))
chain = $(1) $(foreach base,$(base.$(1)),$(call chain,$(base)))
of = $(foreach one,$(call chain,$(stem)),$($(2).$(one)))
# its words: its file, what it leaves to the study, and its own
own = $(if $(stem),--config $(METHODS_IN)/$(stem).toml $(from_study)) $(options.$(1))
from_study = $(if $(filter loss llmhd,$(call of,$(1),denoise)),--alpha $(ALPHA)) \
    $(if $(filter t-ce dcf,$(call of,$(1),denoise)),--set ramp=$(RAMP)) \
    $(if $(filter llmhni,$(call of,$(1),denoise)),$(if $(filter relate-at,$(call of,$(1),says)),,--relate-at $(RELATE_AT))) \
    $(if $(filter @/items.jsonl,$(call of,$(1),reads)),$(judge) --domain $(DOMAIN))
judge = --llm $(if $(filter llmhni,$(call of,$(1),denoise)),$(EMBEDDER),$(LLM))

# ---- runs
# The parts of a run's name, such as 0.05/lightgcn/llmhd-bpr-1
noise = $(word 1,$(subst /, ,$(1)))
backbone = $(word 2,$(subst /, ,$(1)))
seed = $(lastword $(subst -, ,$(1)))
method = $(patsubst %-$(call seed,$(1)),%,$(notdir $(1)))
data = $(call folder,$(call noise,$(1)),$(call seed,$(1)))
# the words of `run`, and the files that they and the method's file name
run_words = $(strip $(subst @/,$(data)/,$(template)))
inputs = $(filter $(data)/%,$(run_words)) $(subst @/,$(data)/,$(call of,$(method),reads)) $(method_files)
method_files = $(patsubst %,$(METHODS_IN)/%.toml,$(call chain,$(call stem,$(method))))
template = @/train.jsonl --valid @/valid.jsonl --test @/test.jsonl --threads $(THREADS) --seed $(call seed,$(1)) \
    --backbone $(call backbone,$(1)) $(TRAINING) $(call own,$(method))

$(RUNS)/%/words: FORCE
	$(if $(strip $(call own,$(call method,$*))),,$(error no methods/$(call method,$*).toml and no options.$(call method,$*), so there is no such method))
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
rows = $(foreach m,$(3),$(foreach s,$(or $(4),$(SEEDS)),'$(call title,$(m))=$(RUNS)/$(1)/$(2)/$(m)-$(s)'))
title = $(or $(name.$(1)),$(title.$(stem)),$(1))

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
