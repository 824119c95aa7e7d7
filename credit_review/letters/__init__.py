"""Letters to customers: what one is, its templates, and how it reads as plain text. The page is `report.letter_page`."""

from __future__ import annotations

from credit_review.letters.letter import Letter as Letter
from credit_review.letters.letter import as_text as as_text
from credit_review.letters.template import PLACEHOLDERS as PLACEHOLDERS
from credit_review.letters.template import Template as Template
from credit_review.letters.template import builtin as builtin
from credit_review.letters.template import file_name as file_name
from credit_review.letters.template import parsed as parsed
