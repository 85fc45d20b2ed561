"""Exercises, quiz, predictions and beliefs of chapter 2"""

from pathlib import Path

from mobilellm_lab.deep_narrow.exercises.beliefs import BELIEFS
from mobilellm_lab.deep_narrow.exercises.choose import CHOOSE
from mobilellm_lab.deep_narrow.exercises.count import COUNT
from mobilellm_lab.deep_narrow.exercises.leak import LEAK
from mobilellm_lab.deep_narrow.exercises.mask import MASK
from mobilellm_lab.deep_narrow.exercises.predictions import COST, PREDICTIONS, QUALITY
from mobilellm_lab.teaching.quiz import read_quiz

EXERCISES = (LEAK, MASK, COUNT, CHOOSE)
QUIZ = read_quiz(Path(__file__).with_name("quiz.md"), name="deep_narrow")

__all__ = ["BELIEFS", "CHOOSE", "COST", "COUNT", "EXERCISES", "LEAK", "MASK", "PREDICTIONS", "QUALITY", "QUIZ"]
