"""The credit domain: reasoning about exposure, scores, limits, authority and audit. Knows no orchestrator."""
