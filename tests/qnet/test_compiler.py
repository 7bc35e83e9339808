import subprocess
import sys

TRAINS = """
import sys
import torch
from qnet.networks.model import ImageModel, prepare_torch

prepare_torch(1)
model = ImageModel(stages=2)
optimiser = torch.optim.Adam(model.parameters(), 0.01)
model(torch.rand(2, 3, 32, 32)).sum().backward()
before = model.resnet.fc.weight.detach().clone()
optimiser.step()
assert not torch.equal(before, model.resnet.fc.weight)
assert "torch._dynamo.convert_frame" not in sys.modules

import torch._dynamo
assert "eager" in torch._dynamo.list_backends(None)  # asked for more: the compiler itself
assert torch.compile(torch.square, backend="eager")(torch.tensor(3.0)) == 9
assert "torch._dynamo.convert_frame" in sys.modules
"""


def test_a_training_leaves_the_compiler_out_and_whoever_asks_for_it_gets_it():
    subprocess.run([sys.executable, "-c", TRAINS], check=True)
