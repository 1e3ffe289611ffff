"""What a YAML file may say: typed, frozen sections, read and checked as one. No torch is imported here."""
