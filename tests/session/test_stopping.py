"""A signal to end, as Ctrl-C."""

import signal
import threading

import pytest

from progbench.session.stopping import interrupted_when_told

SIGNALS = [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU]


@pytest.fixture(autouse=True)
def undisturbed():
    before = [signal.signal(one, signal.SIG_DFL) for one in SIGNALS]
    yield
    for one, handler in zip(SIGNALS, before, strict=True):
        signal.signal(one, handler)


@pytest.mark.parametrize("told", SIGNALS)
def test_a_signal_to_end_is_an_interrupt(told):
    with pytest.raises(KeyboardInterrupt, match=told.name), interrupted_when_told():
        signal.raise_signal(told)


def test_a_second_one_does_not_disturb_what_the_first_began():
    with interrupted_when_told():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        for one in SIGNALS:
            signal.raise_signal(one)


def test_afterwards_signals_are_what_they_were():
    with interrupted_when_told():
        pass

    assert [signal.getsignal(one) for one in SIGNALS] == [signal.SIG_DFL] * len(SIGNALS)


def test_a_signal_that_was_ignored_stays_ignored():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with interrupted_when_told():
        signal.raise_signal(signal.SIGHUP)


@pytest.mark.parametrize("engines", [signal.SIGUSR1, signal.SIGUSR2])
def test_a_signal_that_an_engine_has_taken_for_itself_stays_the_engines(engines):
    """submitit's process, in which a unit runs, queues the job again at SIGUSR2, or at what it was told instead."""
    heard = []
    signal.signal(engines, lambda number, frame: heard.append(number))
    with interrupted_when_told():
        signal.raise_signal(engines)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(engines)

    assert heard == [engines, engines]


def test_another_thread_which_has_no_signals_goes_on_without():
    done = []

    def work():
        with interrupted_when_told():
            done.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert done == [signal.SIG_DFL]
