"""How a scorecard does once it is in use: calibration, ranking, drift, migration, vintages, overrides in hindsight. Sized to small books.

Pure functions over arrays, frames and records. `book.monitor` puts them together; whatever cannot be said yet says what it waits for.
"""
