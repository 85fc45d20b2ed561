"""Exercises that check themselves, quizzes, predictions, beliefs and claims: what a chapter asks of its reader."""

from mobilellm_lab.teaching.beliefs import Belief, Beliefs
from mobilellm_lab.teaching.claim import Claim, Claims, Evidence, Verdict
from mobilellm_lab.teaching.exercise import Exercise, Outcome, Wrong
from mobilellm_lab.teaching.prediction import Comparison, Measured, Prediction
from mobilellm_lab.teaching.quiz import Option, Question, Quiz

__all__ = [
    "Belief",
    "Beliefs",
    "Claim",
    "Claims",
    "Comparison",
    "Evidence",
    "Exercise",
    "Measured",
    "Option",
    "Outcome",
    "Prediction",
    "Question",
    "Quiz",
    "Verdict",
    "Wrong",
]
