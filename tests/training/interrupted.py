"""Runs that stop on the way, and what is left of them: small data, a checkpoint after every step."""

import hashlib

import torch

from progbench.training import checkpoints, fitting, one_run


class Stopped(Exception):
    """What stops a run that is stopped on the way; nothing expects it."""


def fingerprint(parameters):
    """One hash of all of a model's weights."""
    found = hashlib.sha256()
    for parameter in parameters:
        found.update(parameter.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def stop_at(monkeypatch, number, problem=Stopped):
    """Raise at the beginning of the step with this number, counted over all epochs from 1."""
    call, steps = fitting.Step.__call__, []

    def counted(self, batch):
        steps.append(1)
        if len(steps) == number:
            raise problem()
        return call(self, batch)

    monkeypatch.setattr(fitting.Step, "__call__", counted)
    return steps


def watch(monkeypatch):
    """The hash of all weights after each epoch that is trained from now on."""
    fit, found = fitting.fit, []

    def noted(model, *arguments, **keywords):
        for epoch in fit(model, *arguments, **keywords):
            found.append(fingerprint(model.parameters()))
            yield epoch

    monkeypatch.setattr(one_run, "fit", noted)
    return found


def often(monkeypatch):
    monkeypatch.setattr(checkpoints, "EVERY", 0.0)


def learnt(result):
    return [(epoch.scores, epoch.loss, epoch.updated_parameters, epoch.steps, epoch.flops) for epoch in result.epochs]
