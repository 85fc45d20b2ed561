"""ParetoQ's published MobileLLMs of 125M to 1B parameters, trained to 16 bits and fewer"""

from dataclasses import dataclass

BITS = (16, 4, 3, 2, 1.58, 1)  # of a weight; 16 is the model that the others are compared with
SOURCE = "ParetoQ, arXiv 2502.02631, the table in its repository's README"


@dataclass(frozen=True, kw_only=True)
class Published:
    """One model at one number of bits, as the authors print it."""

    model: str  # parameters
    bits: int | float  # of a weight
    accuracy: float  # %, mean of eight common-sense tasks, higher is better
    perplexity: float  # on WikiText, lower is better


# fmt: off
_TABLE = {  # (accuracy, perplexity) at each of BITS
    "125M": ((48.5, 15.1), (48.7, 14.1), (47.9, 15.0), (47.1, 18.2), (46.5, 20.0), (43.7, 25.8)),
    "350M": ((54.8, 10.5), (55.0, 10.3), (54.7, 10.9), (52.8, 12.5), (51.4, 14.5), (47.6, 17.0)),
    "600M": ((58.2, 9.1),  (59.2, 8.9),  (58.5, 9.4),  (56.6, 10.5), (55.5, 11.5), (50.3, 14.0)),
    "1B":   ((62.1, 8.0),  (62.5, 7.9),  (61.3, 8.4),  (61.0, 9.2),  (58.5, 10.0), (53.8, 12.8)),
}
# fmt: on

PARETOQ = tuple(
    Published(model=model, bits=bits, accuracy=accuracy, perplexity=perplexity)
    for model, row in _TABLE.items()
    for bits, (accuracy, perplexity) in zip(BITS, row, strict=True)
)
ROUNDED = Published(model="600M", bits=1.58, accuracy=37.6, perplexity=6.6e5)  # by RTN, without any training
