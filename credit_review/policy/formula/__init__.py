"""The language of limit formulas: read, checked for units, never run as Python. docs/decisions/0015 says why it is our own."""
