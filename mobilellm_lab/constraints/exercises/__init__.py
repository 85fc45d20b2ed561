"""Chapter 1's exercises, quiz, predictions and claims."""

from mobilellm_lab.constraints.exercises.cache import CACHE
from mobilellm_lab.constraints.exercises.ceiling import CEILING
from mobilellm_lab.constraints.exercises.drain import DRAIN
from mobilellm_lab.constraints.exercises.predictions import LARGER, PREDICTIONS, REACHED
from mobilellm_lab.constraints.exercises.questions import QUIZ
from mobilellm_lab.constraints.exercises.room import ROOM
from mobilellm_lab.constraints.exercises.share import SHARE

EXERCISES = (CEILING, SHARE, CACHE, ROOM, DRAIN)

__all__ = [
    "CACHE",
    "CEILING",
    "DRAIN",
    "EXERCISES",
    "LARGER",
    "PREDICTIONS",
    "QUIZ",
    "REACHED",
    "ROOM",
    "SHARE",
]
