"""The only code that does I/O: files, databases, Slack, the ERP, clocks and settings."""
