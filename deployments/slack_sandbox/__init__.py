"""A local stand-in for Slack: for trying the product, for rehearsals and for end-to-end tests. Nothing here leaves this machine."""
