"""What the lessons stand on: a cluster of their own, and checks that say how far one is.

from clipperlab.lessons import lesson
wb = lesson("04")
"""

from .bench import Bench, lesson, reset
from .checks import Check, NotYet, check
from .need import NotHere, need
from .progress import Progress
from .result import Result

__all__ = ["Bench", "Check", "NotHere", "NotYet", "Progress", "Result", "check", "lesson", "need", "reset"]
