"""The types that a saved model may contain besides those that skops trusts by default.

skops trusts the estimators of scikit-learn and the ufuncs of NumPy and SciPy. The types below occur
in their fitted state. Each one contains only numbers, or is a function that only computes with
arrays. Read the source of a type before you add it: a function that writes files, such as
`numpy.save`, would do so when the model predicts.
"""

_KERNELS = (
    "CompoundKernel", "ConstantKernel", "DotProduct", "ExpSineSquared", "Exponentiation", "Matern",
    "PairwiseKernel", "Product", "RBF", "RationalQuadratic", "Sum", "WhiteKernel",
)  # fmt: skip
_DISTANCES = ("Chebyshev", "Euclidean", "Haversine", "Manhattan", "Minkowski", "SEuclidean")
_SCORES = ("chi2", "f_classif", "f_oneway", "f_regression", "r_regression")

TRUSTED_TYPES = frozenset(
    {
        "numpy.dtype",
        "numpy.mean",
        "numpy.median",
        "numpy.nan_to_num",
        "scipy._lib.array_api_compat.numpy._aliases.asarray",
        "scipy.interpolate._bsplines.BSpline",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.compose._column_transformer.make_column_selector",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.feature_selection._mutual_info.mutual_info_classif",
        "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
        "sklearn.metrics._classification.balanced_accuracy_score",
        "sklearn.metrics._scorer._CurveScorer",
        "sklearn.metrics._scorer._Scorer",
        "sklearn.neighbors._ball_tree.BallTree",
        "sklearn.neighbors._kd_tree.KDTree",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
        "sklearn.tree._tree.Tree",
        "sklearn.utils._bunch.Bunch",
        "sklearn.utils._metadata_requests.MetadataRequest",
        "sklearn.utils._metadata_requests.MethodMetadataRequest",
        *(f"sklearn.feature_selection._univariate_selection.{name}" for name in _SCORES),
        *(f"sklearn.gaussian_process.kernels.{name}" for name in _KERNELS),
        *(f"sklearn.metrics._dist_metrics.{name}Distance64" for name in _DISTANCES),
    }
)
