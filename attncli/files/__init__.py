"""Files and folders, in and out."""
