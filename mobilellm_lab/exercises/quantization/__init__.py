"""Chapter 3's exercises, quiz, predictions and claims."""

from mobilellm_lab.exercises.quantization.assign import ASSIGN
from mobilellm_lab.exercises.quantization.claims import CLAIMS
from mobilellm_lab.exercises.quantization.clip import CLIP
from mobilellm_lab.exercises.quantization.groups import GROUPS
from mobilellm_lab.exercises.quantization.nibbles import NIBBLES
from mobilellm_lab.exercises.quantization.predictions import INT8, PREDICTIONS, RECOVERED
from mobilellm_lab.exercises.quantization.questions import QUIZ
from mobilellm_lab.exercises.quantization.straight import STRAIGHT
from mobilellm_lab.exercises.quantization.stubs import STUBS

EXERCISES = (GROUPS, NIBBLES, CLIP, STRAIGHT, STUBS, ASSIGN)

__all__ = [
    "ASSIGN",
    "CLAIMS",
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
