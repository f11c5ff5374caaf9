"""Measure what happens inside a trained network.

Measured are how far back its gradient reaches, the values of its gates along a forecast, the drift
of its memory, and its Lyapunov exponents when it runs free.
"""

from sirve.evaluation.inside.finished_run import load_material as load_material
from sirve.evaluation.inside.finished_run import long_exponents as long_exponents
from sirve.evaluation.inside.measurements import Inside as Inside
from sirve.evaluation.inside.measurements import Material as Material
from sirve.evaluation.inside.measurements import measure as measure
