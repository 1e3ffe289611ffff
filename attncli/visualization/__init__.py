"""Pictures: alignments, BLEU by length, training curves. Drawn with matplotlib's objects, never its global state."""
