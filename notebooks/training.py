# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Training a logistic regression, one step at a time
#
# From a table that fits on a napkin to the fit of a package, with nothing hidden in between. Every
# function called here is in `oddsmith/scratch.py`, a single file of NumPy: open it beside this page.
#
# The example: a company receives requests to change somebody's access rights. Each request has two
# scores, *ambiguity* (how unclear it is) and *support* (how well the written policy covers it), and a
# label: 1 when it turned out to need a person's review. Eight requests are enough for arithmetic. They
# are never enough for a decision.

# %%
# %matplotlib inline
import matplotlib.pyplot as plt
import numpy as np

from oddsmith import scratch

requests = ["R1", "R2", "R3", "R4", "R5", "R6", "R7", "R8"]
ambiguity = np.array([1.0, 1.5, 2.0, 3.5, 4.0, 4.5, 2.8, 3.2])
support = np.array([1.0, 2.0, 3.0, 6.0, 7.0, 5.0, 4.0, 8.0])
y = np.array([0, 0, 1, 1, 1, 1, 0, 0])

features = np.column_stack([ambiguity, support])
X = scratch.add_bias(features)

blue, vermilion, green, grey = "#0072B2", "#D55E00", "#009E73", "#595959"
plt.rcParams |= {
    "figure.figsize": (7, 4.2),
    "figure.dpi": 100,
    "figure.constrained_layout.use": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "axes.titlepad": 12,
    "font.size": 10,
}


def write_beside(axes, x, y, text, colour="black", offset=(6, 0), ha="left"):
    """A label next to the thing that it names, so that no legend has to be decoded."""
    place = {"textcoords": "offset points", "ha": ha, "va": "center", "annotation_clip": False}
    backing = {"facecolor": "white", "edgecolor": "none", "pad": 0.3}
    axes.annotate(text, (x, y), offset, color=colour, bbox=backing, **place)


# %% [markdown]
# ## 1. A table for the napkin
#
# The model adds up evidence as **log-odds** `z`, then turns them into a probability with the sigmoid,
# 1 / (1 + exp(-z)), which is odds / (1 + odds). Five values are worth knowing by heart; exp(1) = 2.718 and
# exp(4) = 54.6 are all that it takes.

# %%
print("  z   odds exp(z)   probability")
for z in [-4, -1, 0, 1, 4]:
    print(f"{z:+3d}   {np.exp(z):11.3f}   {scratch.sigmoid(z):11.3f}")

# %%
z = np.linspace(-6, 6, 241)
figure, axes = plt.subplots()
axes.plot(z, scratch.sigmoid(z), color=blue, linewidth=2)
for known in [-4, -1, 0, 1, 4]:
    p = float(scratch.sigmoid(known))
    axes.plot(known, p, "o", color=blue)
    right = known <= 0
    write_beside(
        axes, known, p, f"{p:.3f}", offset=(8, -8) if right else (-8, 8), ha="left" if right else "right"
    )
axes.set(
    xlabel="log-odds z",
    ylabel="probability",
    yticks=[0, 0.5, 1],
    xticks=[-4, -1, 0, 1, 4],
    ylim=(-0.08, 1.05),
)
axes.set_title("One step from 0 moves a probability by 23 points, three more by 25")
plt.show()

# %% [markdown]
# ## 2. One gradient by hand
#
# Take request R4 with its leading one, `x = [1, 3.5, 6]`, label `y = 1`, and weights that know nothing
# yet, `w = [0, 0, 0]`.
#
# | step | by hand |
# |---|---|
# | log-odds `z = x . w` | 0 |
# | probability `p = sigmoid(z)` | 0.5 |
# | loss `-log(p)`, as y is 1 | 0.693147 |
# | residual `p - y` | -0.5 |
# | gradient `(p - y) x` | [-0.5, -1.75, -3.0] |
#
# The residual says how wrong the answer was and in which direction; each weight gets its share of the
# blame in proportion to its input. That is the whole of training: everything below repeats it.

# %%
row, label = np.array([[3.5, 6.0]]), [1]
model = scratch.LogisticRegression(n_features=2, lr=0.2)
_, y_hat = model.forward(row)
slopes, slope_of_b = model.backward(row, label, y_hat)
print(f"loss      {model.loss(label, y_hat):.6f}")
print(f"gradient  {[slope_of_b, *slopes.ravel().tolist()]}")
assert [slope_of_b, *slopes.ravel()] == [-0.5, -1.75, -3.0]

# %% [markdown]
# Is the formula right? Nudge every weight a little both ways, and compare the slope of the loss with the
# gradient. The largest relative difference should be mere rounding.

# %%
difference = scratch.check_gradient(model, features, y)
print(f"largest relative difference: {difference:.1e}")
assert difference < 1e-6

# %% [markdown]
# ## 3. Three thousand steps downhill
#
# `fit_logistic` averages the gradient over all rows, steps against it, and starts again. Loss and
# weights are printed as they are after the same step.

