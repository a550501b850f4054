"""Models that many tests look at, trained once."""

import os

import pytest
from hypothesis import HealthCheck, settings

import oddsmith
from oddsmith.data.native import as_table
from oddsmith.data.samples import access_requests, students

# What is proved does not depend on how busy the machine is; a gate asks the same questions each time.
settings.register_profile(
    "patient",
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("patient")


@pytest.fixture(scope="session")
def requests_csv(tmp_path_factory):
    """300 access requests: an identifier, dates, a category, a boolean, two numbers, some cells missing."""
    path = tmp_path_factory.mktemp("samples") / "requests.csv"
    path.write_text(access_requests(300, seed=3))
    return path


@pytest.fixture(scope="session")
def students_csv(tmp_path_factory):
    """300 students in four houses; 13 courses, some marks missing."""
    path = tmp_path_factory.mktemp("samples") / "students.csv"
    path.write_text(students(300, seed=1))
    return path


@pytest.fixture(scope="session")
def binary(requests_csv):
    """Two classes, from a number with an indicator, a number, a boolean and a category."""
    return oddsmith.train(requests_csv, "needs_review", alpha=0.01, missing_indicator=True)


@pytest.fixture(scope="session")
def softmax(students_csv):
    """Four classes, one joint model."""
    return oddsmith.train(students_csv, "Hogwarts House", alpha=0.01)


@pytest.fixture(scope="session")
def ovr(students_csv):
    """Four classes, each against the rest, from numbers alone: this one has a flat form."""
    return oddsmith.train(students_csv, "Hogwarts House", multi_class="ovr", alpha=0.01, drop=["Best Hand"])


@pytest.fixture(scope="session", params=["binary", "softmax", "ovr"])
def any_model(request):
    """Each of the three kinds of model."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def rows_of(requests_csv, students_csv):
    """The table that a model was trained on."""

    def rows(model):
        return as_table(requests_csv if model.record.target.name == "needs_review" else students_csv)

    return rows
