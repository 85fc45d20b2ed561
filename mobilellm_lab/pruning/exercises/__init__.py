"""Exercises, quiz, predictions and beliefs of chapter 4"""

from pathlib import Path

from mobilellm_lab.pruning.exercises.beliefs import BELIEFS, BELIEFS_MORE
from mobilellm_lab.pruning.exercises.grown import GROWN, grown_example
from mobilellm_lab.pruning.exercises.hold import HOLD
from mobilellm_lab.pruning.exercises.magnitude import MAGNITUDE
from mobilellm_lab.pruning.exercises.predictions import FEWER_NEURONS, FROM_SCRATCH, PREDICTIONS
from mobilellm_lab.pruning.exercises.spend import SPEND
from mobilellm_lab.pruning.exercises.wanda import WANDA
from mobilellm_lab.teaching.quiz import read_quiz

EXERCISES = (MAGNITUDE, WANDA, GROWN, HOLD, SPEND)
QUIZ = read_quiz(Path(__file__).with_name("quiz.md"), name="pruning")

__all__ = [
    "BELIEFS",
    "BELIEFS_MORE",
    "EXERCISES",
    "FEWER_NEURONS",
    "FROM_SCRATCH",
    "GROWN",
    "HOLD",
    "MAGNITUDE",
    "PREDICTIONS",
    "QUIZ",
    "SPEND",
    "WANDA",
    "grown_example",
]
