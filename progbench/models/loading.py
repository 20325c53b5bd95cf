"""A known model made: found, built from its dimensions, or loaded with its weights. Loads torch only to make one."""

from __future__ import annotations

import importlib.util
import os
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from progbench import hub
from progbench.errors import BadInput, Missing
from progbench.models.agreement import configuration_of, digest_of, require_agreement
from progbench.models.folder import fingerprint, is_whole, require_whole
from progbench.models.spec import MOST_BLOCKS, ModelSpec, spec, specs

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

HUB_FILES = ("*.json", "*.txt", "model.safetensors")


def require(model: ModelSpec) -> None:
    """Raise Missing, in seconds and without fetching a file, when `fetch` is bound to; BadInput as `require_whole`."""
    files = on_hub(model)
    folder = hub.require(files) if files else fetch(model)
    if folder:
        require_whole(folder)


def fetch(model: ModelSpec) -> Path | None:
    """The folder with this model's weights, or None for a random one.

    Looks in PROGBENCH_MODELS (a folder of model folders) when that is set, then where the model lives: its package, or
    the hub. Raises Missing when it is not to be had.
    """
    if model.random:
        return None
    if model.path:
        if not (Path(model.path) / "config.json").is_file():
            raise Missing(f"no weights of {model.name}: {model.path} has no config.json")
        return Path(model.path)
    if files := on_hub(model):
        return hub.fetch(files)
    if root := os.environ.get("PROGBENCH_MODELS"):
        names = [name for name in (model.name, model.hub.rpartition("/")[2]) if name]
        there = (Path(root) / name for name in names if (Path(root) / name / "config.json").is_file())
        if folder := next(there, None):
            return folder
        if not model.package:
            tried = " or ".join(str(Path(root) / name) for name in names)
            raise Missing(f"no weights of {model.name}: PROGBENCH_MODELS is set, but {tried} has no config.json")
    if model.package:
        return _installed(model) / model.folder
    raise Missing(
        f"no weights of {model.name}: models.toml names neither hub nor package; set PROGBENCH_MODELS to a folder "
        f"that holds {model.name}, or say random = true there"
    )


def _installed(model: ModelSpec) -> Path:
    """The folder of an installed package. Raises Missing where it is not installed, or its name is none."""
    try:
        package = importlib.util.find_spec(model.package)
    except (ImportError, ValueError):  # its parent is not there; a name that begins with a dot
        package = None
    if package is None or not package.has_location or package.origin is None:  # what is built in lies in no folder
        package = model.package.replace("_", "-")
        raise Missing(f"no weights of {model.name}: package {package} is not installed (extra 'mini')")
    return Path(package.origin).parent


def on_hub(model: ModelSpec) -> hub.Files | None:
    """The hub's files that `fetch` gives; None where it looks elsewhere, or the model is random."""
    if not model.hub or model.random or model.package or model.path or os.environ.get("PROGBENCH_MODELS"):
        return None
    return hub.Files(model.hub, model.revision, "model", HUB_FILES, "PROGBENCH_MODELS", is_whole)


def build(model: ModelSpec, num_labels: int, head: str = "classification") -> PreTrainedModel:
    """A model of these dimensions with random weights and this head; on `torch.device("meta")` it takes no memory.

    `head` is "classification" or "question_answering" (two outputs a token, and no pooler). Draws from torch's global
    generator: seed it first. Raises BadInput for an architecture it does not know.
    """
    import transformers

    if model.described:
        configuration = configuration_of(model, num_labels)
    else:
        configuration = transformers.AutoConfig.from_pretrained(fetch(model), num_labels=num_labels)
    if type(configuration) not in _automatic(head)._model_mapping:
        what = head.replace("_", " ")
        raise BadInput(f"{model.name}: transformers has no model of {model.architecture!r} for {what}")
    return _automatic(head).from_config(configuration)


def _automatic(head: str) -> type:
    import transformers

    return {
        "classification": transformers.AutoModelForSequenceClassification,
        "question_answering": transformers.AutoModelForQuestionAnswering,
    }[head]


