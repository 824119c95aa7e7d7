"""Promises about data: one module a dataset, and the gate that acts on broken ones."""
