"""Chapter 3: how few bits a model's numbers need, and what each way there costs"""

from mobilellm_lab.quantization.activations import ACTIVATIONS, quantize_activations
from mobilellm_lab.quantization.awq import best_scale
from mobilellm_lab.quantization.calibration import DATA, RANGES, Calibration, calibrate, calibration_data, range_of
from mobilellm_lab.quantization.files import load_quantized, save_quantized
from mobilellm_lab.quantization.grid import BITS, CHANNEL, TENSOR, Grid, QTensor
from mobilellm_lab.quantization.kv_cache import QuantizedKVCache, WithCache, answers_by_distance, loss_by_position
from mobilellm_lab.quantization.layers import PackedEmbedding, PackedLinear, packed
from mobilellm_lab.quantization.libraries.article import FAILURES, Failure
from mobilellm_lab.quantization.libraries.converted import quantized_matrices
from mobilellm_lab.quantization.libraries.copies import with_head
from mobilellm_lab.quantization.libraries.eager import quantize_static
from mobilellm_lab.quantization.libraries.kernels import BACKENDS, Backend, find_backend, int4_refusals
from mobilellm_lab.quantization.libraries.load import torchao
from mobilellm_lab.quantization.libraries.stubs import AttentionBlock, Survival, survives
from mobilellm_lab.quantization.mixed_precision import Cost, assign, sensitivity
from mobilellm_lab.quantization.outliers import plant
from mobilellm_lab.quantization.packing import pack, packed_bytes, unpack
from mobilellm_lab.quantization.ptq import METHODS, quantize
from mobilellm_lab.quantization.qat import QATRun, ste
from mobilellm_lab.quantization.quantized import LAYERS, QuantizedModel, matrices, select
from mobilellm_lab.quantization.rotation import hadamard, rotate
from mobilellm_lab.quantization.study.crossover import LIVE_SIZES as FLIP_LIVE_SIZES
from mobilellm_lab.quantization.study.crossover import SIZES as FLIP_SIZES
from mobilellm_lab.quantization.study.crossover import Recipe as FlipRecipe
from mobilellm_lab.quantization.study.crossover import Result as FlipResult
from mobilellm_lab.quantization.study.crossover import Run as FlipRun
from mobilellm_lab.quantization.study.recipe import QATRecipe, Recipe
from mobilellm_lab.quantization.study.run import Result, Run
from mobilellm_lab.quantization.study.speed import flip_size, measure_speed, speed_recipes

__all__ = [
    "ACTIVATIONS",
    "BACKENDS",
    "BITS",
    "CHANNEL",
    "DATA",
    "FAILURES",
    "FLIP_LIVE_SIZES",
    "FLIP_SIZES",
    "LAYERS",
    "METHODS",
    "RANGES",
    "TENSOR",
    "AttentionBlock",
    "Backend",
    "Calibration",
    "Cost",
    "Failure",
    "FlipRecipe",
    "FlipResult",
    "FlipRun",
    "Grid",
    "PackedEmbedding",
    "PackedLinear",
    "QATRecipe",
    "QATRun",
    "QTensor",
    "QuantizedKVCache",
    "QuantizedModel",
    "Recipe",
    "Result",
    "Run",
    "Survival",
    "WithCache",
    "answers_by_distance",
    "assign",
    "best_scale",
    "calibrate",
    "calibration_data",
    "find_backend",
    "flip_size",
    "hadamard",
    "int4_refusals",
    "load_quantized",
    "loss_by_position",
    "matrices",
    "measure_speed",
    "pack",
    "packed",
    "packed_bytes",
    "plant",
    "quantize",
    "quantize_activations",
    "quantize_static",
    "quantized_matrices",
    "range_of",
    "rotate",
    "save_quantized",
    "select",
    "sensitivity",
    "speed_recipes",
    "ste",
    "survives",
    "torchao",
    "unpack",
    "with_head",
]
