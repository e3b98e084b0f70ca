"""What is open in this process: each file once, shared by the stores on it.

Once, because LMDB's locks are the process's: a second environment would share the first one's, and drop them when it is
closed. So a module has to hold them. They are known by the file's identity, as one path may come to name another file.

A child that was forked opens its own at its next call. The fork waits for the calls of other threads.
"""

import os
import threading
from contextlib import ExitStack
from typing import Final

from moltnet_core import StoreBusyError
from moltnet_lmdb.environment import Environment
from moltnet_lmdb.settings import LmdbSettings

__all__ = ["ENVIRONMENTS", "Environments"]


class Environments:
    """The open environments of a process, with how many use each."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._users: dict[Environment, int] = {}
        self._forking = ExitStack()

    def enter(self, settings: LmdbSettings, *, write: bool) -> Environment:
        """Open a file, or join those who have it open; the settings are those of the first."""
        with self.lock:
            environment = self._find(settings) or Environment(settings)
            self.hold(environment)
            try:
                if write and not environment.writable:
                    problem = "a store of this process has it open and can only read it; close that one first"
                    raise StoreBusyError(f"{settings.path}: {problem}")
                environment.look(write=write)
            except BaseException:
                self.leave(environment)
                raise
            return environment

    def _find(self, settings: LmdbSettings) -> Environment | None:
        if not settings.path.exists():
            return None
        return next((each for each in self._users if os.path.samestat(each.identity, settings.path.stat())), None)

    def hold(self, environment: Environment) -> None:
        """One more uses it."""
        with self.lock:
            self._users[environment] = self._users.get(environment, 0) + 1

    def leave(self, environment: Environment) -> None:
        """One less uses it; the last one closes it."""
        with self.lock:
            if environment.forgotten:
                return
            self._users[environment] -= 1
            if not self._users[environment]:
                del self._users[environment]
                environment.close()

    def before_fork(self) -> None:
        """Wait until no call is under way."""
        self.lock.acquire()
        for environment in self._users:
            self._forking.enter_context(environment.gate.alone())

    def after_fork_in_parent(self) -> None:
        """Go on."""
        self._forking.close()
        self.lock.release()

    def after_fork_in_child(self) -> None:
        """Let go of what is the parent's, with its gates."""
        for environment in self._users:
            environment.forget()
        self.__init__()  # type: ignore[misc]


ENVIRONMENTS: Final = Environments()
os.register_at_fork(
    before=ENVIRONMENTS.before_fork,
    after_in_parent=ENVIRONMENTS.after_fork_in_parent,
    after_in_child=ENVIRONMENTS.after_fork_in_child,
)
