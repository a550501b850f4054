"""The mathematics of fitting: losses in the linear predictor, sums over rows, solvers in one table."""
