"""Chapter 3: how few bits a model's numbers need, and what each way there costs"""

from mobilellm_lab.quantization.files import load_quantized, save_quantized
from mobilellm_lab.quantization.grid import BITS, CHANNEL, TENSOR, Grid, QTensor
from mobilellm_lab.quantization.kv import QuantizedKVCache, WithCache, answers_by_distance, loss_by_position
from mobilellm_lab.quantization.layers import PackedEmbedding, PackedLinear, packed
from mobilellm_lab.quantization.packing import pack, packed_bytes, unpack
from mobilellm_lab.quantization.quantized import LAYERS, QuantizedModel, matrices, select

__all__ = [
    "BITS",
    "CHANNEL",
    "LAYERS",
    "TENSOR",
    "Grid",
    "PackedEmbedding",
    "PackedLinear",
    "QTensor",
    "QuantizedKVCache",
    "QuantizedModel",
    "WithCache",
    "answers_by_distance",
    "load_quantized",
    "loss_by_position",
    "matrices",
    "pack",
    "packed",
    "packed_bytes",
    "save_quantized",
    "select",
    "unpack",
]
