"""From errors to one line on standard error and an exit code."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from traceback import extract_tb
from typing import Final

import click

from moltnet_cli.rendering import safe

__all__ = [
    "DONE",
    "FOUND",
    "INTERRUPTED",
    "UNREACHABLE",
    "USAGE",
    "StoreNotOpenedError",
    "exit_code",
    "one_line",
    "run",
]

DONE: Final = 0
FOUND: Final = 1
"""It ran and found a difference or a fault."""
USAGE: Final = 2
UNREACHABLE: Final = 3
"""The store could not be opened or reached."""
INTERRUPTED: Final = 130

_USAGE_ERRORS = (
    "ConfigError",
    "ValidationError",
    "InvalidCursorError",
    "BackendNotFoundError",
    "BackendLoadError",
    "BackendApiError",
    "DuplicateBackendError",
    "UnsupportedCapabilityError",
)
_STORE_ERRORS = (
    "StoreUnavailableError",
    "StoreBusyError",
    "StoreClosedError",
    "StorageFullError",
    "StorageIOError",
    "ReadOnlyStoreError",
    "CorruptStoreError",
    "SchemaTooNewError",
    "MigrationRequiredError",
    "MigrationDriftError",
)


class StoreNotOpenedError(click.ClickException):
    """The store could not be opened, for a reason that would be a fault of another kind once it is open."""

    exit_code = UNREACHABLE


def exit_code(error: BaseException) -> int:
    """What the command exits with when this error ends it."""
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return INTERRUPTED
    if isinstance(error, click.exceptions.Exit | click.ClickException):
        return error.exit_code
    from moltnet_core import errors

    if isinstance(error, tuple(getattr(errors, name) for name in _USAGE_ERRORS)):
        return USAGE
    if isinstance(error, tuple(getattr(errors, name) for name in _STORE_ERRORS)):
        return UNREACHABLE
    return FOUND


def one_line(error: BaseException) -> str:
    """What an error says, safe for a terminal."""
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return "interrupted"
    if isinstance(error, click.ClickException):
        text = error.format_message()
        if isinstance(error, click.UsageError) and error.ctx is not None:
            text = f"{text.rstrip('.')} (see: {error.ctx.command_path} --help)"
        return safe(text)
    from moltnet_core import MoltnetError

    text = str(error)
    if isinstance(error, MoltnetError):
        if error.committed is None:
            text += "; whether it was stored is not known: look before you try again"
    elif isinstance(error, OSError):
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror or str(error)
    else:
        frame = extract_tb(error.__traceback__)[-1]
        place = f"{os.path.basename(frame.filename)}:{frame.lineno}"  # noqa: PTH119 - it may be no path at all
        text = f"unexpected {type(error).__name__} at {place}: {text}"
    return safe(text)


def run(work: Callable[[], object]) -> int:
    """Do the work and say in one line why it failed, if it did.

    :returns: the exit code.
    """
    try:
        work()
        _flush()
    except click.exceptions.Exit as leaving:
        return _leave(leaving.exit_code)
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else FOUND
    except click.UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # newer than the oldest click that this works with
            click.echo(error.format_message(), err=True)
        else:
            _say(error)
        return USAGE
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - a person gets one line, whatever it was
        if isinstance(error, OSError) and error.errno == errno.EPIPE:
            return _reader_left()
        _say(error)
        return exit_code(error)
    return DONE


def _leave(code: int) -> int:
    try:
        _flush()
    except OSError as error:
        if error.errno == errno.EPIPE:
            return _reader_left()
        _say(error)
        return code or FOUND
    return code


def _say(error: BaseException) -> None:
    with suppress(OSError):
        if isinstance(error, KeyboardInterrupt) or hasattr(error, "committed"):
            for text in getattr(error, "__notes__", ()):  # what the library says of what was done before
                click.echo(safe(text), err=True)
        click.echo(f"error: {one_line(error)}", err=True)
    # What is left in the buffer would fail once more when the interpreter ends.
    with suppress(OSError):
        try:
            _flush()
        except OSError:
            _drop_output()


def _flush() -> None:
    if sys.stdout is not None:
        sys.stdout.flush()


def _reader_left() -> int:
    """Whoever read the output (``head``, say) has enough: nothing to tell, but not everything was written."""
    _drop_output()
    return FOUND


def _drop_output() -> None:
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
