"""Chapter 7's exercises, quiz, predictions and beliefs."""

from pathlib import Path

from mobilellm_lab.metrics.exercises.beliefs import BELIEFS
from mobilellm_lab.metrics.exercises.bits import BITS
from mobilellm_lab.metrics.exercises.bootstrap import BOOTSTRAP
from mobilellm_lab.metrics.exercises.front import FRONT
from mobilellm_lab.metrics.exercises.joules import JOULES
from mobilellm_lab.metrics.exercises.predictions import PREDICTIONS, SHOT, THREADS
from mobilellm_lab.metrics.exercises.tpot import TPOT
from mobilellm_lab.teaching.quiz import read_quiz

EXERCISES = (TPOT, BITS, BOOTSTRAP, FRONT, JOULES)
QUIZ = read_quiz(Path(__file__).with_name("quiz.md"), name="metrics")

__all__ = [
    "BELIEFS",
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
