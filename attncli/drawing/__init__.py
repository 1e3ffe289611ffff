"""Figures, fonts and labels that all drawings use."""
