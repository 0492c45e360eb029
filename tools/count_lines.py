"""Count the package's lines of code: without blank lines and bare strings (docstrings). Files over 300 lines are named.

python tools/count_lines.py [FOLDER]
"""

import ast
import sys
from pathlib import Path

LONGEST = 300
"""Lines, of any kind, that a file may have."""


def code_lines(text: str) -> int:
    """Lines of a module that are neither blank nor part of a bare string.

    >>> code_lines('"What it is."\\n\\nx = 1  # a comment counts with its line\\n')
    1
    """
    strings = set[int]()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            strings |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return sum(bool(line.strip()) and number not in strings for number, line in enumerate(text.splitlines(), 1))


def main(folder: Path) -> int:
    texts = {path: path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.py"))}
    print(f"{sum(map(code_lines, texts.values())):,} lines of code in {len(texts)} files of {folder.name}/")
    long = [path for path, text in texts.items() if len(text.splitlines()) > LONGEST]
    for path in long:
        print(f"{path.relative_to(folder.parent)}: {len(texts[path].splitlines())} lines, the most is {LONGEST}")
    return 1 if long else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent / "labkit")))
