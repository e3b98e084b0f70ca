"""Sphinx's configuration. It needs no network, so that the documentation builds anywhere."""

from pathlib import Path

from moltnet_core.config import describe
from moltnet_core.plugins import installed_backends, load_backend

project = "Moltnet storage"
author = "Moltnet storage contributors"
release = Path(__file__).parent.parent.joinpath("VERSION").read_text("utf-8").strip()

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_click"]
exclude_patterns = ["_generated"]
html_theme = "furo"
html_title = f"{project} {release}"

myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3
smartquotes = False  # they would turn --options into dashes

autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
python_use_unqualified_type_names = True

nitpicky = True
nitpick_ignore_regex = [
    # Without their inventories, the names of other projects cannot be resolved. Our own have to be,
    ("py:.*", r"(?!moltnet_).*"),
    # except for type variables, which have no page.
    ("py:(class|obj)", r"moltnet_.*\.[A-Z]"),
]


def settings_tables() -> str:
    """A section of Markdown for each installed backend, from its settings class."""
    lines: list[str] = []
    for name in sorted(installed_backends()):
        backend, _ = load_backend(name)
        lines += [f"### {name}", "", f"{backend.summary.capitalize()}. Durability: {backend.durability}.", ""]
        settings = describe(backend.settings, name)
        if not settings:
            lines += ["It has no settings.", ""]
            continue
        lines += ["| setting | variable | type | default | meaning |", "|---|---|---|---|---|"]
        for setting in settings:
            choices = f" (one of {', '.join(map(str, setting.choices))})" if setting.choices else ""
            default = "required" if setting.required else f"`{setting.default}`"
            lines.append(
                f"| `{setting.name}` | `{setting.variable}` | {setting.type} | {default} | {setting.help}{choices} |"
            )
        lines.append("")
    return "\n".join(lines)


generated = Path(__file__).parent / "_generated"
generated.mkdir(exist_ok=True)
(generated / "settings.md").write_text(settings_tables(), "utf-8")
