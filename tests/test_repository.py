"""What the repository says of itself to newcomers and to services is one and the same, and can be run."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

import labkit

ROOT = Path(__file__).parent.parent
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
YAML = sorted([*ROOT.glob(".github/**/*.yml"), ROOT / ".pre-commit-config.yaml", ROOT / "CITATION.cff"])
WORKFLOWS = sorted(ROOT.glob(".github/workflows/*.yml"))


def read(path: Path) -> dict[str, object]:
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")))


def test_the_version_is_the_same_wherever_it_is_named() -> None:
    newest = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)[0]
    assert labkit.__version__ == read(ROOT / "CITATION.cff")["version"] == newest
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "labkit.__version__"}


@pytest.mark.parametrize("path", YAML, ids=lambda path: path.name)
def test_a_file_for_a_service_is_yaml_with_what_the_service_needs(path: Path) -> None:
    needed = {"workflows": {"name", "jobs"}, "ISSUE_TEMPLATE": {"name", "description", "body"}}
    assert read(path).keys() >= (needed.get(path.parent.name, set()) if path.stem != "config" else set())


def test_contributing_names_files_commands_and_make_targets_that_exist() -> None:
    for name in re.findall(r"`((?:labkit|tests|notebooks|\.github)/[\w./]+\.\w+)`", CONTRIBUTING):
        assert (ROOT / name).exists(), name
    for command in re.findall(r"^\$ (?:pytest|python|jupyter) (.+)", CONTRIBUTING, re.MULTILINE):
        for name in re.findall(r"[\w./]+/[\w.]+\.(?:py|ipynb)", command):
            assert (ROOT / name).exists(), name


def test_design_names_files_that_exist() -> None:
    text = (ROOT / "DESIGN.md").read_text(encoding="utf-8")
    named = re.findall(r"`(?:labkit/|tests/)?([\w/]+\.(?:py|sql|toml))`", text)
    files = [path.as_posix() for folder in ("labkit", "tests", "tools") for path in (ROOT / folder).rglob("*.*")]
    files.append(f"{ROOT.as_posix()}/pyproject.toml")
    assert len(named) > 30
    assert [name for name in named if not any(file.endswith(f"/{name}") for file in files)] == []


@pytest.mark.parametrize("path", [*WORKFLOWS, ROOT / "CONTRIBUTING.md", ROOT / ".ci" / "run"], ids=lambda p: p.name)
def test_each_make_target_that_is_run_exists(path: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))
    text = path.read_text(encoding="utf-8")
    assert set(re.findall(r"^(?:\$ | *- run: )?make ([a-z]+)", text, re.MULTILINE)) <= targets


def test_a_hook_checks_files_that_it_selects() -> None:
    (repo,) = read(ROOT / ".pre-commit-config.yaml")["repos"]  # type: ignore[misc]
    names = [path.relative_to(ROOT).as_posix() for path in (ROOT / "notebooks").rglob("*.ipynb")]
    for hook in repo["hooks"]:
        assert "types_or" in hook or [name for name in names if re.search(hook["files"], name)] != [], hook["id"]


@pytest.mark.skipif(not shutil.which("bash"), reason="the release workflow's shell is bash")
def test_a_release_has_the_addresses_of_the_repository_that_builds_it(tmp_path: Path) -> None:
    steps = read(ROOT / ".github/workflows/release.yml")["jobs"]["release"]["steps"]  # type: ignore[index]
    (step,) = (each for each in steps if "addresses" in each.get("name", ""))
    at = {"SERVER_URL": "https://git.example", "REPOSITORY": "group/lab", "REPOSITORY_OWNER": "group"}
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    environment = {f"GITHUB_{name}": value for name, value in at.items()}
    subprocess.run(["bash", "-c", step["run"]], cwd=tmp_path, env=environment, check=True)
    assert tomllib.loads((tmp_path / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"] == {
        "Source": "https://git.example/group/lab",
        "Issues": "https://git.example/group/lab/issues",
        "Website": "https://group.github.io/lab/",
    }
