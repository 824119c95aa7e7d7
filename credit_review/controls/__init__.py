"""Controls that watch: rules over the record that name each exception. They change nothing; `review.findings` makes findings of alarms."""
