"""Chapter 7's exercises, quiz, predictions and claims."""

from mobilellm_lab.metrics.exercises.bits import BITS
from mobilellm_lab.metrics.exercises.bootstrap import BOOTSTRAP
from mobilellm_lab.metrics.exercises.front import FRONT
from mobilellm_lab.metrics.exercises.joules import JOULES
from mobilellm_lab.metrics.exercises.predictions import PREDICTIONS, SHOT, THREADS
from mobilellm_lab.metrics.exercises.questions import QUIZ
from mobilellm_lab.metrics.exercises.tpot import TPOT

EXERCISES = (TPOT, BITS, BOOTSTRAP, FRONT, JOULES)

__all__ = [
    "BITS",
    "BOOTSTRAP",
    "EXERCISES",
    "FRONT",
    "JOULES",
    "PREDICTIONS",
    "QUIZ",
    "SHOT",
    "THREADS",
    "TPOT",
]
