"""peft as it is: a callback on the model that `get_peft_model` returned schedules what trains there."""

import peft
import pytest
import tiny
import trainers

from progbench import Anatomy, ProgressiveFreezing
from progbench.errors import BadInput
from progbench.method.schedule import shrinking, without_low_blocks

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")

QUERY = {"target_modules": ["query", "value"], "task_type": "SEQ_CLS"}
METHODS = {
    "LoRA": lambda: peft.LoraConfig(r=2, **QUERY),
    "DoRA": lambda: peft.LoraConfig(r=2, use_dora=True, **QUERY),
    "LoRA and every bias": lambda: peft.LoraConfig(r=2, bias="all", **QUERY),
    "LoRA and the pooler": lambda: peft.LoraConfig(r=2, modules_to_save=["pooler"], **QUERY),
    "IA3": lambda: peft.IA3Config(feedforward_modules=[], **QUERY),
    "VeRA": lambda: peft.VeraConfig(r=2, **QUERY),
}


def model(method):
    return peft.get_peft_model(tiny.model("BERT"), METHODS[method]())


@pytest.mark.parametrize(
    ("method", "make"), [*((method, shrinking) for method in METHODS), ("LoRA", without_low_blocks)]
)
def test_what_the_method_trains_in_a_stage_moves_and_nothing_else(tmp_path, method, make):
    tuned, schedule = model(method), make(4, 2)
    anatomy, live = Anatomy.of(tuned), {n for n, p in tuned.named_parameters() if p.requires_grad}
    watch, names = trainers.Watch(tuned), {id(p): n for n, p in tuned.named_parameters()}
    settings = {"num_train_epochs": 2, "per_device_train_batch_size": 2, "learning_rate": 1e-2}
    trainers.trainer(tmp_path, tuned, [ProgressiveFreezing(schedule), watch], tiny.rows("BERT"), **settings).train()

    assert watch.moved == [{names[id(p)] for p in anatomy.trainable(stage)} for stage in schedule]
    assert watch.updated == [anatomy.count(stage) for stage in schedule]
    assert {n for n, p in tuned.named_parameters() if p.requires_grad} == live  # as before, the base frozen


def test_every_parameter_that_peft_trains_is_scheduled():
    for method in METHODS:
        tuned = model(method)
        wanted = sum(p.numel() for p in tuned.parameters() if p.requires_grad)
        assert sum(p.numel() for p in Anatomy.of(tuned).parameters()) == wanted, method


PROMPTS = {
    "prefix": lambda: peft.PrefixTuningConfig(task_type="SEQ_CLS", num_virtual_tokens=2),
    "prompt": lambda: peft.PromptTuningConfig(task_type="SEQ_CLS", num_virtual_tokens=2),
    "p-tuning": lambda: peft.PromptEncoderConfig(task_type="SEQ_CLS", num_virtual_tokens=2, encoder_hidden_size=4),
}


@pytest.mark.parametrize("method", PROMPTS)
def test_what_trains_nothing_in_blocks_is_refused(tmp_path, method):
    tuned = peft.get_peft_model(tiny.model("BERT"), PROMPTS[method]())
    run = trainers.trainer(tmp_path, tuned, [ProgressiveFreezing(shrinking(4, 3))], tiny.rows("BERT"))

    with pytest.raises(BadInput, match=r"TUNING trains nothing in the blocks.*a schedule of blocks has no effect"):
        run.train()


def test_adalora_is_refused_since_it_needs_every_gradient_in_every_step():
    configuration = peft.AdaLoraConfig(total_step=10, tinit=1, tfinal=1, **QUERY)

    with pytest.raises(BadInput, match="AdaLoRA shares ranks out by the gradients of all its matrices"):
        Anatomy.of(peft.get_peft_model(tiny.model("BERT"), configuration))
