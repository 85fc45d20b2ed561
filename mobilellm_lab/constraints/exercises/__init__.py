"""Exercises, quiz, predictions and beliefs of chapter 1"""

from pathlib import Path

from mobilellm_lab.constraints.exercises.beliefs import BELIEFS
from mobilellm_lab.constraints.exercises.cache import CACHE
from mobilellm_lab.constraints.exercises.ceiling import CEILING
from mobilellm_lab.constraints.exercises.drain import DRAIN
from mobilellm_lab.constraints.exercises.predictions import LARGER, PREDICTIONS, REACHED
from mobilellm_lab.constraints.exercises.room import ROOM
from mobilellm_lab.constraints.exercises.share import SHARE
from mobilellm_lab.teaching.quiz import read_quiz

EXERCISES = (CEILING, SHARE, CACHE, ROOM, DRAIN)
QUIZ = read_quiz(Path(__file__).with_name("quiz.md"), name="constraints")

__all__ = [
    "BELIEFS",
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
