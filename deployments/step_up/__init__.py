"""The page outside Slack on which proposals of the highest tiers are approved: a single-use link, company sign-in, a typed amount."""