# %%
w = scratch.fit_logistic(X, y, lr=0.2, epochs=3000)

# %% [markdown]
# How far from the bottom is that? Descent knows only the slope. Newton's method also divides by the
# curvature, and reaches the bottom of this valley in a handful of steps: three lines.

# %%
w_best = np.zeros(3)
for _ in range(10):
    p = scratch.predict_proba(X, w_best)
    w_best = w_best - np.linalg.solve((X.T * (p * (1 - p))) @ X, X.T @ (p - y))

best_loss = scratch.log_loss_from_logits(y, X @ w_best)
steepest = np.max(np.abs(X.T @ (scratch.predict_proba(X, w_best) - y)))
print(f"optimum {np.round(w_best, 6)}, loss {best_loss:.9f}, largest slope left {steepest:.0e}")
print(f"descent {np.round(w, 6)}, loss {scratch.log_loss_from_logits(y, X @ w):.9f}")
assert steepest < 1e-12

# %% [markdown]
# After 3000 steps the loss agrees with the optimum in five digits, yet the weights only in two. A flat
# loss curve alone doesn't prove that the weights have arrived.
#
# ## 4. What the learning rate does
#
# A step overshoots when the rate exceeds 2 / curvature. The curvature is largest at the start, where all
# probabilities are 0.5, and smaller at the optimum. Below the first limit every step is sure to descend;
# above the second one descent can't stay at the optimum; in between theory is silent, so measure.

# %%
for where, w_there in [("start", np.zeros(3)), ("optimum", w_best)]:
    p = scratch.predict_proba(X, w_there)
    curvature = np.linalg.eigvalsh((X.T * (p * (1 - p))) @ X / len(y))[-1]
    print(f"2 / curvature at the {where:<8}{2 / curvature:.3f}")


def loss_by_step(lr, steps=3000):
    """The loss after each step of batch descent, written out with the model's four methods."""
    model, losses = scratch.LogisticRegression(n_features=2, lr=lr), []
    _, y_hat = model.forward(features)
    for _ in range(steps):
        dW, dB = model.backward(features, y, y_hat)
        model.update(dW, dB)
        z, y_hat = model.forward(features)
        losses.append(scratch.log_loss_from_logits(y, z))
    return np.array(losses)


curves = {lr: loss_by_step(lr) for lr in [0.02, 0.2, 0.4, 0.5, 2.0]}
print("\n rate   steps that went up   last of them   loss after 3000")
for lr, losses in curves.items():
    up = np.flatnonzero(np.diff(losses) > 1e-12) + 2
    print(f"{lr:5.2f}   {len(up):18d}   {up[-1] if len(up) else '-':>12}   {losses[-1]:15.6f}")

# %% [markdown]
# A rate of 0.4 goes up again and again for some two hundred steps, then settles and ends nearest to the
# optimum of them all. At 0.5 and above it never settles. Nor does it fly off to infinity: the residuals
# are bounded by 1, and so is every step. A rule such as "rates above 1 diverge" belongs to the data that
# it was seen on.

# %%
figure, axes = plt.subplots()
steps = np.arange(1, 3001)
for lr, colour, remark in [
    (0.5, vermilion, ""),
    (0.02, grey, "too slow"),
    (0.2, blue, "sure to descend"),
    (0.4, green, "jumps, then wins"),
]:
    excess = curves[lr] - best_loss
    axes.plot(steps, excess, color=colour, linewidth=0.8 if lr == 0.5 else 2)
    if remark:
        write_beside(axes, 3000, excess[-1], f"{lr}: {remark}", colour)
write_beside(axes, 600, 0.6, "0.5: never settles", vermilion)
axes.set(xscale="log", yscale="log", xlim=(1, 3000), xlabel="steps", ylabel="loss above the optimum")
axes.set_title("The fastest rate lies between the safe ones and those that never settle")
plt.show()

# %% [markdown]
# ## 5. All rows, a few rows, one row a step
#
# Batch descent reads every row before each step. Mini-batch and stochastic descent step after a few rows
# or one, on a gradient that is right only on average. With steps of constant length they end up hovering
# around the optimum; with steps that shrink they settle. Three shuffles of each show how much is luck.

# %%
passes = np.unique(np.geomspace(1, 3000, 13).astype(int))


def excess_by_pass(fit, **options):
    """Loss above the optimum after so many passes over the rows, for three seeds: (3, passes)."""
    weights = [
        [fit(X, y, epochs=k, verbose=False, seed=seed, **options) for k in passes] for seed in range(3)
    ]
    return np.array([[scratch.log_loss_from_logits(y, X @ w) - best_loss for w in path] for path in weights])


