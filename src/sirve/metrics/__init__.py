"""Scores of rollouts, as functions of arrays, computed in float64.

Common arguments:

    truth, prediction  n rollouts in physical units, (n, steps, C, *space); step k = 1 ... steps has
                       the index k - 1 and lies k dt after the last state of the context
    std                standard deviation of each channel over all clean training states, (C,)
    error              e_k of ``normalised_error``, (n, steps)
    dt, unit           time of a step, and the unit of returned times
"""

from sirve.metrics.attractor import correlation_dimension as correlation_dimension
from sirve.metrics.attractor import hellinger as hellinger
from sirve.metrics.attractor import histogram_divergence as histogram_divergence
from sirve.metrics.bands import band_energy as band_energy
from sirve.metrics.bands import band_error as band_error
from sirve.metrics.bounds import excess as excess
from sirve.metrics.correlation import correlation_time as correlation_time
from sirve.metrics.correlation import pearson as pearson
from sirve.metrics.crossed import crossed as crossed
from sirve.metrics.error import THRESHOLD as THRESHOLD
from sirve.metrics.error import diverged as diverged
from sirve.metrics.error import mean_state as mean_state
from sirve.metrics.error import normalised_error as normalised_error
from sirve.metrics.error import nrmse as nrmse
from sirve.metrics.error import or_null as or_null
from sirve.metrics.error import shaped as shaped
from sirve.metrics.error import valid_steps as valid_steps
from sirve.metrics.error import valid_time as valid_time
from sirve.metrics.error import vrmse as vrmse
from sirve.metrics.habits import blurs as blurs
from sirve.metrics.habits import copies as copies
from sirve.metrics.habits import freezes as freezes
from sirve.metrics.paired import Interval as Interval
from sirve.metrics.paired import bootstrap as bootstrap
from sirve.metrics.paired import interval as interval
from sirve.metrics.paired import mean as mean
from sirve.metrics.paired import median as median
from sirve.metrics.paired import paired as paired
from sirve.metrics.peers import correlated_steps as correlated_steps
from sirve.metrics.peers import nrmse_frame as nrmse_frame
from sirve.metrics.peers import smape as smape
from sirve.metrics.peers import vpt_chepuri as vpt_chepuri
from sirve.metrics.peers import vpt_magrilab as vpt_magrilab
from sirve.metrics.peers import vpt_vlachas as vpt_vlachas
