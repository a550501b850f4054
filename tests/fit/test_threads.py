"""Threads add in block order what one thread would: the same bits, bounded look-ahead, nothing left behind."""

import os
import threading
import time
from functools import partial

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from oddsmith.data.block import ArraySource
from oddsmith.data.moments import measures
from oddsmith.engines import available_cores, reduce, threads
from oddsmith.engines.blas import blas_on_one_thread
from oddsmith.fit.losses import Bernoulli, Softmax
from oddsmith.fit.matrix import Standardisation
from oddsmith.fit.objective import Objective
from oddsmith.fit.penalties import ElasticNet
from oddsmith.fit.solvers import SOLVERS, solve

from .problems import PROBLEMS

ROWS = np.random.default_rng(0).normal(size=(5000, 7))
CODES = np.random.default_rng(1).integers(0, 4, 5000)
SOURCE = ArraySource(ROWS, CODES, np.random.default_rng(2).uniform(size=5000), 130)


def blas_threads():
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def ours():
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("oddsmith")]


@pytest.mark.parametrize("n_threads", [1, 2, 3, 8])
def test_results_are_added_in_block_order(n_threads):
    """Sums that rounding makes depend on their order, from kernels that finish in another one."""

    def slowly(number):
        time.sleep(0.002 * (number % 3))
        return 10.0 ** (16 - 4 * (number % 5)) * (-1.0) ** number

    with threads(n_threads) as engine:
        assert engine(range(40), slowly) == reduce(range(40), slowly)
        assert engine(["a", "b", "c", "d"], str.upper) == "ABCD"
    assert not ours()


@pytest.mark.parametrize("loss", [Bernoulli(), Bernoulli((0, 1, 2, 3)), Softmax(4)], ids=str)
@pytest.mark.parametrize("n_threads", [2, 8])
def test_sums_over_rows_have_the_bits_of_one_thread(loss, n_threads):
    columns = measures(SOURCE)
    theta = np.random.default_rng(3).normal(size=(loss.n_problems, loss.n_coupled * 8))
    unpenalised = ElasticNet.of(0.0, columns.sigma, loss.n_coupled)
    with blas_on_one_thread():
        one = Objective(SOURCE, loss, Standardisation.of(columns), unpenalised)
        alone, slope = one.evaluate(theta, order=2), one.gradient(theta)
    with threads(n_threads) as engine:
        standardisation = Standardisation.of(measures(SOURCE, engine))
        shared = Objective(SOURCE, loss, standardisation, unpenalised, engine=engine)
        found = shared.evaluate(theta, order=2)
        assert shared.gradient(theta).tobytes() == slope.tobytes()
    for name in ("value", "gradient", "hessian"):
        assert getattr(found, name).tobytes() == getattr(alone, name).tobytes()


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("name", ["weights, some zero", "softmax, 5 classes", "separated", "no intercept"])
def test_fits_have_the_bits_of_one_thread(name, solver):
    problem = PROBLEMS[name].changed(block_rows=9)
    few = {SOLVERS[solver].limit: 4}
    alone = solve(problem.objective(), solver, **few)
    with threads(3) as engine:
        objective = problem.objective()
        objective.engine = engine
        found = solve(objective, solver, **few)
    assert found.theta.tobytes() == alone.theta.tobytes()
    assert found.optimality.newton_decrement.tobytes() == alone.optimality.newton_decrement.tobytes()
    assert found.status is alone.status


def test_one_block_starts_no_thread_and_two_do():
    with threads(4) as engine:
        assert engine([1], lambda number: number) == 1
        assert not ours()
        seen = set()
        assert engine([1, 2], lambda number: seen.add(threading.current_thread().name) or number) == 3
        assert ours()
        assert all(name.startswith("oddsmith") for name in seen)
    assert not ours()
    with threads(1) as engine:
        engine([1, 2], lambda number: seen.add(threading.current_thread().name) or number)
    assert threading.current_thread().name in seen


def test_the_look_ahead_is_bounded():
    """No more blocks are read than twice the threads beyond those that are summed."""
    read, summed = [], []

    class Counted(int):
        def __add__(self, other):
            summed.append(other)
            return Counted(int(self) + int(other))

    def blocks():
        for number in range(100):
            read.append(number)
            assert len(read) - len(summed) <= 2 * 3 + 1
            yield number

    with threads(3) as engine:
        assert engine(blocks(), Counted) == sum(range(100))


def test_a_source_without_blocks_has_no_sum():
    with threads(2) as engine, pytest.raises(ValueError, match="no sum"):
        engine([], float)


@pytest.mark.parametrize("kind", [ZeroDivisionError, MemoryError, KeyboardInterrupt])
def test_what_a_kernel_raises_is_raised_and_ends_the_threads(kind):
    done = []

    def kernel(number):
        if number == 3:
            raise kind("here")
        done.append(number)
        return number

    with pytest.raises(kind, match="here"), threads(2) as engine:
        engine(range(1000), kernel)
    assert not ours()
    assert len(done) < 20


def test_kernels_see_the_callers_numpy_settings():
    with threads(2) as engine, np.errstate(over="ignore"):
        assert engine([1e300] * 4, lambda x: np.float64(x) * np.float64(1e300)) == np.inf


def test_where_the_system_gives_no_thread_the_caller_does_the_work(monkeypatch):
    def refuse(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with threads(4) as engine:
        assert engine(range(10), float) == 45.0


def test_blas_runs_on_one_thread_in_the_context_and_as_before_after_it():
    with threadpool_limits(limits=2, user_api="blas"):
        assert blas_threads() == {2}
        with threads(2) as engine:
            assert blas_threads() == {1}
            assert engine([0, 1, 2], lambda number: list(blas_threads())) == [1, 1, 1]
            with blas_on_one_thread():
                assert blas_threads() == {1}
            assert blas_threads() == {1}
        assert blas_threads() == {2}


def test_fits_that_overlap_in_time_restore_the_setting_once_both_are_done():
    first_in, second_out = threading.Event(), threading.Event()
    during = []

    def first():
        with blas_on_one_thread():
            first_in.set()
            second_out.wait(10)
            during.append(blas_threads())

    with threadpool_limits(limits=2, user_api="blas"):
        other = threading.Thread(target=first)
        other.start()
        first_in.wait(10)
        with blas_on_one_thread():
            pass
        second_out.set()
        other.join()
        assert during == [{1}]
        assert blas_threads() == {2}


@pytest.mark.parametrize(
    ("told", "expected"), [("1", 1), ("1,1", 1), ("100000", None), ("0", None), ("x", None)]
)
def test_available_cores_heed_what_joblib_tells_its_processes(monkeypatch, told, expected):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    cores = available_cores()
    assert 1 <= cores <= (os.cpu_count() or 1)
    monkeypatch.setenv("OMP_NUM_THREADS", told)
    assert available_cores() == (cores if expected is None else expected)


def test_kernels_may_be_partial_functions_of_any_additive_result():
    with threads(2) as engine:
        found = engine([np.arange(3.0)] * 5, partial(np.multiply, 2.0))
    np.testing.assert_array_equal(found, 10.0 * np.arange(3.0))
