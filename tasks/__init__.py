"""Effects: one thin Prefect task per side effect or costly step. Retries, time-outs and run artifacts live here, and only here."""
