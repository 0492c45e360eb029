"""The list of mutations is kept up with the code; `python tests/mutations.py` plants them."""

import importlib
from pathlib import Path

import mutations
import pytest
from mutations import MUTATIONS, ROOT


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_mutation_can_still_be_planted_and_its_test_exists(mutation):
    """Its old text stands in its file once, and it changes something."""
    assert (ROOT / mutation.file).read_text(encoding="utf-8").count(mutation.old) == 1
    assert mutation.old != mutation.new
    file, test = mutation.killed_by.split("::")
    assert callable(getattr(importlib.import_module(Path(file).stem), test))


def test_words_that_match_no_mutation_run_nothing(monkeypatch):
    monkeypatch.setattr(mutations, "_pytest", None)
    with pytest.raises(SystemExit, match="no mutation has all of these words in its name: nonesuch delay"):
        mutations.main(["nonesuch", "delay"])


def test_the_names_of_mutations_are_unique():
    names = [mutation.name for mutation in MUTATIONS]
    assert len(set(names)) == len(names) >= 10
