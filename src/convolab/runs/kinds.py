"""The kinds of jobs: training runs, style transfers, and styles being learned; told apart by their ids."""

from __future__ import annotations

from convolab.runs.folder import RunFolder
from convolab.runs.job_folder import JobFolder
from convolab.style.fast import job_folder as learning
from convolab.style.job_folder import PREFIX, TransferFolder


def folder_of(job_id: str) -> JobFolder:
    """The folder of a job of any kind. RunError if that is no id."""
    if job_id.startswith(learning.PREFIX):
        return learning.LearnFolder(job_id)
    return TransferFolder(job_id) if job_id.startswith(PREFIX) else RunFolder(job_id)


def all_jobs() -> list[JobFolder]:
    """The folders of all jobs in the lab's home, in no particular order."""
    return [*RunFolder.all(), *TransferFolder.all(), *learning.LearnFolder.all()]


def execute_job(job_id: str) -> bool:
    """Execute a job in this process, for the queue: the wishes stay. Says whether it came to its end.

    Raises as `convolab.runs.execution.execute` does.
    """
    if job_id.startswith(learning.PREFIX):
        from convolab.style.fast.job import execute_learning

        return execute_learning(job_id, keep_wishes=True) is not None
    if job_id.startswith(PREFIX):
        from convolab.style.job import execute_transfer

        return execute_transfer(job_id, keep_wishes=True) is not None
    from convolab.runs.execution import execute

    return execute(job_id, keep_wishes=True) is not None
