# Runs as Make targets, for studies that compare methods over seeds; included by their Makefiles.
#
#   RUNS/NOISE/BACKBONE/METHOD-SEED/test.jsonl   a finished run of `llmhd run`; the folder holds all of it
#   $(call folder,NOISE,SEED)                    the including Makefile's: where train, valid, test and items.jsonl are
#   options.METHOD                               what METHOD adds to the words of `run`; @/ stands for that folder
#   name.METHOD                                  its name in tables, where that is another
#
# A killed run is taken up where it stood. Words that differ from those of a run's last start start it again with
# --resume: more epochs are then trained, and where other settings differ, `run` says so; remove the folder if you mean it.
# Each stage is a variable, so that it can be swapped: make SUMMARIZE=./my_profiles RUN='llmhd run --device cuda'
ifeq ($(filter grouped-target,$(.FEATURES)),)
$(error GNU Make 4.3 or newer is needed; this is $(MAKE_VERSION))
endif
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.SECONDARY:
.SECONDEXPANSION:
MAKEFLAGS += --no-builtin-rules

LLMHD ?= llmhd
PYTHON ?= python3
SUMMARIZE ?= $(LLMHD) summarize
INJECT ?= $(LLMHD) inject-noise
RUN ?= $(LLMHD) run
COMPARE ?= $(LLMHD) compare
PLOT ?= $(LLMHD) plot
# who summarises, scores and updates: lexical, embed:MODEL, openai:MODEL
LLM ?= lexical
SEEDS ?= 1 2 3
THREADS ?= 1
METRICS ?= recall@5,recall@10,ndcg@5,ndcg@10
# what all runs have in common
TRAINING ?=
export OMP_NUM_THREADS := $(THREADS)

.PHONY: FORCE
FORCE:

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

%/profiles.jsonl: %/train.jsonl %/items.jsonl
	$(SUMMARIZE) -q $< --items $*/items.jsonl --llm $(LLM) -o $@

# $(call tests,NOISE,BACKBONE,METHODS): what to make; $(call rows,…): the same runs as words of `compare` and `plot`
over_seeds = $(foreach m,$(3),$(foreach s,$(SEEDS),$(RUNS)/$(1)/$(2)/$(m)-$(s)))
tests = $(addsuffix /test.jsonl,$(over_seeds))
rows = $(foreach m,$(3),$(foreach s,$(SEEDS),'$(or $(name.$(m)),$(m))=$(RUNS)/$(1)/$(2)/$(m)-$(s)'))
