"""Chapter 2's exercises, quiz, predictions and claims."""

from mobilellm_lab.deep_narrow.exercises.choose import CHOOSE
from mobilellm_lab.deep_narrow.exercises.count import COUNT
from mobilellm_lab.deep_narrow.exercises.leak import LEAK
from mobilellm_lab.deep_narrow.exercises.mask import MASK
from mobilellm_lab.deep_narrow.exercises.predictions import COST, PREDICTIONS, QUALITY
from mobilellm_lab.deep_narrow.exercises.questions import QUIZ

EXERCISES = (LEAK, MASK, COUNT, CHOOSE)

__all__ = ["CHOOSE", "COST", "COUNT", "EXERCISES", "LEAK", "MASK", "PREDICTIONS", "QUALITY", "QUIZ"]
