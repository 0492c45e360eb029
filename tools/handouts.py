"""Write the pages of docs/class as HTML that prints well, to out/class: `make handouts`, then print from a browser."""

import re
import sys
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parent.parent
PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>
<style>
  @page {{ size: A4; margin: 14mm }}
  body {{ font: 10.5pt/1.35 sans-serif; max-width: 182mm; margin: auto }}
  h1 {{ font-size: 17pt; margin: 0 0 2mm }}
  h2 {{ font-size: 12.5pt; margin: 4mm 0 1mm; break-after: avoid }}
  h2.answers {{ break-before: page }}
  pre {{ font: 9.5pt/1.3 monospace; background: #f3f3f3; padding: 2mm; margin: 1mm 0 }}
  table {{ border-collapse: collapse; width: 100% }}
  td, th {{ border: 1px solid #999; padding: 1mm 2mm; text-align: left; vertical-align: top }}
  tr, p, ul {{ break-inside: avoid }}
  ul {{ margin: 0; padding-left: 3mm; list-style: none; columns: 2; column-gap: 6mm }}
  td.short {{ white-space: nowrap }}
  p, table {{ margin: 1.5mm 0 }}
  a {{ color: inherit; text-decoration: none }}
</style>
{body}
</html>
"""


def page(markdown: str) -> str:
    """A page's HTML. What stands under a heading that begins with "Answers" begins a new sheet of paper.

    >>> "break-before" in page("# Quiz") and '<h2 class="answers">Answers, of it</h2>' in page("## Answers, of it")
    True
    """
    body = MarkdownIt("commonmark").enable("table").render(markdown)
    body = body.replace("<h2>Answers", '<h2 class="answers">Answers')
    body = re.sub(r"<td>(.{1,14}</td>)", r'<td class="short">\1', body)
    titles = re.findall(r"^# (.+)$", markdown, re.MULTILINE) or [""]
    return PAGE.format(title=titles[0], body=body)


def write(folder: Path) -> list[Path]:
    """Write all pages to a folder, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for source in sorted((ROOT / "docs" / "class").glob("*.md")):
        path = folder / f"{source.stem}.html"
        path.write_text(page(source.read_text(encoding="utf-8")), encoding="utf-8")
        written.append(path)
    return written


if __name__ == "__main__":
    print(*write(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "out" / "class"), sep="\n")
