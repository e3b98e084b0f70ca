"""What the tests' own PostgreSQL servers must be trusted with: they end, and they do what a test says of them."""

from __future__ import annotations

import os
import pwd
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psycopg2
import pytest
from tests.postgres import installation
from tests.postgres.cluster import Cluster
from tests.postgres.shared import DSN_VARIABLE

ROOT = Path(__file__).parents[2]
SSL_REQUEST = bytes.fromhex("0000000804d2162f")  # answered by one byte
RUN = """
import os, signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # where the tests run in the background, it is ignored
from tests.postgres.shared import shared_server
server = shared_server()
print(server.postmaster, server.folder, flush=True)
"""
ENDINGS = {
    "finished": ("", 0),
    "interrupted": ("os.killpg(0, signal.SIGINT)\ntime.sleep(60)", -signal.SIGINT),
    # A suspended server cannot end by itself, and the forked child keeps open what the keeper waits for.
    "killed": ("server.pause()\nos.fork() or time.sleep(600)\nos.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_server_ends_with_whoever_started_it(ending: str) -> None:
    code, status = ENDINGS[ending]
    run = subprocess.Popen(
        [sys.executable, "-c", RUN + code],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name != DSN_VARIABLE},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
    )
    assert run.stdout is not None
    pid, folder = run.stdout.readline().split()
    server = os.pidfd_open(int(pid))
    try:
        assert run.wait(60) == status
        ended, _, _ = select.select([server], [], [], 60)
        assert ended
    finally:
        os.close(server)
        run.stdout.close()
        if ending == "killed":
            os.killpg(run.pid, signal.SIGKILL)  # the forked child
    wait_until_gone(Path(folder))


def wait_until_gone(folder: Path) -> None:
    """Wait for the keeper, which deletes the server's folder once the server has ended."""
    for keeper in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(folder).encode() in keeper.read_bytes():
                with os.fdopen(os.pidfd_open(int(keeper.parent.name))) as ended:
                    select.select([ended], [], [], 60)
        except (FileNotFoundError, ProcessLookupError):
            continue
    assert not folder.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="others run servers as themselves")
def test_for_root_the_server_runs_as_nobody_also_from_where_nobody_can_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = installation.find_wheel()
    for path in wheel, wheel.with_name(f"{wheel.name}.libs"):
        (tmp_path / path.name).symlink_to(path)
    tmp_path.chmod(0o700)
    monkeypatch.setattr(installation, "find_wheel", lambda: tmp_path / wheel.name)
    with Cluster() as cluster:
        assert Path(f"/proc/{cluster.postmaster}").stat().st_uid == pwd.getpwnam("nobody").pw_uid
        assert cluster.execute("SELECT 1") == [(1,)]


def test_version_16() -> None:
    with Cluster(version=16) as cluster:
        assert cluster.execute("SHOW server_version")[0][0].startswith("16.")


def test_roles_need_their_password_on_tcp(cluster: Cluster) -> None:
    role = cluster.create_role(password="right")
    for user, password in ((role, "wrong"), (role, None), ("postgres", "postgres")):
        with pytest.raises(psycopg2.OperationalError, match="password"):
            psycopg2.connect(cluster.dsn(user=user, password=password))
    for dsn in (cluster.dsn(user=role, password="right"), cluster.dsn("socket", user=role, password=None)):
        psycopg2.connect(dsn).close()


def test_a_suspended_server_does_not_answer_until_it_goes_on(cluster: Cluster) -> None:
    with cluster.connect() as connected, connected.cursor() as cursor:
        cluster.pause()
        with socket.create_connection(cluster.address) as client:
            client.settimeout(0.3)
            client.sendall(SSL_REQUEST)
            with pytest.raises(TimeoutError):
                client.recv(1)
            cluster.resume()
            client.settimeout(30)
            assert client.recv(1) == b"N"
        cursor.execute("SELECT 1")


def test_what_is_committed_survives_a_kill(cluster: Cluster) -> None:
    cluster.execute("DROP TABLE IF EXISTS kept; CREATE TABLE kept AS SELECT 1 AS number")
    with cluster.connect() as connected, connected.cursor() as cursor:
        cluster.kill()
        with pytest.raises(psycopg2.OperationalError):
            cursor.execute("SELECT 1")
        with pytest.raises(psycopg2.OperationalError):
            cluster.execute("SELECT 1")
        cluster.start()
    assert cluster.execute("SELECT number FROM kept") == [(1,)]
    assert cluster.execute("SHOW fsync") == [("on",)]


def test_sessions_of_one_application_are_ended(cluster: Cluster) -> None:
    with cluster.connect(application_name="chosen") as chosen, cluster.connect() as other:
        assert cluster.terminate_backends("chosen") == 1
        with pytest.raises(psycopg2.OperationalError), chosen.cursor() as cursor:
            cursor.execute("SELECT 1")
        with other.cursor() as cursor:
            cursor.execute("SELECT 1")
