"""Text and its tokens. No torch is imported here."""
