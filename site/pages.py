"""What this course's notebooks need beside MyST-NB: anchors for links to cells, and no solution in an exercise."""

import json
import re
from collections.abc import Iterator

from docutils import nodes
from sphinx.application import Sphinx

from labkit.course.assignment import student_copy
from labkit.course.copies import Notebook

EXERCISES = "notebooks/exercises/"
CONTENTS = "notebooks/index"
GLOSSARY = "site/glossary"


def read(app: Sphinx, name: str) -> Notebook:
    """A notebook as it is shown: of an exercise, the student's copy; of the contents page, all but the glossary."""
    notebook: Notebook = json.loads(app.env.doc2path(name).read_text(encoding="utf-8"))
    if name.startswith(EXERCISES):
        return student_copy(notebook)
    if name == CONTENTS:
        return notebook | {"cells": [cell for cell in notebook["cells"] if cell["id"] != "words"]}
    return notebook


def glossary(app: Sphinx) -> str:
    """The contents page's words, which are a page of their own here."""
    page: Notebook = json.loads(app.env.doc2path(CONTENTS).read_text(encoding="utf-8"))
    (words,) = ["".join(cell["source"]) for cell in page["cells"] if cell["id"] == "words"]
    return re.sub(r"\[(\d\d) `[^`]+`\]\(", r"[\1](../notebooks/", words.replace("## Words", "# Glossary", 1))


def replace_source(app: Sphinx, name: str, source: list[str]) -> None:
    if name == GLOSSARY:
        source[0] = glossary(app)
    elif is_notebook(app, name):
        source[0] = json.dumps(read(app, name))


def is_notebook(app: Sphinx, name: str) -> bool:
    return app.env.doc2path(name).suffix == ".ipynb"


def first_nodes(document: nodes.document) -> Iterator[tuple[int, nodes.Element]]:
    """Each cell's index and its first node. MyST-NB numbers the lines of cell n from (n + 1) × 10,000 on."""
    seen = set()
    for node in document.findall(nodes.Element):
        index = (node.line or 0) // 10_000 - 1
        if index >= 0 and index not in seen and not isinstance(node, nodes.title):
            seen.add(index)
            yield index, node


def add_anchors(app: Sphinx, document: nodes.document) -> None:
    """`NN.ipynb#cell-id=ID`, which JupyterLab understands, leads to the anchor `cell-ID`.

    MyST refuses a link to an anchor that is not among those of the page (`myst_slugs`).
    """
    name = app.env.current_document.docname
    if not is_notebook(app, name):
        return
    cells = read(app, name)["cells"]
    anchors = app.env.metadata[name].setdefault("myst_slugs", {})
    for index, node in list(first_nodes(document)):
        id = cells[index]["id"]
        if isinstance(node, nodes.section):
            node["ids"].append(f"cell-{id}")
        else:  # HTML, for one, would lose an id of its own
            node.parent.insert(node.parent.index(node), nodes.target(ids=[f"cell-{id}"]))
        anchors[f"cell-id={id}"] = (node.line, f"cell-{id}", id)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", replace_source)
    app.connect("doctree-read", add_anchors)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
