"""Physical systems, simulated with NumPy and SciPy. Knows nothing of learning.

One module a system; a new one is exported here and described in ``conf/sim/<name>.yaml``.
"""

from simulators.advection import Advection as Advection
from simulators.balls import Balls as Balls
from simulators.base import Channel as Channel
from simulators.base import SimulationError as SimulationError
from simulators.base import Simulator as Simulator
from simulators.burgers import Burgers as Burgers
from simulators.conduction import Conduction as Conduction
from simulators.diffusion import Diffusion as Diffusion
from simulators.double_pendulum import DoublePendulum as DoublePendulum
from simulators.draw import Draw as Draw
from simulators.draw import Family as Family
from simulators.gray_scott import GrayScott as GrayScott
from simulators.heat import Heat as Heat
from simulators.kuramoto_sivashinsky import KuramotoSivashinsky as KuramotoSivashinsky
from simulators.lorenz import Lorenz as Lorenz
from simulators.lorenz96 import Lorenz96 as Lorenz96
from simulators.navier_stokes import NavierStokes as NavierStokes
from simulators.pendulum import Pendulum as Pendulum
from simulators.wave import Wave as Wave
