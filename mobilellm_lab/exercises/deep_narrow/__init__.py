"""Chapter 2's exercises, quiz, predictions and claims."""

from mobilellm_lab.exercises.deep_narrow.choose import CHOOSE
from mobilellm_lab.exercises.deep_narrow.claims import CLAIMS
from mobilellm_lab.exercises.deep_narrow.count import COUNT
from mobilellm_lab.exercises.deep_narrow.leak import LEAK
from mobilellm_lab.exercises.deep_narrow.mask import MASK
from mobilellm_lab.exercises.deep_narrow.predictions import COST, PREDICTIONS, QUALITY
from mobilellm_lab.exercises.deep_narrow.questions import QUIZ

EXERCISES = (LEAK, MASK, COUNT, CHOOSE)

__all__ = ["CHOOSE", "CLAIMS", "COST", "COUNT", "EXERCISES", "LEAK", "MASK", "PREDICTIONS", "QUALITY", "QUIZ"]
