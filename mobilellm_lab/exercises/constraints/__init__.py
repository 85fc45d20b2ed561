"""Chapter 1's exercises, quiz, predictions and claims."""

from mobilellm_lab.exercises.constraints.cache import CACHE
from mobilellm_lab.exercises.constraints.ceiling import CEILING
from mobilellm_lab.exercises.constraints.claims import CLAIMS
from mobilellm_lab.exercises.constraints.drain import DRAIN
from mobilellm_lab.exercises.constraints.predictions import LARGER, PREDICTIONS, REACHED
from mobilellm_lab.exercises.constraints.questions import QUIZ
from mobilellm_lab.exercises.constraints.room import ROOM
from mobilellm_lab.exercises.constraints.share import SHARE

EXERCISES = (CEILING, SHARE, CACHE, ROOM, DRAIN)

__all__ = [
    "CACHE",
    "CEILING",
    "CLAIMS",
    "DRAIN",
    "EXERCISES",
    "LARGER",
    "PREDICTIONS",
    "QUIZ",
    "REACHED",
    "ROOM",
    "SHARE",
]
