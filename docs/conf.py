"""Sphinx's configuration. It needs no network, so that the documentation builds anywhere."""

import re
import sys
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]
from clauses_page import clauses_page
from installation_page import installation_page
from settings_page import settings_page

project = "Moltnet storage"
author = "Moltnet storage contributors"
release = Path(__file__).parent.parent.joinpath("VERSION").read_text("utf-8").strip()

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_click"]
html_theme = "furo"
html_title = f"{project} {release}"
html_favicon = "_static/favicon.svg"
html_show_copyright = False
html_static_path = ["_static"]
html_css_files = ["site.css"]

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
    # except for type variables and private modules, which have no page.
    ("py:(class|obj)", r"moltnet_.*\.[A-Z]"),
    ("py:class", r"moltnet_core\._\w+\.\w+"),
]


# Kept in the checkout too, so that they can be read there; a test sees that they are up to date.
Path(__file__).with_name("clauses.md").write_text(clauses_page(), "utf-8")
Path(__file__).with_name("installation.md").write_text(installation_page(), "utf-8")
Path(__file__).with_name("settings.md").write_text(settings_page(), "utf-8")


def setup(app: Any) -> None:
    """Each page says what it is about, for those who find it by searching."""
    app.connect("html-page-context", add_description)


def add_description(_: object, __: str, ___: str, context: dict[str, Any], doctree: object) -> None:
    """A page's first sentences are its description."""
    paragraph = re.search(r"<p>(.+?)</p>", context.get("body", ""), re.DOTALL) if doctree else None
    if paragraph is not None:
        text = " ".join(re.sub(r"<[^>]+>", "", paragraph[1]).replace('"', "&quot;").split())
        shown = text if len(text) <= 200 else text[:200].rpartition(" ")[0] + " …"
        context["metatags"] += f'<meta name="description" content="{shown}" />\n'
