"""What `from labkit import …` has, what is imported for it, and what is installed."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import labkit
from labkit import public

ROOT = Path(__file__).parent.parent


def test_the_public_names_are_those_that_are_imported_for_them() -> None:
    names = {name: value for name, value in vars(public).items() if not name.startswith("_")}
    assert names == {name: getattr(labkit, name) for name in labkit.__all__}
    assert set(labkit.__all__) <= set(dir(labkit))


def test_a_name_that_is_not_public_is_refused() -> None:
    with pytest.raises(AttributeError, match="module 'labkit' has no attribute 'webhook'"):
        labkit.webhook  # noqa: B018
    with pytest.raises(ImportError, match="webhook"):
        from labkit import webhook  # noqa: F401


@pytest.mark.parametrize(
    ("program", "unwanted"),
    [
        ("from labkit import *", {"loky", "matplotlib", "numpy", "pandas"}),
        ("from labkit.cli import main; main(['--help'])", {"flask", "httpx", "matplotlib", "pandas", "rich"}),
        ("from labkit.cli import main; main(['--version'])", {"flask", "httpx", "matplotlib", "pandas", "rich"}),
        ("from labkit.cli import main; main(['retries'])", {"flask", "matplotlib", "pandas"}),
        ("import labkit.cli.describe, labkit.approaches, labkit.plots", {"flask", "matplotlib", "pandas"}),
    ],
)
def test_nothing_is_imported_before_it_is_used(program: str, unwanted: set[str]) -> None:
    check = f"import sys\n{program}\nassert 'labkit' in sys.modules and not {unwanted} & set(sys.modules), sys.modules"
    subprocess.run([sys.executable, "-c", check], check=True, timeout=60, stdout=subprocess.DEVNULL)


def test_every_package_is_installed() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    packages = {".".join(path.parent.relative_to(ROOT).parts) for path in ROOT.glob("labkit/**/__init__.py")}
    assert set(listed["packages"]) == packages | set(listed["package-dir"])
