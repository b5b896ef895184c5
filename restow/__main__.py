"""``python -m restow``."""

from restow.main import run

run()
