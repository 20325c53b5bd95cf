"""Two processes on gloo: a Trainer in DDP with a schedule; prints what the first of them found.

The second is a fork of the first, once all is loaded, which takes longer than what they do.
"""

import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import tiny
import torch
import trainers

from progbench import Anatomy, ProgressiveFreezing
from progbench.method.schedule import shrinking

FLAGS = {
    "default": {},
    "every gradient awaited": {"ddp_find_unused_parameters": False},
    "static graph": {"ddp_static_graph": True},
    "checkpointing": {"activation_checkpointing": True},
    "checkpointing as told": {
        "activation_checkpointing": True,
        "activation_checkpointing_kwargs": {"use_reentrant": False},
        "ddp_find_unused_parameters": True,
    },
}


def main(rank):
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank)}
    for name, flags in FLAGS.items():
        model = tiny.model("BERT")
        watch = trainers.Watch(model)
        settings = {"num_train_epochs": 2, "per_device_train_batch_size": 2, **flags}
        with tempfile.TemporaryDirectory() as folder:
            run = trainers.trainer(
                folder, model, [ProgressiveFreezing(shrinking(4, 2)), watch], tiny.rows("BERT"), **settings
            )
            try:
                run.train()
                right = watch.updated == [Anatomy.of(model).count(stage) for stage in shrinking(4, 2)]
                found = f"{type(run.model_wrapped).__name__}, {right}"
            except Exception as problem:
                found = str(problem)[:80]
        if rank == 0:
            print(f"{name}: {found}", flush=True)
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    tiny.model("BERT")
    second = os.fork() == 0
    main(int(second))
    if not second:
        os.wait()
