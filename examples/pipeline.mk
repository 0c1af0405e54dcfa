# The LLMHD loop as Make targets, one folder an epoch; included by the studies, each of which sets the data and the settings.
#
#   DATA    folder with train.jsonl valid.jsonl test.jsonl items.jsonl    OUT     where the epochs go
#   EPOCHS  how many                                                     TRAINING, PRUNING, UPDATING  options of the stages
#
#   CLEAN_AT  optional: after which epochs to clean the graph            DOUBTING, CLEANING  options of its two suspects
#
# Each stage is a variable, so that it can be swapped: make SCORE=./my_scorer.py
# Same seed, same bytes as `llmhd run --denoise llmhd` with the same options (tests/run/test_make.py).
include $(dir $(lastword $(MAKEFILE_LIST)))make.mk
MAKEFLAGS += --warn-undefined-variables

LLMHD ?= llmhd
SUMMARIZE ?= $(LLMHD) summarize
TRAIN ?= $(LLMHD) train-epoch
PRUNE ?= $(LLMHD) prune
SCORE ?= $(LLMHD) score
UPDATE ?= $(LLMHD) update-profiles
SUSPECT ?= $(LLMHD) suspect
EVALUATE ?= $(LLMHD) evaluate
WARM_UP ?= 2
WINDOW ?= 5
TRAINING ?=
PRUNING ?=
UPDATING ?=
JUDGING ?=
CLEAN_AT ?=
DOUBTING ?= --share 0.16
CLEANING ?= --share 0.08
AT ?= 5,10

epochs := $(shell seq 1 $(EPOCHS))
# $(call before,N,M): the at most M epochs up to N, oldest first
before = $(shell seq $$(( $(1) > $(2) ? $(1) - $(2) + 1 : 1 )) $(1))
history = $(foreach e,$(call before,$(1),$(WINDOW)),$(OUT)/epoch-$(e)/embeddings.npz)
previous = $(shell echo $$(( $(1) - 1 )))
# the profiles that epoch N is judged by
profiles = $(OUT)/$(if $(filter 1,$(shell echo $$(( $(1) > $(WARM_UP) + 1 )))),epoch-$(call previous,$(1))/,)profiles.jsonl

# $(call cleaned,N): the last cleaning before epoch N, if any; $(call drop,N): what that cleaning left out
cleaned = $(lastword $(foreach at,$(CLEAN_AT),$(if $(filter 1,$(shell echo $$(( $(at) < $(1) )))),$(at))))
drop = $(addprefix $(OUT)/drop-,$(addsuffix .npz,$(call cleaned,$(1))))
# the epochs of N's window since the cleaning before
since = $(foreach e,$(call before,$(1),$(WINDOW)),$(if $(filter 1,$(shell echo $$(( $(e) > $(or $(call cleaned,$(1)),0) )))),$(OUT)/epoch-$(e)/embeddings.npz))

.PHONY: all
all: $(OUT)/metrics.jsonl

$(OUT)/ $(foreach e,$(epochs),$(OUT)/epoch-$(e)/):
	mkdir -p $@

# Settings are files that change only when their content does: make LR=… then rebuilds what depends on it, and only that.
.PHONY: FORCE
$(OUT)/%.params: FORCE | $(OUT)/
	@printf '%s\n' '$($(shell echo $* | tr a-z A-Z))' | cmp -s - $@ || printf '%s\n' '$($(shell echo $* | tr a-z A-Z))' > $@

$(OUT)/profiles.jsonl: $(DATA)/train.jsonl $(DATA)/items.jsonl | $(OUT)/
	$(SUMMARIZE) $< --items $(DATA)/items.jsonl -o $@

define PLAIN_EPOCH # $(1) is the epoch, $(2) the one before
$(OUT)/epoch-$(1)/model.npz $(OUT)/epoch-$(1)/embeddings.npz $(OUT)/epoch-$(1)/next.npz &: \
    $(if $(filter-out 1,$(1)),$(OUT)/epoch-$(2)/model.npz,) $(DATA)/train.jsonl $(OUT)/training.params $(call drop,$(1)) | $(OUT)/epoch-$(1)/
	$$(TRAIN) $(DATA)/train.jsonl $(if $(filter-out 1,$(1)),--from $(OUT)/epoch-$(2)/model.npz,$(TRAINING)) \
	  $(addprefix --drop ,$(call drop,$(1))) \
	  -o $(OUT)/epoch-$(1)/model.npz --embeddings $(OUT)/epoch-$(1)/embeddings.npz --next $(OUT)/epoch-$(1)/next.npz
