"""What the lab changes about Dask in its own processes."""

from __future__ import annotations

import gc

import pytest
from distributed import gc as watching

from convolab.runs.cluster import unwatch_collector


@pytest.mark.parametrize("before", [True, False])
def test_a_garbage_collection_that_another_thread_began_prints_no_traceback(
    before: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "_gc_diagnosis", watching.GCDiagnosis())
    monkeypatch.setattr(watching, "_gc_diagnosis_users", 0)
    known = list(gc.callbacks)
    if before:
        unwatch_collector()
        watching.enable_gc_diagnosis()
    else:
        watching.enable_gc_diagnosis()
        unwatch_collector()
    added = [callback for callback in gc.callbacks if callback not in known]
    assert added
    for callback in added:
        callback("stop", {"generation": 2, "collected": 0, "uncollectable": 0})
    watching.disable_gc_diagnosis()
    assert gc.callbacks == known
