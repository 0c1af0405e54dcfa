"""Our Adam is torch's, bit for bit, without its compiler."""

import subprocess
import sys

import torch

from llmhd_tools.train.ops.adam import Adam


def test_it_moves_like_torch_s_own():
    generator = torch.Generator().manual_seed(1)
    start = [torch.randn(50, 7, generator=generator), torch.randn(7, generator=generator)]
    ours = [value.clone().requires_grad_() for value in start]
    theirs = [value.clone().requires_grad_() for value in start]
    adam, reference = Adam(ours, 0.01), torch.optim.Adam(theirs, lr=0.01, fused=True)
    for _ in range(20):
        for mine, other in zip(ours, theirs, strict=True):
            gradient = torch.randn(mine.shape, generator=generator)
            mine.grad.copy_(gradient)
            other.grad = gradient.clone()
        adam.step()
        reference.step()
        adam.zero_grad()
    for mine, other in zip(ours, theirs, strict=True):
        assert torch.equal(mine, other)
    assert all(torch.equal(m, reference.state[p]["exp_avg_sq"]) for m, p in zip(adam.second, theirs, strict=True))


def test_going_on_from_its_moments_is_exact():
    start = torch.randn(9, 3, generator=torch.Generator().manual_seed(2))
    through, first = start.clone().requires_grad_(), start.clone().requires_grad_()
    whole, half = Adam([through], 0.1), Adam([first], 0.1)
    for adam, param in ((whole, through), (whole, through), (half, first)):
        param.grad.fill_(0.3)
        adam.step()
    second = first.detach().clone().requires_grad_()
    rest = Adam([second], 0.1, half.first, half.second, 1)
    second.grad.fill_(0.3)
    rest.step()
    assert torch.equal(second, through)


def test_it_does_not_load_the_compiler():
    code = "import sys, torch; from llmhd_tools.train.ops.adam import Adam; p = torch.zeros(3, 2, requires_grad=True)"
    code += "; a = Adam([p], 0.1); a.step(); sys.exit('torch._dynamo' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
