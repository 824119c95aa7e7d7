"""What one member of a group does to the others."""

from __future__ import annotations

from credit_review.policy.fields import Part, Text, Texts


class GroupRules(Part):
    """Which members are bad for their group: those of these credit statuses or grades. The others get no increase while one is, and
    no better grade than `best_grade` where policy names one."""

    bad_statuses: Texts = ()
    bad_grades: Texts = ()
    best_grade: Text | None = None
