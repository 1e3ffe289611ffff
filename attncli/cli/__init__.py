"""One file a subcommand: each parses, calls and prints."""
