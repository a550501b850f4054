"""The scikit-learn face: `oddsmith.LogisticRegression`, for pipelines, grid searches and notebooks.

    objective = sum_i w_i loss(eta_i, y_i) / sum_i w_i + penalty
    penalty   = alpha * sum_j (l1_ratio |coef_j| + (1 - l1_ratio) / 2 coef_j^2)
    eta       = intercept_ + X coef_' + offset

scikit-learn's C is 1 / (alpha * sum_i w_i), class weights included. What is fitted here can ship:
`to_model` makes it an `oddsmith.Model`, whose file gives the same probabilities to the bit.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from oddsmith.data.block import Floats
from oddsmith.data.cells import MissingMarkers
from oddsmith.data.design import LARGEST, Design
from oddsmith.data.encoding import NumericColumn
from oddsmith.data.moments import Measures, measures
from oddsmith.data.sparse import compressed, is_sparse, place_of_cell, source_of
from oddsmith.data.target import type_of_labels
from oddsmith.errors import FitWarning, InputError, counted, visible
from oddsmith.fit.matrix import log_odds
from oddsmith.fit.objective import TOLERANCE
from oddsmith.fit.optimality import Status
from oddsmith.model import Model
from oddsmith.model.probabilities import log_probabilities, predicted_codes, probabilities
from oddsmith.model.records import SelectionRecord, TargetRecord
from oddsmith.report.odds_ratios import odds_ratio_table
from oddsmith.workflow.account import KEYWORDS, divergence, message
from oddsmith.workflow.arrays import NO_NUMBER, as_labels, as_numbers, coded, refuse_unfit
from oddsmith.workflow.fitting import Task, fit, threads_for
from oddsmith.workflow.names import FileNames, texts_of
from oddsmith.workflow.offsets import about_zero, refuse_several, row_offsets
from oddsmith.workflow.parameters import is_seed, refuse_parameters
from oddsmith.workflow.record import model_of
from oddsmith.workflow.weights import row_weights

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.utils import check_random_state
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise ImportError(
        "oddsmith.LogisticRegression needs scikit-learn 1.9 or newer, which is not installed. "
        'Install it with: pip install "oddsmith[sklearn]"',
        name="sklearn",
    ) from error


class LogisticRegression(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Logistic regression to the optimum, with the evidence for it.

    Minimises the mean loss of the rows plus a penalty: ridge, lasso or elastic net. Coming from
    scikit-learn's estimator of this name:

    * There is no penalty by itself. Its C is 1 / (alpha * total weight), class weights included: the
      default C=1 is alpha = 1 / n_rows.
    * `multi_class` is "softmax" (its only way by now) or "ovr".
    * A fit that has no optimum or stopped early says so in a `FitWarning`, in `status_` and in `message_`.
    * `to_model()` makes a fit a file that `oddsmith predict` reads, with the same probabilities to the bit.

    `X` is an array, a scipy.sparse matrix of any format, or a pandas, Polars or Arrow table of numbers, none missing:
    `oddsmith.train` reads tables with text, dates and gaps. Of sparse rows no zero is ever stored or multiplied. With
    more than 400 sparse columns and no penalty, columns that others explain are not looked for: log-odds are unique
    then, and coefficients are those of one optimum among many.

    Args:
        alpha: strength of the penalty on the mean loss, never on the intercept.
        l1_ratio: alpha * (l1_ratio * sum of |coef| + (1 - l1_ratio) / 2 * sum of squares): 0 is ridge, 1 lasso.
        standardize: whether `alpha` acts on columns divided by their sigma; coefficients are on the user's.
        solver: "auto" chooses by the numbers of rows and coefficients; or "newton", "sketched-newton",
            "proximal-newton", "lbfgs",
            "gradient-descent", "sgd" or "mini-batch".
        multi_class: for three classes or more, "softmax" (one joint model) or "ovr" (each against the rest).
        fit_intercept: whether there is an intercept.
        class_weight: None; a weight for each label, 1 for those not named; or "balanced", which gives all
            classes the same total weight.
        max_iter: iterations at most; None is the solver's own number, 100 for Newton, 1,000 for L-BFGS.
        tol: the Newton decrement, half a squared distance to the optimum in standard errors, up to which a
            fit has converged.
        n_threads: threads that share the rows; None is as many as there are cores. No bit depends on it.
        random_state: of the solvers that draw rows, all but "newton", "lbfgs" and "gradient-descent"; None is 0.

    Attributes:
        coef_: (1, p) for two classes, (K, p) for more; those of softmax sum to zero, but with a lasso.
        intercept_: (1,) or (K,).
        classes_: (K,) labels in order.
        n_features_in_, feature_names_in_: columns of `X`, and their names where it has some.
        n_iter_: (1,) iterations done.
        solver_: the solver that did them.
        status_: "converged", "iteration_limit" or "no_finite_optimum".
        newton_decrement_: of each problem, one for two classes and softmax, K for one-vs-rest; measured at the
            coefficients or, where a last pass was spared, one step before and foretold by what that step gains.
        not_estimable_: names of the columns whose coefficients are 0, without a penalty, because they are
            constant or columns before them explain them, such as the last of all levels of a category.
        message_: how the fit ended, in one sentence.

    Example:
        >>> from oddsmith import LogisticRegression
        >>> fitted = LogisticRegression(alpha=0.1).fit([[0.0], [1.0], [2.0], [3.0]], ["no", "yes", "no", "yes"])
        >>> fitted.predict([[0.5], [2.5]]).tolist()
        ['no', 'yes']
        >>> fitted.to_model(["age"]).save("model.json")  # doctest: +SKIP
    """

    def __init__(
        self,
        alpha: float = 0.0,
        l1_ratio: float = 0.0,
        standardize: bool = False,
        solver: str = "auto",
        multi_class: Literal["softmax", "ovr"] = "softmax",
        fit_intercept: bool = True,
        class_weight: Mapping[Any, float] | Literal["balanced"] | None = None,
        max_iter: int | None = None,
        tol: float = TOLERANCE,
        n_threads: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.standardize = standardize
        self.solver = solver
        self.multi_class = multi_class
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.max_iter = max_iter
        self.tol = tol
        self.n_threads = n_threads
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: Any = None, offset: Any = None) -> Self:
        """Fit rows `X` (n, p) with labels `y` (n,), each counting `sample_weight` (n,) times.

        `offset` (n,) is the part of the log-odds that is known, of two classes: coefficients are fitted to the rest.
        Who predicts gives the offsets of those rows too; without them log-odds are those of an offset of 0.

        Warns:
            FitWarning: the fit ended without an optimum: none exists, or the solver stopped early.

        Raises:
            InputError: a parameter, the data or the weights cannot be used, or descent diverged.
        """
        self._check_parameters()
        if y is None:
            raise InputError(
                "fit requires y to be passed, but the target y is None. Give one label for each row."
            )
        X, y = self._rows(X, y)
        self.classes_, codes = coded(y)
        if len(self.classes_) < 2:
            raise InputError(
                f"y has one class, {visible(str(self.classes_[0]))}, in all of {counted(len(codes), 'row')}. "
                f"Two are needed."
            )
        weight = row_weights(sample_weight, self.class_weight, codes, self.classes_)
        n_classes = len(self.classes_)
        known = row_offsets(offset, len(codes))
        known, centre = about_zero(known, fit_intercept=bool(self.fit_intercept))
        source = source_of(X, codes, weight, known)
        with threads_for(self.n_threads, source, n_classes, self.multi_class) as engine:
            columns = measures(source, engine)
            self._check_columns(X, columns)
            scale = np.where(columns.sigma > 0.0, columns.sigma, 1.0)
            self._selection: SelectionRecord | None = None
            task = Task(
                source,
                n_classes,
                mean=columns.mean,
                scale=scale,
                multi_class=self.multi_class,
                alpha=1.0,
                l1_ratio=float(self.l1_ratio),
                standardize=bool(self.standardize),
                engine=engine,
                fit_intercept=bool(self.fit_intercept),
                tolerance=float(self.tol),
                offset_centre=centre,
            )
            found = fit(
                replace(task, alpha=self._strength(task)),
                solver=self.solver,
                max_iter=None if self.max_iter is None else int(self.max_iter),
                seed=self._seed(),
            )
        if found.status is Status.diverged:
            raise InputError(
                f"{divergence(found)} Try solver='newton', columns in other units, or a penalty."
            )
        self.coef_ = found.coef.copy()
        self.intercept_ = found.intercept.copy()
        self.n_iter_ = np.array([found.solution.n_iter])
        self.solver_ = found.solver
        self.status_ = found.status.name
        self.newton_decrement_ = found.solution.optimality.newton_decrement
        self.not_estimable_ = [
            "intercept" if j < 0 else self._names()[j] for j in found.not_estimable.tolist()
        ]
        self.message_ = message(found, self._names(), texts_of(self.classes_), KEYWORDS)
        self._fitted = found
        self._has_offset = known is not None
        if found.status is not Status.converged:
            warnings.warn(self.message_, FitWarning, stacklevel=2)
        return self

    def _strength(self, task: Task) -> float:
        """The penalty of this fit."""
        return float(self.alpha)

    def decision_function(self, X: Any, offset: Any = None) -> Floats:
        """Log-odds of `classes_[1]`, (n,), or those of each class, (n, K).

        `offset` (n,) is added to them; where the fit had offsets and none are given, they count as 0.
        """
        eta = self._log_odds(X, offset)
        return eta[:, 0] if eta.shape[1] == 1 else eta

    def predict(self, X: Any, offset: Any = None) -> NDArray[Any]:
        """Labels (n,): the class of the largest log-odds; of two classes the second one from 0 on.

        `offset` (n,) as in `decision_function`: 0 where none are given.
        """
        eta = self._log_odds(X, offset)
        return np.asarray(self.classes_[predicted_codes(eta)])

    def predict_proba(self, X: Any, offset: Any = None) -> Floats:
        """Probabilities (n, K) of `classes_`; of two classes, `expit` of the log-odds.

        `offset` (n,) as in `decision_function`: 0 where none are given.
        """
        return probabilities(self._log_odds(X, offset), self._fitted.form)

    def predict_log_proba(self, X: Any, offset: Any = None) -> Floats:
        """Logarithms (n, K) of the probabilities, from the log-odds: they keep their digits near 0 and 1.

        `offset` (n,) as in `decision_function`: 0 where none are given.
        """
        return log_probabilities(self._log_odds(X, offset), self._fitted.form)

    def score(self, X: Any, y: Any, sample_weight: Any = None, offset: Any = None) -> float:
        """Share of the rows `X` (n, p), counted `sample_weight` (n,) times, whose label `y` (n,) is predicted.

        `offset` (n,) as in `decision_function`: 0 where none are given.
        """
        from sklearn.metrics import accuracy_score

        return float(accuracy_score(y, self.predict(X, offset), sample_weight=sample_weight))

    def to_model(
        self,
        feature_names: Sequence[str] | None = None,
        class_names: Sequence[str] | None = None,
        target_name: str = "target",
        offset_name: str | None = None,
    ) -> Model:
        """The fit as an `oddsmith.Model`, to save, show, evaluate and predict from files.

        It takes the columns that `fit` took: behind the steps of a pipeline these are what the steps make,
        not those of the table. (In place of a StandardScaler, `standardize=True` lets the penalty act alike.)
        Its labels are those of files: texts, whole numbers or booleans.

        Args:
            feature_names: columns of the files to come, in order; by itself the fit's, or x0, x1, ...
            class_names: labels in the order of `classes_`; by itself their texts.
            target_name: the column that holds the labels.
            offset_name: the column that holds the offsets, where the fit had some.

        Raises:
            InputError: a fit with offsets has no name for them, names don't fit the model or each other, or coefficients were changed after the fit.
        """
        check_is_fitted(self)
        if not self._is_as_fitted():
            raise InputError(
                "coef_ or intercept_ was changed after the fit, so that the evidence no longer fits. Fit again."
            )
        if self._has_offset != (offset_name is not None):
            raise InputError(
                "offset_name: the fit had no offset. Leave it out."
                if offset_name is not None
                else "the fit had an offset, which files have to give as a column too. Name it: "
                "to_model(offset_name='log_odds_before')."
            )
        names = FileNames.of(
            self._names() if feature_names is None else feature_names,
            texts_of(self.classes_) if class_names is None else class_names,
            target_name,
            offset_name,
            n_features=self.n_features_in_,
            n_classes=len(self.classes_),
        )
        found = self._fitted
        columns = [
            NumericColumn(name, mean, scale)
            for name, mean, scale in zip(
                names.features, found.mean.tolist(), found.scale.tolist(), strict=True
            )
        ]
        return model_of(
            found,
            Design(columns, MissingMarkers.from_options((), ())),
            TargetRecord(names.target, [names.target], names.labels, type_of_labels(names.labels), []),
            KEYWORDS,
            offset=names.offset,
            selection=self._selection,
        )

    def _rows(self, X: Any, y: Any = None) -> Any:
        """`X` (n, p) real numbers of any width and layout, and `y` (n,) where given, checked as scikit-learn does."""
        if is_sparse(X):
            X = compressed(as_numbers(X))
        refuse_unfit(X)
        options: dict[str, Any] = {"dtype": "numeric", "ensure_all_finite": False, "accept_sparse": "csr"}
        try:
            if y is None:
                return as_numbers(validate_data(self, X, reset=False, **options))
            X, y = validate_data(self, X, as_labels(y), **options)
        except ValueError as error:
            if "string" in str(error):
                raise InputError(
                    f"X holds text: {visible(str(error), 200).rstrip('.')}. {NO_NUMBER}"
                ) from None
            raise
        if y.dtype.kind not in "iubU":  # these are labels whatever they hold
            check_classification_targets(y)
        return as_numbers(X), y

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _log_odds(self, X: Any, offset: Any = None) -> Floats:
        check_is_fitted(self)
        X = self._rows(X)
        known = row_offsets(offset, X.shape[0])
        if known is not None:
            refuse_several(len(self.classes_))
        found = self._fitted
        average = found.average if self._is_as_fitted() else self.intercept_ + self.coef_ @ found.mean
        eta = log_odds(X, found.mean, self.coef_, average)
        if known is not None:
            eta += known[:, None]
        if not np.isfinite(eta).all():
            self._refuse_gaps(X)
            row = int(np.argmin(np.isfinite(eta).all(axis=1)))
            raise InputError(
                f"X: the log-odds of row {row} are beyond the range of a double. Check its numbers."
            )
        return eta

    def _is_as_fitted(self) -> bool:
        """Whether nobody has set coefficients by hand since the fit."""
        found = self._fitted
        return np.array_equal(self.coef_, found.coef) and np.array_equal(self.intercept_, found.intercept)

    def _names(self) -> list[str]:
        """Names of the columns, those of the frame that was fitted or x0, x1, ..."""
        names = getattr(self, "feature_names_in_", None)
        return (
            [f"x{j}" for j in range(self.n_features_in_)] if names is None else [str(name) for name in names]
        )

    def _refuse_gaps(self, X: Any) -> None:
        """Raise InputError at the first cell that is NaN or infinite, if there is one."""
        strange = ~np.isfinite(X.data if is_sparse(X) else X)
        if strange.any():
            first = int(strange.argmax())
            row, column = place_of_cell(X, first) if is_sparse(X) else divmod(first, X.shape[1])
            what = "NaN" if np.isnan(X[row, column]) else "infinity"
            raise InputError(
                f"X contains {what} in row {row} (from 0) of column '{visible(self._names()[column])}'. "
                f"Impute it in a pipeline, or use oddsmith.train, which imputes missing cells by itself."
            )

    def _check_columns(self, X: Any, columns: Measures) -> None:
        if not np.isfinite(columns.largest).all():
            self._refuse_gaps(X)
        # A long double that no double can hold is infinite here and not there.
        small = (columns.sigma > 0.0) & (columns.sigma < 1.0 / LARGEST)
        wrong = np.flatnonzero(~(columns.largest <= LARGEST) | small)
        if len(wrong):
            size = f"as large as {columns.largest[wrong[0]]:.2g}"
            if small[wrong[0]]:
                size = f"that differ by {columns.sigma[wrong[0]]:.2g} only"
            raise InputError(
                f"column '{visible(self._names()[wrong[0]])}' of X holds numbers {size}, which leave a double no "
                f"room to compute. Give it in another unit."
            )

    def _seed(self) -> int:
        if self.random_state is None:
            return 0
        if is_seed(self.random_state):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _check_parameters(self) -> None:
        refuse_parameters(self)

    def _repr_html_inner(self) -> str:
        return self._under(super()._repr_html_inner())

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        bundle: dict[str, Any] = super()._repr_mimebundle_(**kwargs)
        if "text/html" in bundle:
            bundle["text/html"] = self._under(bundle["text/html"])
        return bundle

    def _under(self, diagram: str) -> str:
        """scikit-learn's diagram of the estimator, with the odds ratios under it once there are some."""
        if not hasattr(self, "_fitted"):
            return diagram
        labels = texts_of(self.classes_)[-len(self.coef_) :]
        table = odds_ratio_table(
            self._names(), labels, self.coef_, self._fitted.scale, self.message_, self.not_estimable_
        )
        return diagram.removesuffix("</body>") + table + "</body>"
