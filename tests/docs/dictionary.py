"""The data dictionary as text; `python -m tests.docs.dictionary` writes it."""

from pathlib import Path

from credit_review.model.frames import DATASETS

PATH = Path(__file__).parents[2] / "docs" / "data-dictionary.md"
HEAD = """# Data dictionary

Generated from `credit_review/model/frames.py` by `python -m tests.docs.dictionary`; a test fails when it is out of date.

Types: `str` text (missing is empty), `int` whole number, `int?` whole number or missing, `float` number or missing, `date` day or missing,
`bool`. Columns ending in `_minor` are integer minor units of the row's currency, `_days` are days, `_fraction` are 0 to 1.
"""


def text():
    lines = [HEAD]
    for dataset in DATASETS.values():
        kept = "Kept in customer buckets." if dataset.bucketed else "Kept whole."
        lines += [
            f"## {dataset.name}",
            "",
            f"Key: {', '.join(dataset.key)}. {kept}",
            "",
            "| column | type | meaning |",
            "| --- | --- | --- |",
        ]
        lines += [f"| `{c.name}` | {c.dtype} | {c.meaning} |" for c in dataset.columns] + [""]
    return "\n".join(lines)


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
