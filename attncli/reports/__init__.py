"""Results of an evaluation as tables, pages and figures."""
