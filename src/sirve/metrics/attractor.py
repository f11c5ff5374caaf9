"""Statistics of long rollouts: does a forecast stay on the attractor after its valid time?"""

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.distance import pdist

BINS, MARGIN, COUNT = 30, 0.1, 1e-5
LOW, HIGH = 1e-4, 1e-2  # shares of pairs between which a correlation dimension is fitted
POINTS = 4000  # the most states of which distances are taken


def hellinger(truth: np.ndarray, prediction: np.ndarray, smoothing: float = 2.0) -> float:
    """Return the Hellinger distance of power spectra in time: 0 the same, 1 nothing in common.

        H = sqrt(1 - sum_f sqrt(p_f q_f)), mean over components

    p and q are the powers |rfft(x - mean)|^2 without the constant, averaged over rollouts, smoothed
    and scaled to the sum 1. A component that is not finite or does not move counts as 1.

    Args:
        truth: (n, steps, ...).
        prediction: of the same shape.
        smoothing: standard deviation of the Gaussian that smooths, in frequencies.

    Sources: W. Gilpin's dysts (average_hellinger_distance); F. Hess et al., ICML 2023, section 4
    (which smooths by 20).
    """
    p, q = (_spectra(x, smoothing) for x in (truth, prediction))
    with np.errstate(all="ignore"):
        distance = np.sqrt(np.clip(1 - np.sqrt(p * q).sum(0), 0, 1))
    return float(np.where(np.isfinite(distance), distance, 1.0).mean())


def _spectra(x: np.ndarray, smoothing: float) -> np.ndarray:
    flat = np.asarray(x, np.float64).reshape(*x.shape[:2], -1)
    with np.errstate(all="ignore"):
        power = np.abs(np.fft.rfft(flat - flat.mean(1, keepdims=True), axis=1)[:, 1:]) ** 2
        smooth = gaussian_filter1d(power.mean(0), smoothing, axis=0, mode="nearest")
        return np.asarray(smooth / smooth.sum(0))


def histogram_divergence(truth: np.ndarray, prediction: np.ndarray) -> float:
    """Return KL(p || q) of the visited states of (n, steps, C): 0 the same, larger is worse.

    The histograms have 30 bins per channel, from 0.1 standard deviations below the smallest value
    of the truth to 0.1 above its largest, and 1e-5 is added to each count. Up to three channels are
    binned jointly; for more, the result is the mean over channels. States of the forecast that are
    outside of the bins or not finite count in the total only, so a forecast that leaves is far from
    the truth.

    Source: D_stsp of F. Hess et al., ICML 2023, section 4 (G. Koppe et al., PLoS Comput. Biol. 15
    (2019)).
    """
    a = np.asarray(truth, np.float64).reshape(-1, truth.shape[2])
    b = np.asarray(prediction, np.float64).reshape(-1, truth.shape[2])
    margin = MARGIN * a.std(0)
    edges = [
        np.linspace(low, high, BINS + 1)
        for low, high in zip(a.min(0) - margin - 1e-12, a.max(0) + margin + 1e-12, strict=True)
    ]
    if len(edges) <= 3:
        return _divergence(a, b, edges)
    channels = enumerate(edges)
    return float(np.mean([_divergence(a[:, [c]], b[:, [c]], [edge]) for c, edge in channels]))


def _divergence(a: np.ndarray, b: np.ndarray, edges: list[np.ndarray]) -> float:
    whole = b[np.isfinite(b).all(1)]
    p, q = (np.histogramdd(x, edges)[0] + COUNT for x in (a, whole))
    p, q = p / (len(a) + COUNT * p.size), q / (len(b) + COUNT * q.size)
    return float((p * np.log(p / q)).sum())


def correlation_dimension(states: np.ndarray) -> float:
    """Return the correlation dimension of states (n, steps, ...).

    It is the slope of log C(r) over log r, with C the share of pairs nearer than r, fitted by least
    squares where C is between 1e-4 and 1e-2. At most 4000 states are used, evenly spaced over
    rollouts and times, so that few pairs are neighbours in time. NaN if states are not finite, or
    if their distances do not differ.

    Source: P. Grassberger, I. Procaccia, Physica D 9 (1983), eq. 5.
    """
    flat = np.asarray(states, np.float64).reshape(states.shape[0] * states.shape[1], -1)
    flat = flat[np.linspace(0, len(flat) - 1, min(len(flat), POINTS)).astype(int)]
    if not np.isfinite(flat).all():
        return float("nan")
    shares = np.geomspace(LOW, HIGH, 20)
    radii = np.quantile(pdist(flat), shares)
    if radii[0] <= 0 or np.ptp(np.log(radii)) < 1e-9:  # no line can be fitted
        return float("nan")
    return float(np.polyfit(np.log(radii), np.log(shares), 1)[0])