endef

define DENOISED_EPOCH
$(OUT)/epoch-$(1)/judged.jsonl: $(OUT)/epoch-$(2)/next.npz $(call history,$(2)) $(call profiles,$(1)) \
    $(DATA)/items.jsonl $(OUT)/pruning.params | $(OUT)/epoch-$(1)/
	$$(PRUNE) $(OUT)/epoch-$(2)/next.npz $(addprefix --history ,$(call history,$(2))) $$(PRUNING) \
	  | $$(SCORE) - --profiles $(call profiles,$(1)) --items $(DATA)/items.jsonl > $$@.part
	mv $$@.part $$@

$(OUT)/epoch-$(1)/model.npz $(OUT)/epoch-$(1)/embeddings.npz $(OUT)/epoch-$(1)/next.npz $(OUT)/epoch-$(1)/verdicts.jsonl &: \
    $(OUT)/epoch-$(2)/model.npz $(OUT)/epoch-$(1)/judged.jsonl $(OUT)/judging.params $(call drop,$(1))
	$$(TRAIN) $(DATA)/train.jsonl --from $(OUT)/epoch-$(2)/model.npz --samples $(OUT)/epoch-$(2)/next.npz \
	  --judged $(OUT)/epoch-$(1)/judged.jsonl $$(JUDGING) $(addprefix --drop ,$(call drop,$(1))) -o $(OUT)/epoch-$(1)/model.npz \
	  --embeddings $(OUT)/epoch-$(1)/embeddings.npz --next $(OUT)/epoch-$(1)/next.npz --verdicts $(OUT)/epoch-$(1)/verdicts.jsonl

$(OUT)/epoch-$(1)/profiles.jsonl $(OUT)/epoch-$(1)/flags.npz &: $(call profiles,$(1)) $(OUT)/epoch-$(1)/model.npz \
    $(call history,$(1)) $(OUT)/updating.params
	rm -f $(OUT)/epoch-$(1)/flags.npz
	$(if $(filter 1,$(shell echo $$(( $(1) > $(WARM_UP) + 1 )))),cp $(OUT)/epoch-$(2)/flags.npz $(OUT)/epoch-$(1)/flags.npz,)
	$$(UPDATE) $(call profiles,$(1)) --train $(DATA)/train.jsonl --items $(DATA)/items.jsonl --model $(OUT)/epoch-$(1)/model.npz \
	  $(addprefix --history ,$(call history,$(1))) --flags $(OUT)/epoch-$(1)/flags.npz $$(UPDATING) -o $(OUT)/epoch-$(1)/profiles.jsonl
endef

define CLEANING_STAGE # $(1) is the epoch before, $(2) the one that comes
$(OUT)/scored-$(1).jsonl: $(call since,$(1)) $(call drop,$(1)) $(DATA)/train.jsonl $(call profiles,$(2)) \
    $(DATA)/items.jsonl $(OUT)/doubting.params
	$$(SUSPECT) $(DATA)/train.jsonl $(addprefix --history ,$(call since,$(1))) $(addprefix --drop ,$(call drop,$(1))) $$(DOUBTING) \
	  | $$(SCORE) - --profiles $(call profiles,$(2)) --items $(DATA)/items.jsonl > $$@.part
	mv $$@.part $$@

$(OUT)/drop-$(1).npz: $(OUT)/scored-$(1).jsonl $(OUT)/cleaning.params
	$$(SUSPECT) $(DATA)/train.jsonl $(addprefix --history ,$(call since,$(1))) $(addprefix --drop ,$(call drop,$(1))) \
	  --scores $$< $$(CLEANING) -o $$@
endef

$(foreach e,$(CLEAN_AT),$(eval $(call CLEANING_STAGE,$(e),$(shell echo $$(( $(e) + 1 ))))))
$(foreach e,$(epochs),$(eval $(call $(if $(filter 1,$(shell echo $$(( $(e) > $(WARM_UP) )))),DENOISED,PLAIN)_EPOCH,$(e),$(call previous,$(e)))))

$(OUT)/metrics.jsonl: $(OUT)/epoch-$(EPOCHS)/embeddings.npz $(DATA)/train.jsonl $(DATA)/valid.jsonl $(DATA)/test.jsonl
	$(EVALUATE) $< $(DATA)/test.jsonl --exclude $(DATA)/train.jsonl --exclude $(DATA)/valid.jsonl --at $(AT) -o $@
