"""The website's configuration: `make site` builds it into out/site, from this repository alone.

Pages are read where they stand, so that a link is the same on GitHub, in JupyterLab and here. No notebook runs: the
outputs are the stored ones. No page loads anything from elsewhere. Scripts for formulas (MathJax) are not needed, since
the notebooks have none; scripts for widgets neither, since the sliders need a kernel.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # for pages

project = "The Webhook Lab"
author = copyright = "The Webhook Lab contributors"
extensions = ["myst_nb", "sphinx.ext.autodoc", "pages"]
root_doc = "site/index"
include_patterns = [
    "site/**.md",
    "site/**.rst",
    "notebooks/**.ipynb",
    "notebooks/*.md",
    "docs/**.md",
    "data/README.md",
    "*.md",
]
source_suffix = {".rst": "restructuredtext", ".md": "myst-nb", ".ipynb": "myst-nb"}
nitpicky = True

nb_execution_mode = "off"
nb_ipywidgets_js = {}
nb_mime_priority_overrides = [("html", "application/vnd.jupyter.widget-view+json", None)]  # its sentence is shown
nb_code_prompt_show = "Show the {type}"
nb_code_prompt_hide = "Hide the {type}"
myst_enable_extensions = ["tasklist"]  # the boxes of a checklist
myst_heading_anchors = 4

default_role = "code"  # a docstring's single backquotes
autodoc_typehints = "none"  # the signatures have them
autodoc_inherit_docstrings = False
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}

html_theme = "sphinx_book_theme"
html_title = project
html_use_index = False
html_domain_indices = False
html_copy_source = False  # the exercises' sources have the solutions
html_extra_path = ["home"]  # index.html: to the first page
html_static_path = ["static"]
html_favicon = "static/doorbell.svg"
html_css_files = ["course.css"]
html_context = {"default_mode": "auto"}
repository = os.environ.get("GITHUB_REPOSITORY")  # where the website is built on GitHub, it links the repository
html_theme_options = {
    "repository_url": f"{os.environ['GITHUB_SERVER_URL']}/{repository}" if repository else "",
    "use_repository_button": bool(repository),
    "home_page_in_toc": True,
    "navbar_persistent": [],  # the sidebar has the search
    "use_download_button": False,
    "use_fullscreen_button": False,
}
