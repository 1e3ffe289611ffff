"""Test sets, scores with their bounds, comparisons between runs, and the reports of them."""
