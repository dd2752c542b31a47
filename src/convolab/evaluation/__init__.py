"""How good a network is: on a whole test set, in many figures, and beside another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convolab.lazy import lazily

if TYPE_CHECKING:
    from convolab.evaluation.answers import Outputs, outputs
    from convolab.evaluation.comparison import Comparison, compare
    from convolab.evaluation.costs import Cost, cost
    from convolab.evaluation.figures import Bin, ClassFigures, Mistake, Pair, Statistics, statistics
    from convolab.evaluation.measure import Evaluation, evaluate, evaluate_tensors

# Names are imported when first used: the training loop needs only the plain measurement.
_HOME_OF = {
    "Bin": "figures",
    "ClassFigures": "figures",
    "Comparison": "comparison",
    "Cost": "costs",
    "Evaluation": "measure",
    "Mistake": "figures",
    "Outputs": "answers",
    "Pair": "figures",
    "Statistics": "figures",
    "compare": "comparison",
    "cost": "costs",
    "evaluate": "measure",
    "evaluate_tensors": "measure",
    "outputs": "answers",
    "statistics": "figures",
}

__all__ = [
    "Bin",
    "ClassFigures",
    "Comparison",
    "Cost",
    "Evaluation",
    "Mistake",
    "Outputs",
    "Pair",
    "Statistics",
    "compare",
    "cost",
    "evaluate",
    "evaluate_tensors",
    "outputs",
    "statistics",
]

__getattr__, __dir__ = lazily(__name__, _HOME_OF)
