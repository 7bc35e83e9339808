"""torch without its compiler, which no network here uses.

`torch._dynamo` takes 1.4 CPU seconds and 150 MB of a process that imports it. torchvision imports it for one question
(whether its `roi_align` may be compiled), every optimiser to keep itself out of compiled graphs. A stand-in answers
them as the compiler does where nothing is compiled; whoever asks for more gets the compiler itself.
"""

import importlib
import sys
from types import ModuleType
from typing import Any

NAMES = ("torch._dynamo", "torch._dynamo.utils")


class _StandIn(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and not (name == "__path__" and self.__name__ == NAMES[0]):
            raise AttributeError(name)  # Python asks every module for these
        _withdraw()
        return getattr(importlib.import_module(self.__name__), name)


def leave_compiler_out() -> None:
    """Put the stand-in where the compiler would be, unless it is there already."""
    if NAMES[0] in sys.modules:
        return
    compiler, utils = map(_StandIn, NAMES)
    vars(compiler).update(utils=utils, disable=_itself, graph_break=_nothing)
    vars(utils).update(is_compile_supported=_unsupported)
    sys.modules.update(zip(NAMES, (compiler, utils), strict=True))


def _withdraw() -> None:
    for name in NAMES:
        if isinstance(sys.modules.get(name), _StandIn):
            del sys.modules[name]


def _itself(function: Any, *_: Any, **__: Any) -> Any:
    """`disable`: a function that must not be compiled is itself."""
    return function


def _nothing(*_: Any) -> None:
    """`graph_break`: there is no graph."""


def _unsupported(device_type: str) -> bool:
    """`is_compile_supported`."""
    return False
