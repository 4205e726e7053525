"""Write each vignette as a Jupyter notebook and as a Quarto page into the folder that is named."""

import sys
from pathlib import Path

import jupytext
import nbformat

OPTIONS = {
    "remove-input": "#| echo: false",
    "hide-input": "#| code-fold: true",
    "remove-output": "#| output: false",
}


def quarto(notebook: nbformat.NotebookNode) -> str:
    """Return a notebook as a Quarto page; its first heading is the title."""
    first, *rest = notebook.cells
    title, _, text = first.source.partition("\n")
    parts = [f'---\ntitle: "{title.lstrip("# ")}"\njupyter: python3\n---', text.strip()]
    for cell in rest:
        if cell.cell_type == "code":
            options = [OPTIONS[tag] for tag in cell.metadata.get("tags", []) if tag in OPTIONS]
            parts.append("\n".join(["```{python}", *options, cell.source, "```"]))
        else:
            parts.append(cell.source)
    return "\n\n".join(part for part in parts if part) + "\n"


def main() -> None:
    """Write both forms of every vignette that is written in MyST Markdown."""
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    for file in sorted(Path("vignettes").glob("[0-9]*.md")):
        notebook = jupytext.read(file)
        notebook.metadata.pop("jupytext", None)
        nbformat.write(notebook, out / f"{file.stem}.ipynb")
        (out / f"{file.stem}.qmd").write_text(quarto(notebook), encoding="utf-8")


if __name__ == "__main__":
    main()
