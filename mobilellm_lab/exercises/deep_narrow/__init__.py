"""Chapter 2's exercises, quiz and predictions."""

from mobilellm_lab.exercises.deep_narrow.choose import CHOOSE
from mobilellm_lab.exercises.deep_narrow.count import COUNT
from mobilellm_lab.exercises.deep_narrow.leak import LEAK
from mobilellm_lab.exercises.deep_narrow.mask import MASK
from mobilellm_lab.exercises.deep_narrow.predictions import COST, PREDICTIONS, QUALITY
from mobilellm_lab.exercises.deep_narrow.questions import QUIZ

EXERCISES = (LEAK, MASK, COUNT, CHOOSE)

__all__ = ["CHOOSE", "COST", "COUNT", "EXERCISES", "LEAK", "MASK", "PREDICTIONS", "QUALITY", "QUIZ"]
