"""Experiments: variants and repeats of a run, sweeps, the challenge; made of ordinary runs in the lab's queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convolab.lazy import lazily

if TYPE_CHECKING:
    from convolab.experiments.differences import (
        LayerChange,
        SettingRow,
        network_differences,
        setting_differences,
        unfair,
    )
    from convolab.experiments.executor import Executor, Here, go_on, open_executor, wait_for
    from convolab.experiments.plateaus import Plateau, plateau
    from convolab.experiments.recipe import Recipe, recipe_of
    from convolab.experiments.records import Experiment, Member, experiments, find_experiment
    from convolab.experiments.results import Outcome, Point, Summary, summarise
    from convolab.experiments.spreads import Spread, spread
    from convolab.experiments.variants import Proposal, Variant, proposal, proposals
    from convolab.experiments.variation import start_repeats, start_variation

_HOME_OF = {
    "Executor": "executor",
    "Experiment": "records",
    "Here": "executor",
    "LayerChange": "differences",
    "Member": "records",
    "Outcome": "results",
    "Plateau": "plateaus",
    "Point": "results",
    "Proposal": "variants",
    "Recipe": "recipe",
    "SettingRow": "differences",
    "Spread": "spreads",
    "Summary": "results",
    "Variant": "variants",
    "experiments": "records",
    "find_experiment": "records",
    "go_on": "executor",
    "network_differences": "differences",
    "open_executor": "executor",
    "plateau": "plateaus",
    "proposal": "variants",
    "proposals": "variants",
    "recipe_of": "recipe",
    "setting_differences": "differences",
    "spread": "spreads",
    "start_repeats": "variation",
    "start_variation": "variation",
    "summarise": "results",
    "unfair": "differences",
    "wait_for": "executor",
}

__all__ = [
    "Executor",
    "Experiment",
    "Here",
    "LayerChange",
    "Member",
    "Outcome",
    "Plateau",
    "Point",
    "Proposal",
    "Recipe",
    "SettingRow",
    "Spread",
    "Summary",
    "Variant",
    "experiments",
    "find_experiment",
    "go_on",
    "network_differences",
    "open_executor",
    "plateau",
    "proposal",
    "proposals",
    "recipe_of",
    "setting_differences",
    "spread",
    "start_repeats",
    "start_variation",
    "summarise",
    "unfair",
    "wait_for",
]

__getattr__, __dir__ = lazily(__name__, _HOME_OF)
