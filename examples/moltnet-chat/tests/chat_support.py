"""The service as its users start it: uvicorn in a process of its own, asked over a socket."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from httpx import Client

from moltnet_core import AgentRegistration, open_store

__all__ = ["Service", "serving"]

SERVE = ["-m", "uvicorn", "moltnet_chat.app:app", "--port", "0", "--timeout-graceful-shutdown", "10"]
TOKENS = {"alpha": "sesame", "beta": "open"}


class Service:
    """Where the service is, and how it is started and asked."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self.environment = environment
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._url = ""

    def start(self) -> None:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen([sys.executable, *SERVE], env=self.environment, stderr=log, stdout=log)
        while not (found := re.search(r"running on (http://[\d.:]+)", self._log.read_text())):
            assert self._process.poll() is None, self._log.read_text()
        self._url = found[1]

    def stop(self) -> None:
        """End it as a service manager does, and see that it ends in order."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(20)
        said = self._log.read_text()
        assert "Application shutdown complete" in said
        assert "ERROR" not in said, said
        self._process = None

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def client(self, agent: str | None = "alpha") -> Client:
        headers = {} if agent is None else {"Authorization": f"Bearer {TOKENS[agent]}"}
        return Client(base_url=self._url, headers=headers, timeout=20, trust_env=False)

    def register(self, agents: dict[str, str]) -> None:
        """As ``moltnet-storage agents register --token`` does, for all of them at once."""
        with open_store(environ=self.environment) as store:
            for agent, token in agents.items():
                key = f"agent-token:{sha256(token.encode()).hexdigest()}"
                store.register_agent(AgentRegistration(agent, "local", key))


@contextmanager
def serving(environment: dict[str, str], folder: Path) -> Iterator[Service]:
    """The service, on a store of its own, with its agents registered."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MOLTNET_", "PYTEST_"))}
    service = Service({**kept, "PYTHONWARNINGS": "error::ResourceWarning", **environment}, folder / "log.txt")
    service.register(TOKENS)
    service.start()
    try:
        yield service
    finally:
        service.kill()
