"""The optimiser is torch's, and a training that stops between two steps goes on as if it had not."""

import subprocess
import sys

import torch
from torch import nn

from qnet.networks.adam import Adam


def trained(make, steps=(0.01, 0.01, 0.002), stop=None) -> list[torch.Tensor]:
    """Parameters after a step at each rate; `stop` gives the optimiser that goes on after the first."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2), nn.Linear(2, 2))
    images, unused = torch.randn(5, 4), model[3]
    optimiser = make(model)
    for number, rate in enumerate(steps):
        if stop and number == 1:
            optimiser = stop(optimiser, model)
        if isinstance(optimiser, Adam):
            optimiser.rate = rate
        else:
            optimiser.param_groups[0]["lr"] = rate
        optimiser.zero_grad()
        model[:3](images).square().sum().backward()
        optimiser.step()
    assert all(parameter.grad is None for parameter in unused.parameters())
    return [parameter.detach() for parameter in model.parameters()]


def own(model):
    return Adam(model.parameters(), 1.0)


def test_steps_are_bit_for_bit_those_of_torch():
    for ours, theirs in zip(trained(own), trained(lambda model: torch.optim.Adam(model.parameters())), strict=True):
        assert torch.equal(ours, theirs)


def test_a_state_that_was_kept_goes_on():
    def again(optimiser, model):
        other = own(model)
        other.load_state_dict(optimiser.state_dict())
        return other

    assert all(map(torch.equal, trained(own), trained(own, stop=again)))


def test_training_loads_no_compiler():
    program = (
        "import sys, torch; from qnet.networks.adam import Adam; from qnet.networks.model import ImageModel; "
        "import qnet.networks.train; model = ImageModel(); optimiser = Adam(model.parameters(), 0.1); "
        "optimiser.zero_grad(); optimiser.step(); sys.exit(bool({'torch._dynamo', 'torchvision'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
