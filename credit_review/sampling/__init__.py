"""Audit samples: how large, which items, what a clean one buys, what errors mean. Pure functions; docs/audit/sampling.md says how."""
