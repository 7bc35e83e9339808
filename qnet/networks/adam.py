"""Adam (Kingma & Ba, arXiv:1412.6980) by torch's own function.

`torch.optim.Adam` computes the same, but its class loads torch's compiler, as long as torch itself takes to load.
"""

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim.adam import adam

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8  # the authors'


class Adam:
    """Adam with one learning rate.

    Parameters
    ----------
    parameters : that are trained
    rate : learning rate, which may be changed between steps
    """

    def __init__(self, parameters: Iterable[Parameter], rate: float) -> None:
        self.rate = rate
        self._parameters = list(parameters)
        self._means = [torch.zeros_like(p, memory_format=torch.preserve_format) for p in self._parameters]
        self._squares = [torch.zeros_like(p, memory_format=torch.preserve_format) for p in self._parameters]
        self._steps = [torch.tensor(0.0) for _ in self._parameters]

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self._parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move the parameters that have a gradient."""
        used = [i for i, parameter in enumerate(self._parameters) if parameter.grad is not None]

        def of(values: list) -> list:
            return [values[i] for i in used]

        gradients = [gradient for p in of(self._parameters) if (gradient := p.grad) is not None]
        adam(
            of(self._parameters), gradients, of(self._means), of(self._squares), [], of(self._steps),
            amsgrad=False, beta1=BETA_1, beta2=BETA_2, lr=self.rate, weight_decay=0.0, eps=EPSILON, maximize=False,
        )  # fmt: skip

    def state_dict(self) -> dict[str, list[Tensor]]:
        """What the next step depends on, besides the parameters and the rate."""
        return {"means": self._means, "squares": self._squares, "steps": self._steps}

    def load_state_dict(self, state: dict[str, list[Tensor]]) -> None:
        """Take over what `state_dict` gave, to the devices of the parameters."""
        for own, given in zip((self._means, self._squares, self._steps), state.values(), strict=True):
            for target, source in zip(own, given, strict=True):
                target.copy_(source)
