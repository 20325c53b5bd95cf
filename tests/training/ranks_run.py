"""What each of several processes does in tests of a run that they train together; one process alone does the same."""

import contextlib

import pytest
import torch
from interrupted import Stopped, fingerprint, learnt

from progbench.models import loading
from progbench.tasks import catalog
from progbench.training import checkpoints, fitting, one_run
from progbench.training.prepared import Prepared
from progbench.training.ranks import ALONE, RankOfSeveral


@contextlib.contextmanager
def prepared(data, *, dropout=True, double=False):
    """The generated data of a folder, and models with or without dropout, in float64 or float32."""
    with pytest.MonkeyPatch.context() as patch:
        for variable in catalog._GENERATED:
            patch.setitem(catalog._GENERATED, variable, lambda folder=data / variable: folder)
        load = loading.load

        def quiet(*arguments):
            model, *rest = load(*arguments)
            for module in model.modules():
                if isinstance(module, torch.nn.Dropout) and not dropout:
                    module.p = 0.0
            return model.double() if double else model, *rest

        patch.setattr(loading, "load", quiet)
        yield patch


def rank():
    return RankOfSeveral() if torch.distributed.is_initialized() else ALONE


def weighed(patch):
    """All weights after each epoch that is trained from now on."""
    found, fit = [], fitting.fit

    def noted(model, *arguments, **keywords):
        for epoch in fit(model, *arguments, **keywords):
            found.append([parameter.detach().clone() for parameter in model.parameters()])
            yield epoch

    patch.setattr(one_run, "fit", noted)
    return found


def trained(data, cases):
    """For each case (recipe, seeds, parts): what each seed learnt, the weights, and each process's hash of them."""
    found = []
    for wanted, seeds, parts in cases:
        with prepared(data, dropout=False, double=True) as patch:
            weights = weighed(patch)
            if wanted.task == "squad2":  # which scores in float32, where a place without a token has no finite score
                patch.setattr(Prepared, "score", lambda self: [{}] * len(self.numbers))
            here = rank()
            made = one_run.make(wanted, seeds, "cpu", 1, None, together=len(seeds) > 1, parts=parts, rank=here)
            found.append((list(map(learnt, made)), weights[-1], here.gathered(fingerprint(weights[-1]))))
    return found


def resumed(data, wanted, kept, step, every=1):
    """What a run with dropout learns that stops at a step and is started again, and how many steps it then takes."""
    found = []
    for number in (step, 0):
        with prepared(data) as patch:
            patch.setattr(checkpoints, "EVERY", 0.0)
            patch.setattr(RankOfSeveral, "ask_every", every)
            weights, call, steps = weighed(patch), fitting.Step.__call__, []

            def counted(self, batch, call=call, steps=steps, number=number):
                steps.append(1)
                if len(steps) == number:
                    raise Stopped()
                return call(self, batch)

            patch.setattr(fitting.Step, "__call__", counted)
            here = rank()
            with contextlib.suppress(Stopped):
                (made,) = one_run.make(wanted, [0], "cpu", 1, kept, rank=here)
                found.append((learnt(made), fingerprint(weights[-1]), len(steps), made.notes, made.environment))
    return found[0]


def drawn():
    """What each process draws first, after its streams of chance have been started from a seed."""
    here = rank()
    here.start_chance(3)
    return here.gathered(torch.rand(1).item())


def asked():
    """What each process takes for the answer, where each has another one."""
    here = rank()
    return here.gathered([here.agreed(here.number == 0), here.agreed(here.number == 1)])


def answered(data, wanted):
    """Scores of SQuAD in float32: there a window's places without a token have finite numbers."""
    with prepared(data, dropout=False):
        (made,) = one_run.make(wanted, [1], "cpu", 1, None, rank=rank())
    return [epoch.scores for epoch in made.epochs]


def everything(data, cases, wanted, answers, stops):
    """All of the above, in two processes that are started once."""
    return {
        "trained": trained(data, cases),
        "whole": resumed(data, wanted, None, 0),
        "resumed": [resumed(data, wanted, kept, step, every) for kept, step, every in stops],
        "answered": answered(data, answers),
        "drawn": [drawn(), drawn()],
        "asked": asked(),
    }
