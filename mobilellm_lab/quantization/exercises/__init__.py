"""Exercises, quiz, predictions and beliefs of chapter 3"""

from pathlib import Path

from mobilellm_lab.quantization.exercises.assign import ASSIGN
from mobilellm_lab.quantization.exercises.beliefs import BELIEFS, BELIEFS_MORE
from mobilellm_lab.quantization.exercises.clip import CLIP
from mobilellm_lab.quantization.exercises.groups import GROUPS
from mobilellm_lab.quantization.exercises.nibbles import NIBBLES
from mobilellm_lab.quantization.exercises.predictions import INT8, PREDICTIONS, RECOVERED
from mobilellm_lab.quantization.exercises.straight_through import STRAIGHT
from mobilellm_lab.quantization.exercises.stubs import STUBS
from mobilellm_lab.teaching.quiz import read_quiz

EXERCISES = (GROUPS, NIBBLES, CLIP, STRAIGHT, STUBS, ASSIGN)
QUIZ = read_quiz(Path(__file__).with_name("quiz.md"), name="quantization")

__all__ = [
    "ASSIGN",
    "BELIEFS",
    "BELIEFS_MORE",
    "CLIP",
    "EXERCISES",
    "GROUPS",
    "INT8",
    "NIBBLES",
    "PREDICTIONS",
    "QUIZ",
    "RECOVERED",
    "STRAIGHT",
    "STUBS",
]
