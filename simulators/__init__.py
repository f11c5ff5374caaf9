"""Physical systems, simulated with NumPy and SciPy. Nothing here depends on learning.

Each system is one module in ``vectors`` or ``fields``. Export a new system here and give it a
``conf/sim/<name>.yaml``.
"""

from simulators.base import Channel as Channel
from simulators.base import SimulationError as SimulationError
from simulators.base import Simulator as Simulator
from simulators.family import Distribution as Distribution
from simulators.family import Family as Family
from simulators.fields.advection import Advection as Advection
from simulators.fields.burgers import Burgers as Burgers
from simulators.fields.conduction import Conduction as Conduction
from simulators.fields.diffusion import Diffusion as Diffusion
from simulators.fields.gray_scott import GrayScott as GrayScott
from simulators.fields.heat import Heat as Heat
from simulators.fields.kuramoto_sivashinsky import KuramotoSivashinsky as KuramotoSivashinsky
from simulators.fields.navier_stokes import NavierStokes as NavierStokes
from simulators.fields.shallow_water import ShallowWater as ShallowWater
from simulators.fields.wave import Wave as Wave
from simulators.vectors.balls import Balls as Balls
from simulators.vectors.double_pendulum import DoublePendulum as DoublePendulum
from simulators.vectors.lorenz import Lorenz as Lorenz
from simulators.vectors.lorenz96 import Lorenz96 as Lorenz96
from simulators.vectors.pendulum import Pendulum as Pendulum
