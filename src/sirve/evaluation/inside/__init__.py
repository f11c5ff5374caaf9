"""What happens inside a trained network, as numbers.

How far back its gradient reaches, what its gates do along a forecast, whether its memory drifts,
and the Lyapunov exponents of the map that it is when it runs free.
"""

from sirve.evaluation.inside.again import material_of as material_of
from sirve.evaluation.inside.again import settle as settle
from sirve.evaluation.inside.measurements import Inside as Inside
from sirve.evaluation.inside.measurements import Material as Material
from sirve.evaluation.inside.measurements import measure as measure
