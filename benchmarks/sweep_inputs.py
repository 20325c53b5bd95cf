"""Inputs for one forward pass of any tiny model: words, an image or a sound, as its `forward` asks for them."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from tiny_configurations import WORDS
from torch import nn

ROWS, LENGTH = 2, 12
SPECIAL = 30  # ids at the end of the vocabulary that may stand for an image or a sound


class Noise:
    """The same random numbers in every run."""

    def __init__(self) -> None:
        self._generator = torch.Generator().manual_seed(1)

    def words(self, rows: int = ROWS) -> torch.Tensor:
        return torch.randint(5, WORDS - SPECIAL, (rows, LENGTH), generator=self._generator)

    def __call__(self, *shape: int) -> torch.Tensor:
        return torch.randn(ROWS, *shape, generator=self._generator)


def inputs_for(model: nn.Module, head: str) -> dict[str, Any]:
    """What a model's `forward` is called with, without labels: two rows."""
    noise, config = Noise(), model.config
    takes = inspect.signature(model.forward).parameters
    if "inputs" in takes:  # Perceiver
        return {"inputs": noise(3, config.image_size, config.image_size) if "IMAGE" in head else noise.words()}
    given: dict[str, Any] = {}
    if "input_ids" in takes or ("decoder_input_ids" in takes and model.main_input_name == "input_ids"):
        given["input_ids"] = noise.words(ROWS * getattr(config, "num_codebooks", 1))
        end = getattr(config.get_text_config(), "eos_token_id", None)
        if isinstance(end, int):  # where BART's classifier looks
            given["input_ids"][:, -1] = end
    if "decoder_input_ids" in takes:
        given["decoder_input_ids"] = noise.words()
    makers = {"pixel_values": _image, "input_values": _wave, "input_features": _spectrum}
    if model.main_input_name in makers:
        given |= makers[model.main_input_name](config, takes, noise)
    return given | _beside_words(config, takes, noise)


def _image(config: Any, takes: Any, noise: Noise) -> dict[str, Any]:
    if "spatial_shapes" in takes:  # SigLIP 2 takes patches
        pixels = noise(4, 3 * config.vision_config.patch_size**2)
        shapes = torch.tensor([[2, 2]] * ROWS)
        return {"pixel_values": pixels, "pixel_attention_mask": torch.ones(ROWS, 4), "spatial_shapes": shapes}
    size = getattr(config, "image_size", None) or 32
    size = size if isinstance(size, int) else size[0]
    return {"pixel_values": noise(getattr(config, "num_channels", 3), size, size)}


def _wave(config: Any, takes: Any, noise: Noise) -> dict[str, Any]:
    if hasattr(config, "num_mel_bins"):  # the audio spectrogram transformer
        return {"input_values": noise(config.max_length, config.num_mel_bins)}
    return {"input_values": noise(4000)}


def _spectrum(config: Any, takes: Any, noise: Noise) -> dict[str, Any]:
    if hasattr(config, "feature_projection_input_dim"):
        return {"input_features": noise(20, config.feature_projection_input_dim)}
    if hasattr(config, "max_source_positions"):
        return {"input_features": noise(config.num_mel_bins, 2 * config.max_source_positions)}
    return {}


def _beside_words(config: Any, takes: Any, noise: Noise) -> dict[str, Any]:
    """Boxes, images' features and sounds that some models ask for beside words."""
    given: dict[str, Any] = {}
    if config.model_type == "voxtral_realtime":
        given["input_features"] = noise(config.audio_config.num_mel_bins, 8 * LENGTH)
    if "bbox" in takes:
        given["bbox"] = torch.ones(ROWS, LENGTH, 4, dtype=torch.long)
    if config.model_type == "bros":
        given["bbox"] = torch.ones(ROWS, LENGTH, 8)
    if "global_attention_mask" in takes:
        given["global_attention_mask"] = torch.ones(ROWS, LENGTH, dtype=torch.long)
    if "visual_feats" in takes:
        given |= {"visual_feats": noise(3, config.visual_feat_dim), "visual_pos": noise(3, 4)}
    if "cross_attention_states" in takes:
        given["cross_attention_states"] = noise(4, config.hidden_size)
    return given
