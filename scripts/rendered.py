"""Execute vignettes and write each with its outputs as Markdown and small pictures into vignettes/rendered.

`python scripts/rendered.py 06 08` writes these; without numbers those that are there already. A page that
was made from the code cells that its vignette still has is left as it is; `--anew` writes it again.
"""

import hashlib
import re
import sys
from pathlib import Path

VIGNETTES = Path(__file__).resolve().parents[1] / "vignettes"
RENDERED = VIGNETTES / "rendered"
CELL = re.compile(r"^```\{code-cell\}[^\n]*\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
FENCE = re.compile(
    r"^```\{admonition\} *([^\n]*)\n(?::class:[^\n]*\n)?(.*?)^```$", flags=re.MULTILINE | re.DOTALL
)


def digest(vignette: Path) -> str:
    """Return a hash of the code cells of a vignette."""
    cells = CELL.findall(vignette.read_text(encoding="utf-8"))
    return hashlib.sha256("\0".join(cells).encode()).hexdigest()[:16]


def made_from(page: Path) -> str | None:
    """Return the hash of the code cells that a rendered page was made from."""
    found = re.match(r"<!-- code (\w+)", page.read_text(encoding="utf-8")) if page.is_file() else None
    return found[1] if found else None


def render(vignette: Path) -> None:
    """Execute a vignette in its folder and write what it shows."""
    import jupytext
    from nbclient import NotebookClient
    from nbconvert import MarkdownExporter

    notebook = jupytext.read(vignette)
    for cell in notebook.cells:
        tags = cell.metadata.setdefault("tags", [])
        if cell.cell_type == "code":
            # Pictures of a site are SVG; in a repository they are to be small.
            cell.source = cell.source.replace('figure_formats = ["svg"]', 'figure_formats = ["png"]')
            if "hide-input" in tags:
                tags.append("remove-input")
        else:
            cell.source = FENCE.sub(r"<details><summary>\1</summary>\n\n\2\n</details>", cell.source)
            # Pages lie one folder deeper than vignettes.
            cell.source = re.sub(r"\]\((?!http|#)([^)]+)\)", r"](../\1)", cell.source)
    NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str(VIGNETTES)}}).execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [one for one in cell.outputs if one.get("name") != "stderr"]
            for output in cell.outputs:
                # A table as text reads well everywhere; its HTML has styles that a repository does not show.
                output.get("data", {}).pop("text/html", None)
    exporter = MarkdownExporter()
    exporter.register_preprocessor("nbconvert.preprocessors.TagRemovePreprocessor", enabled=False)
    from nbconvert.preprocessors import TagRemovePreprocessor

    hidden = TagRemovePreprocessor(
        remove_cell_tags={"hide-cell", "remove-cell"},
        remove_input_tags={"remove-input"},
        remove_all_outputs_tags={"remove-output"},
    )
    exporter.register_preprocessor(hidden, enabled=True)
    pictures = f"{vignette.stem}_files"
    text, resources = exporter.from_notebook_node(notebook, {"output_files_dir": pictures})
    place = RENDERED / pictures
    for stale in place.glob("*"):
        stale.unlink()
    for name, content in (resources.get("outputs") or {}).items():
        place.mkdir(parents=True, exist_ok=True)
        (RENDERED / name).write_bytes(content)
    RENDERED.mkdir(exist_ok=True)
    note = f"<!-- code {digest(vignette)}: written by `make rendered` from ../{vignette.name} -->\n\n"
    body = re.sub(r"[ \t]+$", "", re.sub(r"\n{3,}", "\n\n", text), flags=re.MULTILINE).strip()
    (RENDERED / vignette.name).write_text(note + body + "\n", encoding="utf-8")


def main() -> None:
    """Render the vignettes whose numbers are given, or those that were rendered before."""
    numbers = [word for word in sys.argv[1:] if word != "--anew"]
    asked = [path for number in numbers for path in sorted(VIGNETTES.glob(f"{number}_*.md"))]
    for vignette in asked if numbers else [VIGNETTES / page.name for page in sorted(RENDERED.glob("*.md"))]:
        if "--anew" in sys.argv or made_from(RENDERED / vignette.name) != digest(vignette):
            print(vignette.stem, flush=True)
            render(vignette)


if __name__ == "__main__":
    main()