def outline(name: str, num_labels: int) -> PreTrainedModel:
    """A model without weights, on the meta device: by a known name, or from a folder or its config.json.

    It gets the first classifier that its architecture has, or else no head. Raises BadInput for a name that is neither,
    and for a configuration that transformers or torch can make no model of.
    """
    import torch

    path = Path(name)
    file = path / "config.json" if path.is_dir() else path
    with torch.device("meta"):
        if not path.exists():
            try:
                known = spec(name)
            except BadInput as problem:
                raise BadInput(f"{name}: no folder, no file, and no known name: {', '.join(specs())}") from problem
            return build(known, num_labels)
        try:
            return _from_configuration(file, num_labels)
        except (MemoryError, BadInput):
            raise
        except Exception as problem:  # of transformers, torch or json: whatever is wrong, the file is named
            said = textwrap.shorten(f"{type(problem).__name__}: {problem}", 300)  # torch adds where in itself it was
            raise BadInput(f"{file}: no configuration of a transformers model: {said}") from problem


def _from_configuration(file: Path, num_labels: int) -> PreTrainedModel:
    import transformers

    if not file.is_file():  # transformers would take the path for a name on the hub
        raise BadInput(f"{file}: is not there; wanted is a model's folder, or its config.json")
    configuration = transformers.AutoConfig.from_pretrained(file, num_labels=num_labels)
    blocks = getattr(configuration, "num_hidden_layers", None)
    if isinstance(blocks, int) and blocks > MOST_BLOCKS:  # each is made, and would fill the memory
        raise BadInput(f"{file}: num_hidden_layers = {blocks:,}: at most {MOST_BLOCKS:,}")
    heads = ("SequenceClassification", "ImageClassification", "AudioClassification")
    makers = [getattr(transformers, f"AutoModelFor{head}") for head in heads] + [transformers.AutoModel]
    maker = next(maker for maker in makers if type(configuration) in maker._model_mapping or maker is makers[-1])
    model = maker.from_config(configuration)
    if empty := [name for name, parameter in model.named_parameters() if parameter.numel() == 0]:
        raise BadInput(f"{file}: a model of this configuration has nothing in its {empty[0]}; a size in it is 0")
    return model


def load(
    model: ModelSpec, num_labels: int, head: str = "classification"
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase, str]:
    """The model with a fresh head, its tokenizer, and a fingerprint of all that was read, in float32.

    The head's weights come from torch's global generator: seed it first. Raises Missing where there are no weights, and
    BadInput for a folder that holds another model than models.toml describes, or not all of one.
    """
    import torch
    import transformers

    folder = fetch(model)
    if folder is None:
        from progbench.models import toy_tokenizer

        return build(model, num_labels, head), toy_tokenizer.build(model.architecture), "random"
    require_whole(folder)
    logging = transformers.utils.logging
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # it warns that the head is new, which is the point of fine-tuning
    logging.disable_progress_bar()
    try:
        configuration = transformers.AutoConfig.from_pretrained(folder, num_labels=num_labels)
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        if model.described:
            require_agreement(model, configuration, tokenizer, folder)
        loaded, info = _automatic(head).from_pretrained(
            folder, num_labels=num_labels, dtype=torch.float32, output_loading_info=True
        )
    except (BadInput, MemoryError, ImportError):
        raise
    except Exception as problem:  # of transformers, tokenizers or safetensors: whatever is wrong, the folder is named
        raise BadInput(f"{folder}: this is not a usable model folder: {problem}") from problem
    finally:
        logging.set_verbosity(verbosity)
        logging.enable_progress_bar()
    _require_fresh_head(loaded, info["missing_keys"], folder)
    if not model.described:
        _give_padding(loaded, tokenizer)
    return loaded, tokenizer, f"{digest_of(configuration, tokenizer)[:8]}:{fingerprint(folder)}"


def _give_padding(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """A model that writes text has no token to fill rows up with: its end of a text serves, behind each row's end."""
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if model.config.pad_token_id is None:
        model.config.pad_token_id = tokenizer.pad_token_id


def _require_fresh_head(model: PreTrainedModel, initialised: set[str], folder: Path) -> None:
    """Raise BadInput unless exactly the head is new: a trained one, or a body without weights, moves scores."""
    body = f"{model.base_model_prefix}."
    head = {name for name, _ in model.named_parameters() if not name.startswith(body)}
    if held := sorted(head - initialised):
        raise BadInput(f"{folder}: holds a trained head already ({', '.join(held)}); pretrained weights are needed")
    if absent := sorted(name for name in initialised if name.startswith(body)):
        raise BadInput(f"{folder}: has no weights for {', '.join(absent[:3])} ({len(absent)} in all)")
