"""A shell's braces make one option into a list of files; prune takes them all."""

from llmhd_tools.cli.app import main


def test_further_files_are_history_too(trained, capfdbinary):
    samples, first, second = (str(trained / name) for name in ("samples-3.npz", "emb-1.npz", "emb-2.npz"))
    outputs = []
    for words in (["--history", first, "--history", second], ["--history", first, second]):
        assert main(["prune", samples, *words, "--alpha", "5", "--max-noise", "0.2"]) == 0
        outputs.append(capfdbinary.readouterr().out)
    assert outputs[0] == outputs[1] and b'"candidate": true' in outputs[0]
