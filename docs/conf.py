"""Sphinx's configuration. It needs no network, so that the documentation builds anywhere."""

from pathlib import Path

project = "Moltnet storage"
author = "Moltnet storage contributors"
release = Path(__file__).parent.parent.joinpath("VERSION").read_text("utf-8").strip()

extensions = ["myst_parser", "sphinx.ext.autodoc"]
html_theme = "furo"
html_title = f"{project} {release}"

myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3

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
