"""Training without PyTorch's compiler, and the compiler when it is wanted after all."""

from __future__ import annotations

import importlib
import subprocess
import sys

import torch

_TRAIN = """
import sys, torch
from convolab.training.optimizers import make_optimizer
from convolab.training.settings import TrainingSettings
def weights(name):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU(),
        torch.nn.Flatten(), torch.nn.Linear(64, 3))
    optimizer = make_optimizer(model, TrainingSettings(optimizer=name, norm_rate=2.0))
    for _ in range(3):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(torch.randn(5, 1, 6, 6)), torch.arange(5) % 3).backward()
        optimizer.step()
    optimizer.load_state_dict(optimizer.state_dict())
    return torch.cat([p.detach().flatten() for p in model.parameters()])
names = ("sgd", "momentum", "nesterov", "rmsprop", "adagrad", "adadelta", "adam", "adamax", "adamw", "muon")
"""


def _run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", _TRAIN + code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_training_loads_no_compiler_and_gives_the_same_weights() -> None:
    real = "'torch._dynamo.eval_frame' in sys.modules"
    print_all = f"print([weights(n).tolist() for n in names]); print({real})"
    deferred, loaded = _run(print_all), _run("import torch._dynamo\n" + print_all)
    assert deferred.splitlines()[0] == loaded.splitlines()[0]
    assert "nan" not in deferred
    assert deferred.splitlines()[1] == "False"
    assert loaded.splitlines()[1] == "True"


def test_what_compiles_after_a_training_gets_the_real_compiler() -> None:
    said = _run(
        """
before = weights("adam")
compiled = torch.compile(lambda x: x.sin() + 1, backend="eager")
assert torch.equal(compiled(torch.ones(3)), torch.ones(3).sin() + 1)
assert "torch._dynamo.eval_frame" in sys.modules
from torch._dynamo.utils import counters
assert counters["frames"]["ok"] == 1, counters
assert sys.modules["torch._dynamo"] is torch._dynamo and hasattr(torch._dynamo, "__path__")
assert torch.equal(weights("adam"), before)
print("both")
"""
    )
    assert said == "both\n"


def test_looking_through_all_modules_does_not_load_it() -> None:
    said = _run(
        """
import inspect, warnings
weights("adam")
inspect.getmodule(sys._getframe(), "/no/such/file.py")
with warnings.catch_warnings(record=True):
    [getattr(module, "__warningregistry__", None) for module in list(sys.modules.values())]
print("torch._dynamo.eval_frame" in sys.modules)
torch.testing.assert_close(torch.ones(2), torch.ones(2))
from torch._dynamo import eval_frame
print("torch._dynamo.eval_frame" in sys.modules)
"""
    )
    assert said == "False\nTrue\n"


def test_a_compiler_that_is_loaded_stays() -> None:
    from convolab.training.deferred_compiler import defer_compiler

    importlib.import_module("torch._dynamo.eval_frame")
    real = sys.modules["torch._dynamo"]
    assert real is torch._dynamo
    defer_compiler()
    assert sys.modules["torch._dynamo"] is real
