"""Rehearsals: cases of a past review, some with a mistake whose answer is known, and how an approver did. Pure; stores are elsewhere."""

from credit_review.rehearsal.drawing import Answer as Answer
from credit_review.rehearsal.drawing import Case as Case
from credit_review.rehearsal.drawing import Score as Score
from credit_review.rehearsal.drawing import draw as draw
from credit_review.rehearsal.drawing import fit as fit
from credit_review.rehearsal.drawing import score as score
from credit_review.rehearsal.mistakes import MISTAKES as MISTAKES
from credit_review.rehearsal.mistakes import Mistake as Mistake
