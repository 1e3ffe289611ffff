"""Figures of autoencoders, training curves, gradients and heads."""
