"""What one member of a group does to the others."""

from __future__ import annotations

from credit_review.policy.fields import Part, Texts


class GroupRules(Part):
    """Which members are bad for their group: those of these credit statuses or grades. The others get no increase while one is."""

    bad_statuses: Texts = ()
    bad_grades: Texts = ()
