"""Text files and the tokens they become. No torch is imported here."""
