"""The command line `credit-review`. Nothing heavy is imported until a command needs it."""
