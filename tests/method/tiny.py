"""A tiny model of each architecture, and rows it can be trained on: no network, a fraction of a second each."""

import torch
import transformers as hf
from torch import nn

BLOCKS, WORDS, LABELS = 4, 60, 2
SIZE = {
    "vocab_size": WORDS, "hidden_size": 16, "num_hidden_layers": BLOCKS, "num_attention_heads": 2,
    "intermediate_size": 32, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
GROUPED = SIZE | {"num_key_value_heads": 1, "head_dim": 8}
RELATIVE = {
    "relative_attention": True, "max_relative_positions": -1, "position_buckets": 4, "norm_rel_ebd": "layer_norm",
    "share_att_key": True, "pos_att_type": ["p2c", "c2p"], "position_biased_input": False,
}  # fmt: skip
SOUND = {
    "conv_dim": (8, 8), "conv_stride": (4, 4), "conv_kernel": (8, 8), "num_feat_extract_layers": 2,
    "num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2, "classifier_proj_size": 8, "mask_time_prob": 0.0,
    "layerdrop": 0.0,  # LayerDrop leaves a block out of a step by chance, and then nothing in it has a gradient
}  # fmt: skip
IMAGE = {"image_size": 8, "patch_size": 4}
SEQ2SEQ = {"decoder_start_token_id": 0, "vocab_size": WORDS, "d_model": 16, "pad_token_id": 0, "eos_token_id": 2}


class ClipText(nn.Module):
    """CLIP's text tower has no head of its own; this is what a user would write around it."""

    def __init__(self, configuration):
        super().__init__()
        self.tower = hf.CLIPTextModel(configuration)
        self.classifier = nn.Linear(configuration.hidden_size, LABELS)

    def forward(self, input_ids, labels=None):
        logits = self.classifier(self.tower(input_ids).pooler_output)
        return {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}


CLASSIFIER, CAUSAL = hf.AutoModelForSequenceClassification.from_config, hf.AutoModelForCausalLM.from_config

# by name: the configuration, and what makes a model of it
MODELS = {
    "BERT": (lambda: hf.BertConfig(**SIZE), CLASSIFIER),
    "RoBERTa": (lambda: hf.RobertaConfig(**SIZE), CLASSIFIER),
    "XLM-R": (lambda: hf.XLMRobertaConfig(**SIZE), CLASSIFIER),
    "DistilBERT": (
        lambda: hf.DistilBertConfig(vocab_size=WORDS, dim=16, n_layers=BLOCKS, n_heads=2, hidden_dim=32), CLASSIFIER,
    ),
    "ELECTRA": (lambda: hf.ElectraConfig(**SIZE, embedding_size=8), CLASSIFIER),
    "DeBERTa-v2/v3": (lambda: hf.DebertaV2Config(**SIZE, **RELATIVE, conv_kernel_size=3), CLASSIFIER),
    "MPNet": (lambda: hf.MPNetConfig(**SIZE), CLASSIFIER),
    "ModernBERT": (lambda: hf.ModernBertConfig(**SIZE, cls_token_id=1, sep_token_id=2), CLASSIFIER),
    "GPT-2": (
        lambda: hf.GPT2Config(
            vocab_size=WORDS, n_embd=16, n_layer=BLOCKS, n_head=2, n_positions=32, bos_token_id=1, eos_token_id=2
        ),
        CAUSAL,
    ),
    "Llama": (lambda: hf.LlamaConfig(**GROUPED), CAUSAL),
    "Qwen3": (lambda: hf.Qwen3Config(**GROUPED), CLASSIFIER),
    "Gemma 3": (lambda: hf.Gemma3TextConfig(**GROUPED), CAUSAL),
    "OPT": (
        lambda: hf.OPTConfig(
            **{k: v for k, v in SIZE.items() if k != "intermediate_size"}, ffn_dim=32, word_embed_proj_dim=8,
            max_position_embeddings=32,
        ),
        CAUSAL,
    ),
    "ViT": (
        lambda: hf.ViTConfig(**{k: v for k, v in SIZE.items() if "_token_" not in k and k != "vocab_size"}, **IMAGE),
        hf.AutoModelForImageClassification.from_config,
    ),
    "Wav2Vec2": (
        lambda: hf.Wav2Vec2Config(**{k: v for k, v in SIZE.items() if k != "vocab_size"}, **SOUND),
        hf.AutoModelForAudioClassification.from_config,
    ),
    "Wav2Vec2, stable layer norm": (
        lambda: hf.Wav2Vec2Config(
            **{k: v for k, v in SIZE.items() if k != "vocab_size"}, **SOUND, do_stable_layer_norm=True
        ),
        hf.AutoModelForAudioClassification.from_config,
    ),
    "CLIP's text tower": (lambda: hf.CLIPTextConfig(**SIZE, max_position_embeddings=32), ClipText),
    "T5": (
        lambda: hf.T5Config(d_kv=8, d_ff=32, num_layers=2, num_heads=2, **SEQ2SEQ),
        hf.AutoModelForSeq2SeqLM.from_config,
    ),
    "BART": (
        lambda: hf.BartConfig(
            encoder_layers=2, decoder_layers=2, encoder_attention_heads=2, decoder_attention_heads=2,
            encoder_ffn_dim=32, decoder_ffn_dim=32, max_position_embeddings=32, bos_token_id=1,
            forced_eos_token_id=None, **SEQ2SEQ,
        ),
        hf.AutoModelForSeq2SeqLM.from_config,
    ),
}  # fmt: skip


def model(name, seed=0):
    configuration, make = MODELS[name]
    torch.manual_seed(seed)
    return make(configuration())


def rows(name, count=8):
    """Rows for the model's Trainer: texts (six words, no padding), images, or sounds, each with labels."""
    generator = torch.Generator().manual_seed(1)
    found = []
    for number in range(count):
        ids = torch.randint(3, WORDS, (6,), generator=generator)
        label = torch.tensor(number % LABELS)
        if name == "ViT":
            found.append({"pixel_values": torch.randn(3, 8, 8, generator=generator), "labels": label})
        elif name.startswith("Wav2Vec2"):
            found.append({"input_values": torch.randn(400, generator=generator), "labels": label})
        elif name in ("T5", "BART") or MODELS[name][1] is CAUSAL:
            found.append({"input_ids": ids, "labels": ids})
        else:
            found.append({"input_ids": ids, "labels": label})
    return found
