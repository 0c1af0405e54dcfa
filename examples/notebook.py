# %% [markdown]
# From interactions to a denoised recommender, in Python. Run it as it stands, or cell by cell:
# `python examples/notebook.py FOLDER` with the train, valid, test and items.jsonl that `llmhd import` or
# `examples/bookshop/make_bookshop.py` writes. A test runs it and compares its files with those of the commands.

# %%
import sys

import llmhd_tools as llmhd

folder = sys.argv[1]
train, valid, test, items = (llmhd.read(f"{folder}/{name}.jsonl") for name in ("train", "valid", "test", "items"))

# %% Known noise, to see later what was found of it
noisy = llmhd.inject_noise(train, ratio=0.2, seed=7, against=[valid, test])
data = llmhd.dataset(noisy)
print(f"{len(data.users)} users, {len(data.items)} items, {len(noisy)} rows, {int(noisy['noise'].sum())} of them noise")

# %% Profiles in words, a model, and two epochs of warm-up
how = {"dim": 16, "layers": 2, "batch": 256, "lr": 0.01}
with llmhd.open_provider("lexical", items) as llm:  # compares words; `openai:MODEL` asks a language model
    profiles = llmhd.summarize(data, items, llm)
    model = llmhd.Model(data, seed=1, **how)
    history = [model.train(), model.train()]

    # %% Each further epoch: prune by loss, score the candidates, train on what is not dropped
    for _ in range(4):
        samples = model.draw()
        picked = llmhd.prune(samples, history[-5:], alpha=40, max_noise=0.1)
        judged = llmhd.score(picked, profiles, items, llm)
        history.append(model.train(samples, judged, rule="band", alpha=40))

# %% What came of it
found = llmhd.evaluate(history[-1], test, exclude=[noisy, valid], at=[5, 10], noise=noisy, verdicts=model.verdicts)
for record in found.to_pandas().to_dict("records"):
    print(record)

# %% The training pairs that look most like noise
suspects = llmhd.suspect(data, history, share=0.1)
print(suspects.to_pandas().sort_values("suspicion", ascending=False).head(5))

# %% For the files of the commands
llmhd.write(f"{folder}/notebook-model.npz", model.file())
llmhd.write(f"{folder}/notebook-suspects.npz", suspects)
