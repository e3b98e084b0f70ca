"""Makes settings.md from the settings classes of the project's backends; an example may be installed beside them."""

from __future__ import annotations

from pathlib import Path

from moltnet_core.config import describe
from moltnet_core.plugins import installed_backends, load_backend

HEAD = """# Settings

Every setting of every backend, made from their settings classes. Durations are in seconds. In a URL, settings are query
keys; `mode=ro` opens read-only on any backend with the power `read_only`. How files, variables and URLs go together is
in [Configuration](configuration.md).
"""


def settings_page() -> str:
    """The page in Markdown: a section for each backend."""
    lines = [HEAD]
    folders = {path.name for path in (Path(__file__).parent.parent / "packages").iterdir()}
    ours = [name for name in installed_backends() if f"moltnet-{name}" in folders]
    backends = {backend.name: backend for backend, _ in map(load_backend, ours)}
    for name, backend in sorted(backends.items()):
        summary = backend.summary[0].upper() + backend.summary[1:]
        lines += [f"## {name}", "", f"{summary}. Durability: {backend.durability}.", ""]
        settings = describe(backend.settings, name)
        if not settings:
            lines += ["It has no settings.", ""]
            continue
        lines += ["| setting | variable | type | default | meaning |", "|---|---|---|---|---|"]
        for setting in settings:
            choices = f" (one of {', '.join(map(str, setting.choices))})" if setting.choices else ""
            default = "required" if setting.required else "none" if setting.default is None else f"`{setting.default}`"
            lines.append(
                f"| `{setting.name}` | `{setting.variable}` | {setting.type} | {default} | {setting.help}{choices} |"
            )
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"
