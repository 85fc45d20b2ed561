"""Chapter 7's exercises, quiz, predictions and claims."""

from mobilellm_lab.exercises.metrics.bits import BITS
from mobilellm_lab.exercises.metrics.bootstrap import BOOTSTRAP
from mobilellm_lab.exercises.metrics.claims import CLAIMS
from mobilellm_lab.exercises.metrics.front import FRONT
from mobilellm_lab.exercises.metrics.joules import JOULES
from mobilellm_lab.exercises.metrics.predictions import PREDICTIONS, SHOT, THREADS
from mobilellm_lab.exercises.metrics.questions import QUIZ
from mobilellm_lab.exercises.metrics.tpot import TPOT

EXERCISES = (TPOT, BITS, BOOTSTRAP, FRONT, JOULES)

__all__ = [
    "BITS",
    "BOOTSTRAP",
    "CLAIMS",
    "EXERCISES",
    "FRONT",
    "JOULES",
    "PREDICTIONS",
    "QUIZ",
    "SHOT",
    "THREADS",
    "TPOT",
]
