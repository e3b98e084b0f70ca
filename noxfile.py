"""Development sessions. ``python3 dev.py --list`` shows them; CONTRIBUTING.md says when to use which."""

import json
from pathlib import Path

import nox

nox.needs_version = ">=2025.5"
nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_venv = "yes"

ROOT = Path(__file__).parent
PACKAGES = sorted(path.parent for path in ROOT.glob("packages/*/pyproject.toml"))
# Distributions that nobody publishes. A plugin that is no backend takes part in every store that any test opens, so it
# is not installed; pytest and mypy find it by its folder (see pyproject.toml).
EXAMPLES = sorted(
    path.parent
    for path in ROOT.glob("examples/*/pyproject.toml")
    if "moltnet.storage.plugins" not in path.read_text(encoding="utf-8")
)
DEMO_PACKAGES = ["moltnet-core", "moltnet-memory", "moltnet-sql", "moltnet-sqlite", "moltnet-cli"]
PROJECT = nox.project.load_toml(ROOT / "pyproject.toml")


def requirements(*groups: str) -> list[str]:
    """What the named dependency groups of the root ``pyproject.toml`` require."""
    return list(nox.project.dependency_groups(PROJECT, *groups))


def install(session: nox.Session, packages: list[Path], *groups: str) -> None:
    """Install distributions from their folders, with what the groups require.

    It is one pip command, because the distributions depend on each other and are on no index: pip
    takes a sibling from its folder only when that folder is on the same command line.
    """
    session.install(*(str(path) for path in packages), *requirements(*groups))


def python(session: nox.Session, module: str, *args: str) -> None:
    """Run a module of the session's environment; unlike its scripts, that survives moving the checkout."""
    session.run("python", "-m", module, *args)


@nox.session(default=False)
def demo(session: nox.Session) -> None:
    """Run the tour of the library, examples/demo.py."""
    install(session, [ROOT / "packages" / name for name in DEMO_PACKAGES])
    session.run("python", "examples/demo.py")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests against the installed packages and report their coverage. Arguments go to pytest."""
    install(session, PACKAGES + EXAMPLES, "test")
    # Two processes, for most tests wait for a disk, a server or a child; each has a server of its own, so no more.
    workers = ["-n", "2", "--dist", "loadscope"]
    python(session, "pytest", "--cov", "--cov-report=", *workers, *session.posargs)
    report = Path(session.create_tmp(), "coverage.json")
    python(session, "coverage", "report")
    python(session, "coverage", "json", "--quiet", "-o", str(report))
    log_coverage_by_package(session, report)


def log_coverage_by_package(session: nox.Session, report: Path) -> None:
    """Log the share of lines and branches that ran, for each distribution in a JSON report."""
    files = json.loads(report.read_text(encoding="utf-8"))["files"]
    session.log("coverage of lines and branches:")
    for package in PACKAGES:
        inside = [file["summary"] for name, file in files.items() if package.name in Path(name).parts]
        seen = sum(each["covered_lines"] + each["covered_branches"] for each in inside)
        total = sum(each["num_statements"] + each["num_branches"] for each in inside)
        session.log(f"  {package.name:<20} {f'{seen / total:.1%}' if total else 'never imported':>7}")


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and formatting with ruff, and that every distribution ships the licence."""
    install(session, [], "lint")
    python(session, "ruff", "check", ".")
    python(session, "ruff", "format", "--check", ".")
    # Each has a copy because an sdist can hold nothing from outside its folder.
    for package in PACKAGES:
        copy = package / "LICENSE"
        if not copy.is_file() or copy.read_bytes() != (ROOT / "LICENSE").read_bytes():
            session.error(f"{copy.relative_to(ROOT)} is not the same as LICENSE")


@nox.session
def types(session: nox.Session) -> None:
    """Check types with mypy in strict mode."""
    install(session, PACKAGES + EXAMPLES, "types")
    python(session, "mypy", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation into build/docs; a warning is an error."""
    install(session, PACKAGES, "docs")
    python(session, "sphinx", "-W", "--keep-going", "-n", "-b", "html", "docs", "build/docs")


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Measure against the bare engines, print tables with goals, and write them into build/bench.

    Arguments name the tables: sqlite, postgres, snapshots, asynchronous, moving, backups, growth. ``--large`` lets
    growth go to 10⁷ messages.
    """
    install(session, PACKAGES, "bench")
    python(session, "benchmarks", *session.posargs)


@nox.session(default=False)
def charts(session: nox.Session) -> None:
    """Take the figures of the last bench into the documentation: tables and charts of docs/performance.md."""
    install(session, PACKAGES, "bench")
    python(session, "benchmarks.charts")


@nox.session(default=False)
def reliability(session: nox.Session) -> None:
    """Run the long tests: kill -9, many processes, full disks, lost servers. They print their figures."""
    install(session, PACKAGES + EXAMPLES, "test")
    # Test by test to whichever process is free, as some take minutes, and most of them wait.
    python(session, "pytest", "-n", "2", "--dist", "worksteal", "tests/reliability", *session.posargs)


@nox.session(default=False)
def build(session: nox.Session) -> None:
    """Build an sdist and a wheel of every distribution into dist/, twice, and check contents and metadata."""
    install(session, [], "build")
    python(session, "releasing", "build")
    python(session, "twine", "check", "--strict", *map(str, sorted(ROOT.glob("dist/*"))))


@nox.session(default=False, requires=["build"])
def matrix(session: nox.Session) -> None:
    """Install each extra from the built wheels alone and use it, and everything on each Python of this machine.

    Prints what came with each. The argument --python PROGRAM names a Python that is not found by itself.
    """
    install(session, [], "matrix")
    python(session, "releasing", "matrix", *session.posargs)
