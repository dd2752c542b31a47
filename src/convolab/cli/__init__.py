"""The command line: `convolab …`. One module per group of commands; errors are one sentence, exit code 2."""

from __future__ import annotations

import sys

from convolab.errors import ConvolabError, unknown


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code (0 done, 2 wrong input, 130 interrupted)."""
    try:
        return _run(sys.argv[1:] if arguments is None else arguments)
    except ConvolabError as error:
        return _complain(str(error))
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of a pipe (head, less) went away; Python would complain again when it flushes.
        sys.stdout = open("/dev/null", "w")  # noqa: SIM115, PTH123
        return 0


def _run(arguments: list[str]) -> int:
    from typer.exceptions import Exit, TyperException

    from convolab.cli.commands import app

    try:
        result = app(arguments, standalone_mode=False)
        return result if isinstance(result, int) else 0
    except Exit as leave:
        return leave.exit_code
    except TyperException as error:
        return _complain(_sentence(error))


def _sentence(error: Exception) -> str:
    """A usage error as one sentence, with the nearest command where one was mistyped."""
    from convolab.cli.commands import command_names

    message = str(getattr(error, "format_message", lambda: str(error))()).strip().replace("\n", " ")
    if message.startswith("No such command"):
        return unknown("command", message.split("'")[1], command_names())
    if message.startswith("Invalid value for '"):
        option, _, reason = message.removeprefix("Invalid value for '").partition("': ")
        reason = reason.removeprefix("Input should be ").split(",")[0].rstrip(".")
        return f"{option} must be {reason}." if reason.startswith("a ") else f"{option}: {reason}."
    message = message.replace("Missing argument '", "Missing argument '").rstrip(".")
    return f"{message}. See 'convolab --help'."


def _complain(sentence: str) -> int:
    print(f"convolab: {sentence}", file=sys.stderr)
    return 2
