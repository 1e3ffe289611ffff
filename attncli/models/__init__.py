"""Encoders, attentions and decoders, and what they hand to each other."""
