"""Rendered heads of motorcycle riders: with a helmet, bare, in caps and scarves, and hidden, as training data."""

from models.synthetic.heads.sample import HeadSample, draw_heads

__all__ = ["HeadSample", "draw_heads"]