figure, axes = plt.subplots()
axes.plot(steps, curves[0.2] - best_loss, color=blue, linewidth=2)
write_beside(axes, 3000, curves[0.2][-1] - best_loss, "all rows", blue)
for name, colour, fit, options in [
    ("four rows,\nshrinking steps", green, scratch.minibatch, {"batch_size": 4}),
    ("one row,\nshrinking steps", grey, scratch.sgd, {}),
    ("one row,\nconstant steps", vermilion, scratch.sgd, {"decay": 0}),
]:
    excess = excess_by_pass(fit, **options)
    middle = np.median(excess, axis=0)
    axes.fill_between(passes, excess.min(axis=0), excess.max(axis=0), color=colour, alpha=0.15, linewidth=0)
    axes.plot(passes, middle, color=colour, linewidth=2)
    write_beside(axes, 3000, middle[-1], name, colour)
axes.set(
    xscale="log", yscale="log", xlim=(1, 3000), xlabel="passes over the rows", ylabel="loss above the optimum"
)
axes.set_title(
    "Constant single-row steps hover; shrinking ones settle\n(median of three shuffles, and their range)"
)
plt.show()

# %% [markdown]
# Single rows take eight steps while batch descent takes one: after the first turmoil that puts them ahead,
# until the noise that remains holds them back and batch descent, which has none, goes past. With a million
# rows it would be a million steps to one, and few people have the patience to wait for the second half.
#
# ## 6. The line between yes and no
#
# The probability is 0.5 where the log-odds are 0: a straight line, b + w1 ambiguity + w2 support = 0. As
# training goes on, the line first swings into place. After that it is mostly the weights that grow: the
# same side, answered with more certainty.

# %%
across = np.array([0.0, 5.5])


def support_on_line(w, log_odds=0.0):
    """The support at which a request of given ambiguity has these log-odds."""
    return (log_odds - w[0] - w[1] * across) / w[2]


def scatter_requests(axes):
    """Filled circles need review, open squares don't."""
    axes.plot(ambiguity[y == 1], support[y == 1], "o", color=vermilion, markersize=8)
    axes.plot(ambiguity[y == 0], support[y == 0], "s", color=blue, markersize=8, markerfacecolor="white")
    for name, a, s in zip(requests, ambiguity, support, strict=True):
        write_beside(axes, a, s, name, grey, offset=(7, -9))
    write_beside(axes, 4.5, 5.0, "needs review", vermilion, offset=(9, 7))
    write_beside(axes, 1.0, 1.0, "does not", blue, offset=(-9, 0), ha="right")
    axes.set(xlim=(0, 5.5), ylim=(0, 9), xlabel="ambiguity", ylabel="support by the policy")


figure, axes = plt.subplots()
scatter_requests(axes)
print("steps   line passes support 5 at ambiguity   log-odds a unit of ambiguity")
for epochs, style, text, offset, ha in [
    (20, ":", "20 steps", (0, 8), "center"),
    (60, "--", "60", (2, 8), "right"),
    (3000, "-", "3000 steps", (0, 8), "left"),
]:
    w = scratch.fit_logistic(X, y, epochs=epochs, verbose=False)
    axes.plot(across, support_on_line(w), color="black", linestyle=style)
    write_beside(axes, -(w[0] + 9 * w[2]) / w[1], 9, text, offset=offset, ha=ha)
    print(f"{epochs:5d}   {-(w[0] + 5 * w[2]) / w[1]:34.2f}   {w[1]:28.2f}")
axes.set_title("The line is soon in place, then the weights grow", pad=26)
plt.show()

# %% [markdown]
# Where to cut is not the model's business but a matter of price. If a request wrongly waved through costs
# 120 and a needless review 18, review pays from a probability of 18 / (18 + 120) = 0.13 upwards, provided
# that the probabilities can be trusted. Everything to the right of the line goes to a person.

# %%
figure, axes = plt.subplots()
scatter_requests(axes)
for threshold, style, ha in [(18 / (18 + 120), "--", "right"), (0.5, "-", "left")]:
    log_odds = np.log(threshold / (1 - threshold))
    axes.plot(across, support_on_line(w_best, log_odds), color="black", linestyle=style)
    top = (log_odds - w_best[0] - 9 * w_best[2]) / w_best[1]
    write_beside(axes, top, 9, f"review from {threshold:.2f}", offset=(0, 8), ha=ha)
axes.set_title("A lower threshold moves the line, and never turns it", pad=26)
plt.show()

# %% [markdown]
# ## 7. The glass box and the package agree
#
# The package reads the same eight rows from a table, chooses its own solver, scales columns as it sees
# fit, and reports weights on the scale of the columns that it was given. The loss has one minimum, so
# there is only one right answer.

# %%
import polars as pl

import oddsmith

table = pl.DataFrame({"request": requests, "ambiguity": ambiguity, "support": support, "needs_review": y})
model = oddsmith.train(table, target="needs_review", id="request")
of_package = np.append(model.intercept, model.coef)
print(f"glass box {w_best}")
print(f"package   {of_package}")
assert model.intercept.shape == (1,)
assert model.coef.shape == (1, 2)
np.testing.assert_allclose(of_package, w_best, rtol=0, atol=1e-6)
