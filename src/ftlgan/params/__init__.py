"""The typed params.yaml.

`reading` reads it. `sections` and `dataset` define its sections, `files` the entries for files of weights, and `values`
the types of single values.
"""

from ftlgan.params.dataset import Align, Dataset
from ftlgan.params.files import PretrainedWeights, RecognizerFile, WeightsFile
from ftlgan.params.reading import check_params, chosen, leaves, load_params
from ftlgan.params.sections import (
    Augmentation,
    Calibrate,
    Degradation,
    Generator,
    Identify,
    Losses,
    Params,
    Training,
    Triplets,
)
from ftlgan.params.values import (
    BUILT_IN,
    EVERYBODY,
    METHODS,
    MOST_SYNTHETIC_PHOTOS,
    NATIVE,
    NO_PAIRS,
    NO_PHOTOS,
    NO_SMALL,
    NO_UNLABELLED,
    PACKAGED,
    AdversarialForm,
    Condition,
    DegradationKind,
    Distance,
    Precision,
    Trunk,
)

__all__ = [
    "BUILT_IN",
    "EVERYBODY",
    "METHODS",
    "MOST_SYNTHETIC_PHOTOS",
    "NATIVE",
    "NO_PAIRS",
    "NO_PHOTOS",
    "NO_SMALL",
    "NO_UNLABELLED",
    "PACKAGED",
    "AdversarialForm",
    "Align",
    "Augmentation",
    "Calibrate",
    "Condition",
    "Dataset",
    "Degradation",
    "DegradationKind",
    "Distance",
    "Generator",
    "Identify",
    "Losses",
    "Params",
    "Precision",
    "PretrainedWeights",
    "RecognizerFile",
    "Training",
    "Triplets",
    "Trunk",
    "WeightsFile",
    "check_params",
    "chosen",
    "leaves",
    "load_params",
]
