"""How the system is started: command line, Slack listener, starter configuration, demo company."""
