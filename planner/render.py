"""Plans as people read them: plain text for a terminal, markdown for a pull request. Pure: a plan in, a text out."""

from planner.render_markdown import render_markdown
from planner.render_text import render_text

__all__ = ["render_markdown", "render_text"]
