"""How Sphinx makes the site of what `tests.tools.site` has put together: `make docs`."""

from importlib.metadata import version as _version
from pathlib import Path as _Path

from tests.tools.site.versions import folder_of as _folder_of

project = "Clipper Lab"
author = "The Clipper Lab authors"
version = release = _version("clipperlab")

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx_copybutton", "sphinx_design"]
# Lessons have the outputs of their tests: a build of pages runs nothing.
nb_execution_mode = "off"
# Of widgets there is what a page shows without them: no scripts are asked for from elsewhere.
nb_ipywidgets_js = {}
nb_merge_streams = True
myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist"]
myst_heading_anchors = 4
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
exclude_patterns = ["files"]

default_role = "code"  # docstrings are plain sentences, with code in single backticks
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 90
toc_object_entries_show_parents = "hide"
nitpicky = True
nitpick_ignore_regex = [("py:.*", ".*")]  # types of other packages have no pages here

html_theme = "furo"
html_title = f"Clipper Lab {version}"
templates_path = ["_templates"]
html_context = {"here": _folder_of(version)}
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "versions.html",
        "sidebar/search.html",
        "sidebar/scroll-start.html",
        "sidebar/navigation.html",
        "sidebar/scroll-end.html",
    ]
}
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_search_scorer = str(_Path(__file__).parent / "_static/scorer.js")
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0b6b63", "color-brand-content": "#0b6b63"},
    "dark_css_variables": {"color-brand-primary": "#5ec9bd", "color-brand-content": "#5ec9bd"},
}
