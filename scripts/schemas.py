"""Write what `pipeline/tables.toml` says of every table into docs/reference/tables.md and r/R/schema.R.

    python scripts/schemas.py

What stands above the first table of the page is written by hand and stays.
"""

from pathlib import Path

from voicerisk.pipeline.tables import schemas_in_r, schemas_markdown

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Write both files."""
    page = ROOT / "docs" / "reference" / "tables.md"
    head = page.read_text(encoding="utf-8").partition("\n## ")[0]
    page.write_text(f"{head}\n{schemas_markdown()}", encoding="utf-8")
    (ROOT / "r" / "R" / "schema.R").write_text(schemas_in_r(), encoding="utf-8")


if __name__ == "__main__":
    main()
